"""The main metrics, by which models are compared, by name."""

FORMATS = {
    "accuracy": "accuracy {:.1%}",
    "micro_f1": "micro-F1 {:.3f}",
    "mae": "MAE {:.4g}",
    "bleu": "BLEU {:.1f}",
    "chrf": "chrF {:.1f}",
    "cider_d": "CIDEr-D {:.3f}",
}
"""The format of each."""
LOWER_IS_BETTER = ("mae",)  # metrics of which less is better
