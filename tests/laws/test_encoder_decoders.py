"""Every cell of source x memory x cross-attention: a tiny batch of texts is overfit, and chunks equal the whole.

All pairs of components are in cells of the fast tests; the whole table is slow.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from cases import bags, fixed_sources, labels, vectors
from torch import nn

from unrolled import laws
from unrolled.laws import FixedSources, Law, a_tiny_batch_of_texts_is_overfit, chunks_equal_the_whole
from unrolled.memory import MEMORIES
from unrolled.model.cross_attention import CROSS_ATTENTIONS


def depth(memory: str) -> int:
    """Attention alone is a weighted mean: only a second layer can use the result for the text so far."""
    return 2 if memory == "attention" else 1


SOURCES: dict[str, Callable[[str, str], FixedSources]] = {
    "texts": lambda memory, cross_attention: fixed_sources(memory, cross_attention, bags(), depth=depth(memory)),
    "labels": lambda memory, cross_attention: fixed_sources(memory, cross_attention, labels(), depth=depth(memory)),
    "vectors": lambda memory, cross_attention: fixed_sources(
        memory, cross_attention, vectors(), depth=depth(memory), embedding=nn.Linear(4, 6)
    ),
}


def check(source: str, memory: str, cross_attention: str) -> None:
    """A memory that keeps nothing cannot distinguish positions of a text, and is excused from overfitting it."""
    excuses = getattr(MEMORIES[memory](8, 8), "excuses", {})
    held: list[Law] = [chunks_equal_the_whole]
    if "a_tiny_batch_is_overfit" not in excuses:
        held.append(a_tiny_batch_of_texts_is_overfit)
    for law in held:
        broken = laws.broken(law, lambda: SOURCES[source](memory, cross_attention).double())
        assert broken is None, f"{source}, {memory}, {cross_attention}: {broken}"


@pytest.mark.slow
@pytest.mark.parametrize("cross_attention", CROSS_ATTENTIONS)
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_pair_of_components_generates_texts(memory: str, cross_attention: str) -> None:
    sources, place = list(SOURCES), list(MEMORIES).index(memory) + list(CROSS_ATTENTIONS).index(cross_attention)
    check(
        sources[place % len(sources)], memory, cross_attention
    )  # so each source is combined with every memory and every cross-attention too


@pytest.mark.slow
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_cell_generates_texts(memory: str) -> None:
    for source, cross_attention in product(SOURCES, CROSS_ATTENTIONS):
        check(source, memory, cross_attention)
