"""Accuracy of standard recipes on the same rows as `benchmarks/tables.py`. Needs scikit-learn.

python benchmarks/plain.py reviews/train.csv
python benchmarks/plain.py names/train.csv

For two labels: words and pairs of words, scaled by log-count ratios, in a linear support vector machine whose weights
are interpolated (a quarter the weight, three quarters the mean magnitude; NB-SVM, Wang & Manning 2012), or in a
logistic regression. For more labels: a logistic regression on tf-idf of one to four characters. Each with several
penalties, all of which are reported. One JSON line per fit is appended to benchmarks/plain.jsonl; results that are
there are not run again.
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

from unrolled.data.modalities.text import WORD
from unrolled.options import TrainOptions
from unrolled.tasks.dataset import read_task_examples

KEPT = 0.25  # share of a weight; the rest is the mean magnitude of all


def read_parts(data: Path, seed: int) -> dict[str, tuple[list[str], Any]]:
    """Training and validation split: texts, and the numbers of their labels."""
    examples = read_task_examples(data, TrainOptions(seed=seed, test="none"))
    (column,) = examples.targets.values()
    return {
        part: ([str(item) for item in examples.split_items(part)], np.asarray(column.of(examples.splits[part])))
        for part in ("training", "validation")
    }


def fit_words(parts: dict[str, tuple[list[str], Any]]) -> Iterator[tuple[str, float, float]]:
    """(recipe, inverse penalty, accuracy) of each fit, for two labels."""
    (texts, labels), (others, right) = parts["training"], parts["validation"]
    vectorizer = CountVectorizer(token_pattern=WORD.pattern, ngram_range=(1, 2), binary=True)
    features, held_out = vectorizer.fit_transform(texts).astype(float), vectorizer.transform(others).astype(float)
    first, second = (1 + np.asarray(features[labels == label].sum(0)).ravel() for label in (1, 0))
    ratios = np.log(first / first.sum()) - np.log(second / second.sum())
    features, held_out = features.multiply(ratios).tocsr(), held_out.multiply(ratios).tocsr()
    for inverse in (0.03, 0.1, 0.3, 1.0, 3.0):
        machine = LinearSVC(C=inverse, max_iter=20_000).fit(features, labels)
        weights = machine.coef_[0]
        weights = KEPT * weights + (1 - KEPT) * np.abs(weights).mean()
        yield "NB-SVM", inverse, float(((held_out @ weights + machine.intercept_ > 0) == right).mean())
        logistic = LogisticRegression(C=inverse, max_iter=500).fit(features, labels)
        yield "log-count ratios, logistic", inverse, float(logistic.score(held_out, right))


def fit_characters(parts: dict[str, tuple[list[str], Any]]) -> Iterator[tuple[str, float, float]]:
    """(recipe, inverse penalty, accuracy) of each fit, for any number of labels."""
    (texts, labels), (others, right) = parts["training"], parts["validation"]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    features, held_out = vectorizer.fit_transform(texts), vectorizer.transform(others)
    for inverse in (3.0, 10.0, 30.0):
        logistic = LogisticRegression(C=inverse, max_iter=300).fit(features, labels)
        yield "1-4 characters, logistic", inverse, float(logistic.score(held_out, right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/plain.jsonl"))
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    known = [json.loads(line) for line in lines]
    name = f"{options.data.resolve().parent.name}/{options.data.name}"
    for seed in map(int, options.seeds.split(",")):
        key = {"data": name, "seed": seed}
        if any(key.items() <= line.items() for line in known):
            continue
        parts = read_parts(options.data, seed)
        fits = fit_words if len(set(parts["training"][1].tolist())) == 2 else fit_characters
        found = [
            key | {"recipe": recipe, "inverse_penalty": inverse, "accuracy": accuracy,
                    "validated": len(parts["validation"][0]), "date": time.strftime("%Y-%m-%d")}
            for recipe, inverse, accuracy in fits(parts)
        ]  # fmt: skip
        with options.results.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in found)
        print(*map(json.dumps, found), sep="\n", flush=True)


if __name__ == "__main__":
    main()
