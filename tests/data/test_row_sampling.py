"""How often rows are drawn, by the frequency of their labels."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from data_files import write_rows

from unrolled.data.dataset.batches import ExampleBatches
from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.sampling import SAMPLINGS, Capped, SquareRoot, row_shares
from unrolled.data.dataset.shuffling import RowOrder, draw_by_shares
from unrolled.errors import OptionError
from unrolled.registry import build


def read(folder: Path, task: str, cell: str) -> Examples:
    """64 rows with `common`, of which 16 have `odd` too, and 4 rows with `rare` alone."""

    def row(n: int) -> str:
        return f"word {n},{'rare' if n >= 64 else cell if n % 4 == 0 else 'common'}"

    path = write_rows(folder / "t.csv", "text,tags", row, 68)
    valid = write_rows(folder / "v.csv", "text,tags", lambda n: f"other {n},{('common', 'rare')[n % 2]}", 10)
    return read_examples(path, DatasetOptions(task=task, valid=str(valid), test="none"))


def test_a_row_counts_by_the_rarest_of_its_labels(tmp_path: Path) -> None:
    examples = read(tmp_path, "multilabel", "common|odd")
    rows, targets = np.array([1, 0, 64, 3, *range(68)]), list(examples.targets.values())
    shares = row_shares(SquareRoot(), targets, np.arange(68))
    assert shares[[0, 1, 64]].tolist() == pytest.approx([1 / 4, 1 / 8, 1 / 2])
    assert row_shares(Capped(8), targets, np.arange(68))[[0, 1, 64]].tolist() == [1 / 2, 1 / 8, 1]
    assert (row_shares(SAMPLINGS["natural"](), targets, rows) == 1).all()
    labels = read(tmp_path, "classification", "odd")
    shares = row_shares(SquareRoot(), list(labels.targets.values()), np.arange(68))
    assert shares[[0, 1, 64]].tolist() == pytest.approx([1 / 4, 1 / np.sqrt(48), 1 / 2])


def test_rows_without_a_label_are_one_more_label(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [json.dumps({"text": f"word {n}", "tags": ["a"] if n % 10 else []}) for n in range(40)]
    path.write_text("\n".join(rows))
    examples = read_examples(path, DatasetOptions(task="multilabel", valid="0.1", test="none"))
    assert row_shares(SquareRoot(), list(examples.targets.values()), np.arange(40))[:2].tolist() == [1 / 2, 1 / 6]


def test_rows_are_drawn_in_proportion_and_differ_between_epochs() -> None:
    shares = np.array([4.0, 2.0, 1.0, 0.5] * 25)
    drawn = [Counter(draw_by_shares(shares, np.random.default_rng(seed)).tolist()) for seed in range(60)]
    expected = 100 * shares / shares.sum()
    for counts in drawn:
        each = np.array([counts[row] for row in range(100)])
        assert each.sum() == 100
        assert (np.abs(each - expected) < 1).all(), "rounded up or down"
    mean = np.mean([[counts[row] for row in range(100)] for counts in drawn], 0)
    assert np.allclose([mean[kind::4].mean() for kind in range(4)], expected[:4], rtol=0.1)
    assert len({tuple(sorted(counts.items())) for counts in drawn}) > 50


def test_a_batch_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    examples = read(tmp_path, "multilabel", "common|odd")
    shares = row_shares(SquareRoot(), list(examples.targets.values()), examples.splits["training"])
    first, again = (ExampleBatches(examples, "training", 8, 0, shares=shares) for _ in range(2))
    for k in (11, 3, 20):
        assert (again.batch(k).inputs == first.batch(k).inputs).all()
    order = RowOrder(68, 8, 0, shares=shares)
    assert order.batches_per_epoch == 9 and sum(len(order.rows(k)) for k in range(9)) == 68


@pytest.mark.parametrize(
    ("text", "message"),
    [("squared", "Unknown sampling 'squared'.*natural, sqrt, capped"), ("capped", "needs its option 'rows'"),
     ("capped:rows=0", "rows"), ("sqrt:rows=3", "has no option 'rows'")],
)  # fmt: skip
def test_another_sampling_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build("sampling", SAMPLINGS, text)
