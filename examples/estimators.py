"""Estimators in scikit-learn's tools: a classifier of texts in cross-validation, and a regressor behind a scaler.

python examples/estimators.py 100
"""

import sys

import numpy as np
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unrolled.estimators import Classifier, Regressor


def main(steps: int) -> tuple[float, float]:
    texts = ["a fine film", "warm and funny", "dull and long", "a cold, empty story"] * 25
    labels = ["good", "good", "bad", "bad"] * 25
    accuracy = cross_val_score(Classifier(steps=steps), texts, labels, cv=3).mean()
    print(f"accuracy by cross-validation: {accuracy:.2f}")
    x = np.random.default_rng(0).normal(10.0, 3.0, (300, 2))
    y = x[:, 0] - 2 * x[:, 1]
    model = make_pipeline(StandardScaler(), Regressor(steps=steps)).fit(x[:200], y[:200])
    score = model.score(x[200:], y[200:])
    print(f"R2 of a number: {score:.2f}")
    return float(accuracy), float(score)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
