"""Write a run's tags into the columns of a CoNLL-U file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unrolled.data.cells.words import join_words
from unrolled.data.tables.conllu import CONLLU, ConlluTable, parse_word
from unrolled.errors import DataError, command
from unrolled.tasks.run import Run


def has_tags(run: Run) -> bool:
    """Whether some output of a run is tags."""
    return any(output.each for output in run.outputs.values())


def tag_conllu(run: Run, path: str | Path) -> Iterator[str]:
    """The lines of a CoNLL-U file with the run's tags in their columns; the rest does not change."""
    table = ConlluTable.open(Path(path))
    tags = sorted(name for name, output in run.outputs.items() if output.each)
    places = {CONLLU.index(name): name for name in tags if name in CONLLU}
    if not places:
        raise DataError(
            f"{path} has no column for {', '.join(tags)}, the tags that this run predicts.\n"
            f"To print them as lines: {command('predict', run.path, path, '--json')}"
        )

    def texts() -> Iterator[str]:
        for _, lines in table.sentences():
            yield join_words(word[1] for line in lines if (word := parse_word(line)) is not None)

    # the file is read twice, as a thread reads ahead in one of them
    for (_, lines), predict in zip(table.sentences(), run.predict(texts(), top=1), strict=True):
        found = {place: iter(predict.best_tags(name)) for place, name in places.items()}
        for line in lines:
            fields = parse_word(line)
            if fields is not None:
                for place, labels in found.items():
                    fields[place] = next(labels)
            yield line if fields is None else "\t".join(fields)
        yield ""
