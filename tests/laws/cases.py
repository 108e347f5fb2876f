"""The parts that the laws are held against, a line each; a test demands one for every part there is."""

from __future__ import annotations

from collections.abc import Callable

from unrolled.gradient import Full, Gradient, Truncated
from unrolled.memory import GRU, LSTM, MEMORIES, RNN, Dropout, Memory, Residual, Stack, build_stack
from unrolled.model.language import LanguageModel

MEMORY_CASES: dict[str, Callable[[int, int], Memory]] = {
    "rnn": RNN,
    "gru": GRU,
    "lstm": LSTM,
    "stack of unlike memories": lambda inputs, size: Stack([RNN(inputs, 3), LSTM(3, size)]),
    "residual": lambda inputs, size: Residual(GRU(size, size)),
    "dropout": lambda inputs, size: Dropout(LSTM(inputs, size), 0.5),
    "dropout that drops nothing": lambda inputs, size: Dropout(RNN(inputs, size), 0.0),
    "three layers as trained": lambda inputs, size: build_stack("lstm", inputs, size, depth=3, dropout=0.3),
}

MODEL_CASES: dict[str, Callable[[], LanguageModel]] = {
    "language model, rnn": lambda: LanguageModel(65, 6, build_stack("rnn", 6, 8)),
    "language model, gru": lambda: LanguageModel(65, 6, build_stack("gru", 6, 8, dropout=0.2)),
    "language model, lstm": lambda: LanguageModel(65, 6, build_stack("lstm", 6, 8, depth=2, dropout=0.2)),
    "language model of two symbols": lambda: LanguageModel(2, 3, LSTM(3, 5)),
}

GRADIENT_CASES: dict[str, Gradient] = {
    "full": Full(),
    "truncated:k1=1": Truncated(1),
    "truncated:k1=2": Truncated(2),
    "truncated:k1=5": Truncated(5),
    "truncated:k1=1,k2=3": Truncated(1, 3),
    "truncated:k1=2,k2=4": Truncated(2, 4),
    "truncated:k1=2,k2=5": Truncated(2, 5),
    "truncated:k1=3,k2=4": Truncated(3, 4),
}

GRADIENT_MEMORIES: dict[str, Callable[[int, int], Memory]] = {
    **MEMORIES,
    "two layers": lambda inputs, size: build_stack("lstm", inputs, size, depth=2, dropout=0.3),
}
