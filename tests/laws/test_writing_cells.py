"""Every cell of source x memory x cross-attention: a tiny batch of texts is overfit, and chunks equal the whole.

All pairs of components are in cells of the fast tests; the whole table is slow.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from cases import bags, labels, told, vectors
from torch import nn

from unrolled import laws
from unrolled.laws import Law, Told, a_tiny_batch_of_texts_is_learnt_by_heart, chunks_equal_the_whole
from unrolled.memory import MEMORIES
from unrolled.model.cross_attention import READERS


def depth(memory: str) -> int:
    """Attention alone is a weighted mean: only a second layer can use the result for the text so far."""
    return 2 if memory == "attention" else 1


SOURCES: dict[str, Callable[[str, str], Told]] = {
    "texts": lambda memory, reader: told(memory, reader, bags(), depth=depth(memory)),
    "labels": lambda memory, reader: told(memory, reader, labels(), depth=depth(memory)),
    "vectors": lambda memory, reader: told(memory, reader, vectors(), depth=depth(memory), inlet=nn.Linear(4, 6)),
}


def check(source: str, memory: str, reader: str) -> None:
    """A memory that keeps nothing cannot distinguish positions of a text, and is excused from overfitting it."""
    excuses = getattr(MEMORIES[memory](8, 8), "excuses", {})
    held: list[Law] = [chunks_equal_the_whole]
    if "a_tiny_batch_is_learnt_by_heart" not in excuses:
        held.append(a_tiny_batch_of_texts_is_learnt_by_heart)
    for law in held:
        broken = laws.broken(law, lambda: SOURCES[source](memory, reader).double())
        assert broken is None, f"{source}, {memory}, {reader}: {broken}"


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_pair_of_parts_writes(memory: str, reader: str) -> None:
    sources, place = list(SOURCES), list(MEMORIES).index(memory) + list(READERS).index(reader)
    check(
        sources[place % len(sources)], memory, reader
    )  # so each source is combined with every memory and every cross-attention too


@pytest.mark.slow
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_cell_of_writing(memory: str) -> None:
    for source, reader in product(SOURCES, READERS):
        check(source, memory, reader)
