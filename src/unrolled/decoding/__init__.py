"""From what a model predicts to a text: by sampling and by beams."""
