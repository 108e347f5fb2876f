"""What plain recipes reach on the very rows that `benchmarks/answers.py` is measured on. Needs scikit-learn.

python benchmarks/plain.py reviews/train.csv
python benchmarks/plain.py names/train.csv

Of two labels: words and pairs of words, weighed by log-count ratios, in a linear support vector machine a quarter of
whose weights is kept and three quarters are their mean (NB-SVM, Wang & Manning 2012), or in a logistic regression. Of
more: a logistic regression on one to four characters of a row, by tf-idf. Each with several penalties, all of which
are told. A JSON line a fit is appended to benchmarks/plain.jsonl, and what stands there is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from unrolled.data.tokens import WORD
from unrolled.options import TrainOptions
from unrolled.tasks.dataset import read_rows

KEPT = 0.25  # of a weight; the rest is the mean size of all


def read_parts(data: Path, seed: int) -> dict[str, tuple[list[str], Any]]:
    """Training and validation part: texts, and the numbers of their labels."""
    examples = read_rows(data, TrainOptions(seed=seed, test="none"))
    (answered,) = examples.answers.values()
    return {
        part: ([str(item) for item in examples.part_items(part)], np.asarray(answered.of(examples.parts[part])))
        for part in ("training", "validation")
    }


def fit_words(parts: dict[str, tuple[list[str], Any]]) -> Iterator[tuple[str, float, float]]:
    """Recipe, penalty's inverse and share right, of two labels."""
    (texts, labels), (others, right) = parts["training"], parts["validation"]
    look = CountVectorizer(token_pattern=WORD.pattern, ngram_range=(1, 2), binary=True)
    seen, exam = look.fit_transform(texts).astype(float), look.transform(others).astype(float)
    first, second = (1 + np.asarray(seen[labels == label].sum(0)).ravel() for label in (1, 0))
    ratios = np.log(first / first.sum()) - np.log(second / second.sum())
    seen, exam = seen.multiply(ratios).tocsr(), exam.multiply(ratios).tocsr()
    for inverse in (0.03, 0.1, 0.3, 1.0, 3.0):
        machine = LinearSVC(C=inverse, max_iter=20_000).fit(seen, labels)
        weights = machine.coef_[0]
        weights = KEPT * weights + (1 - KEPT) * np.abs(weights).mean()
        yield "NB-SVM", inverse, float(((exam @ weights + machine.intercept_ > 0) == right).mean())
        logistic = LogisticRegression(C=inverse, max_iter=500).fit(seen, labels)
        yield "log-count ratios, logistic", inverse, float(logistic.score(exam, right))


def fit_characters(parts: dict[str, tuple[list[str], Any]]) -> Iterator[tuple[str, float, float]]:
    """Recipe, penalty's inverse and share right, of any labels."""
    (texts, labels), (others, right) = parts["training"], parts["validation"]
    look = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    seen, exam = look.fit_transform(texts), look.transform(others)
    for inverse in (3.0, 10.0, 30.0):
        logistic = LogisticRegression(C=inverse, max_iter=300).fit(seen, labels)
        yield "1-4 characters, logistic", inverse, float(logistic.score(exam, right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/plain.jsonl"))
    asked = parser.parse_args()
    lines = asked.results.read_text().splitlines() if asked.results.exists() else []
    known = [json.loads(line) for line in lines]
    name = f"{asked.data.resolve().parent.name}/{asked.data.name}"
    for seed in map(int, asked.seeds.split(",")):
        told = {"data": name, "seed": seed}
        if any(told.items() <= line.items() for line in known):
            continue
        parts = read_parts(asked.data, seed)
        fits = fit_words if len(set(parts["training"][1].tolist())) == 2 else fit_characters
        found = [
            told | {"recipe": recipe, "inverse_penalty": inverse, "accuracy": accuracy,
                    "validated": len(parts["validation"][0]), "date": time.strftime("%Y-%m-%d")}
            for recipe, inverse, accuracy in fits(parts)
        ]  # fmt: skip
        with asked.results.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in found)
        print(*map(json.dumps, found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
