"""The text of the demos: the help on the Python language, which comes with Python."""

from __future__ import annotations

from unrolled.errors import InputError


def python_topics() -> str:
    """The texts of pydoc_data.topics, one after the other. Raises InputError where this Python comes without them."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise InputError("This Python comes without pydoc_data.topics, the text of the demo.\n"
                         "Train on your own text: unroll train TEXT --minutes 2") from None  # fmt: skip
    return "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"
