"""Speed of predictions for short texts: in batches as in `unroll predict`, and one by one; with the memory use.

python benchmarks/predicting.py RUN --texts 100000

Both are measured in one process, one after the other; the one-by-one loop stops after 20 seconds. A JSON line is
appended to benchmarks/predicting.jsonl.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import unrolled
from unrolled.environment import bytes_in_use, peak_bytes, processor_name
from unrolled.seeds import numpy_generator

WORDS = ("a", "the", "film", "story", "man", "night", "old", "new", "warm", "dull", "fine", "slow", "never", "almost")
LOOP_SECONDS = 20.0


def texts(count: int) -> Iterator[str]:
    """Short texts of random words, 3 to 12 each."""
    generator = numpy_generator(0, "texts")
    for _ in range(count):
        yield " ".join(generator.choice(WORDS, generator.integers(3, 13)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/predicting.jsonl"))
    options = parser.parse_args()
    run = unrolled.load(options.run)
    for _ in run.predict(texts(3_000)):
        pass
    before = bytes_in_use()
    started = time.perf_counter()
    count = sum(1 for _ in run.predict(texts(options.texts)))
    together = (time.perf_counter() - started) / count
    grown = peak_bytes() - before
    started, alone = time.perf_counter(), 0
    for text in texts(options.texts):
        next(run.predict([text]))
        alone += 1
        if time.perf_counter() - started > LOOP_SECONDS:
            break
    one_by_one = (time.perf_counter() - started) / alone
    line = {
        "texts": count, "selected": run.selected, "seconds": round(together * count, 2),
        "texts_a_second": round(1 / together), "one_by_one_a_second": round(1 / one_by_one),
        "times": round(one_by_one / together, 1), "bytes_more": grown, "processor": processor_name(),
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    with options.results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
