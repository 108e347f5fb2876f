"""Models in scikit-learn's way: `fit`, `predict`, `predict_proba` and `score`. Extra `sklearn`.

An estimator's weights are those of a run folder, and it is pickled as the path of that folder.
"""

from __future__ import annotations

import importlib.util

from unrolled.errors import MissingExtra, install_extra

if importlib.util.find_spec("sklearn") is None:
    raise MissingExtra(
        f"The estimators need scikit-learn, which is not installed: {install_extra('sklearn')}. "
        "unrolled.train needs no extra."
    )

from unrolled.estimators.base import Estimator
from unrolled.estimators.tasks import Classifier, LanguageModel, Regressor, Tagger

__all__ = ["Classifier", "Estimator", "LanguageModel", "Regressor", "Tagger"]
