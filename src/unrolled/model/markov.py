"""The Markov chain: the next state depends on the current state alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from unrolled.errors import DataError, OptionError, nearest

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
S = TypeVar("S", bound=Hashable)

CLOSE = 1e-9  # tolerance of a column's sum


@dataclass(frozen=True, eq=False)
class MarkovChain(Generic[S]):
    """A chain over K states. `matrix[i, j]` is the probability of state i after state j: columns are "from".

    So every column sums to 1, and a distribution p (K,) becomes `matrix @ p` after one step. A state is any
    hashable value; the methods take and return the states themselves.
    """

    states: tuple[S, ...]
    matrix: Array  # (K, K) float64

    def __post_init__(self) -> None:
        size = len(self.states)
        matrix = np.array(self.matrix, dtype=np.float64)
        if not size or len(set(self.states)) < size:
            raise OptionError(f"A chain needs at least one state, and each state once; got {self.states!r}.")
        if matrix.shape != (size, size):
            raise OptionError(f"{size} states need a matrix of {size} × {size}; got the shape {matrix.shape}.")
        sums = matrix.sum(axis=0)
        if not ((matrix >= 0).all() and np.allclose(sums, 1.0, rtol=0, atol=CLOSE)):
            raise OptionError(
                f"The columns of a transition matrix must hold probabilities that sum to 1 (columns are 'from'); "
                f"the columns sum to {sums.round(6).tolist()}."
            )
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def fit(cls, sequences: Iterable[Sequence[S]], added: float = 0.0) -> MarkovChain[S]:
        """Fit the maximum-likelihood chain to sequences of states; each pair of neighbours counts once.

        The states are in the order of their first occurrence. `added` is added to every count: with 1, no transition
        has probability 0. Raises DataError if a state is never followed by another and nothing is added.
        """
        if not 0 <= added < float("inf"):
            raise OptionError(f"`added`, the number added to every count, must be 0 or more; got {added}.")
        numbers: dict[S, int] = {}
        pairs: list[tuple[int, int]] = []
        if isinstance(sequences, str):
            raise DataError("fit takes a list of sequences; got a single text. Pass a list: fit([text]).")
        for sequence in sequences:
            at = [numbers.setdefault(state, len(numbers)) for state in sequence]
            pairs += zip(at[1:], at[:-1], strict=True)
        counts = np.full((len(numbers), len(numbers)), float(added))
        np.add.at(counts, tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T), 1.0)
        sums = counts.sum(axis=0)  # (K,)
        if not numbers or not sums.all():
            ends = [state for state, number in numbers.items() if not sums[number]]
            what = f"nothing ever follows the state {ends[0]!r}" if ends else "the sequences are empty"
            raise DataError(f"No chain can be fitted: {what}. Pass longer sequences, or added=1.")
        return cls(tuple(numbers), counts / sums)

    def after(self, steps: int) -> Array:
        """The transition matrix (K, K) of `steps` steps: column j is the distribution `steps` steps after state j."""
        if steps < 0:
            raise OptionError(f"The number of steps must be 0 or more; got {steps}.")
        far: Array = np.linalg.matrix_power(self.matrix, steps)
        return far

    def stationary(self) -> Array:
        """The distribution (K,) that a step does not change.

        Raises DataError if there are several: the chain has several closed sets of states.
        """
        size = len(self.states)
        change = self.matrix - np.eye(size)
        if np.linalg.matrix_rank(change, tol=1e-12 * size) < size - 1:
            raise DataError(
                "This chain has several closed sets of states, so it has no unique stationary distribution. "
                "Fit with added=1, or fit a chain for each set."
            )
        equations = np.concatenate([change, np.ones((1, size))])
        solution = np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]
        distribution: Array = np.maximum(solution, 0.0)
        distribution /= distribution.sum()
        return distribution

    def entropy_rate(self) -> float:
        """The entropy rate of the stationary chain, in nats per step."""
        logarithms = np.log(np.where(self.matrix > 0, self.matrix, 1.0))
        return float(-(self.matrix * logarithms).sum(axis=0) @ self.stationary())

    def log_likelihood(self, sequence: Sequence[S]) -> float:
        """The log-probability of a sequence, in nats; its first state is from the stationary distribution.

        -inf if the sequence is impossible. Raises DataError if it holds a state that the chain does not have.
        """
        at = [self._number(state) for state in sequence]
        if not at:
            return 0.0
        with np.errstate(divide="ignore"):
            steps = np.log(self.matrix[at[1:], at[:-1]]).sum()
            return float(np.log(self.stationary()[at[0]]) + steps)

    def sample(self, length: int, generator: np.random.Generator, first: S | None = None) -> list[S]:
        """Draw `length` states, beginning with `first`, or with a state from the stationary distribution."""
        if length < 0:
            raise OptionError(f"The length of a sample must be 0 or more; got {length}.")
        if not length:
            return []
        start = _draw(self.stationary().cumsum(), generator) if first is None else self._number(first)
        sums, at = self.matrix.cumsum(axis=0), [start]
        while len(at) < length:
            at.append(_draw(sums[:, at[-1]], generator))
        return [self.states[number] for number in at]

    def mean_run_lengths(self) -> dict[S, float]:
        """The mean number of steps that each state lasts; inf for a state that is never left."""
        stays = np.diag(self.matrix).tolist()
        lasts = [1 / (1 - stay) if stay < 1 else float("inf") for stay in stays]
        return dict(zip(self.states, lasts, strict=True))

    def _number(self, state: S) -> int:
        try:
            return self.states.index(state)
        except ValueError:
            raise DataError(
                f"The chain has no state {state!r}; its states are {', '.join(map(repr, self.states[:10]))}."
                f"{nearest(str(state), map(str, self.states))}"
            ) from None


def _draw(sums: Array, generator: np.random.Generator) -> int:
    """Draw an index by cumulative probabilities (K,); an index of probability 0 is never drawn."""
    return int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))


def weather() -> MarkovChain[str]:
    """The lecture's chain of days: sun follows sun nine times in ten, rain follows rain every other time."""
    return MarkovChain(("Sunny", "Rainy"), np.array([[0.9, 0.5], [0.1, 0.5]]))
