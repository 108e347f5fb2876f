"""The figures by which models are set beside each other, by name."""

SHORT = {
    "accuracy": "{:.1%} right",
    "micro_f1": "micro-F1 {:.3f}",
    "mae": "MAE {:.4g}",
    "bleu": "BLEU {:.1f}",
    "chrf": "chrF {:.1f}",
}
"""How each is written."""
SMALLER = ("mae",)  # those that are better where they are smaller
