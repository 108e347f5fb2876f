"""The Markov chain: the lecture's figures (NUMBERS), fitting, sampling, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from unrolled.errors import DataError, OptionError
from unrolled.model.markov import MarkovChain, weather


def test_steps_on_are_the_lectures_figures() -> None:
    chain = weather()
    np.testing.assert_allclose(chain.after(0), np.eye(2))
    np.testing.assert_allclose(chain.after(1), [[0.9, 0.5], [0.1, 0.5]])
    np.testing.assert_allclose(chain.after(2), [[0.86, 0.70], [0.14, 0.30]], rtol=1e-12)
    np.testing.assert_allclose(chain.after(3), [[0.844, 0.780], [0.156, 0.220]], rtol=1e-12)
    ten = [[0.8333508096, 0.8332459520], [0.1666491904, 0.1667540480]]
    np.testing.assert_allclose(chain.after(10), ten, rtol=1e-12)


def test_long_run_is_the_lectures_figures() -> None:
    chain = weather()
    np.testing.assert_allclose(chain.stationary(), [5 / 6, 1 / 6], rtol=1e-12)
    np.testing.assert_allclose(sorted(np.linalg.eigvals(chain.matrix)), [0.4, 1.0], rtol=1e-12)
    assert chain.entropy_rate() == pytest.approx(0.38642700791953, rel=1e-12)
    assert chain.entropy_rate() / np.log(2) == pytest.approx(0.55749632799, rel=1e-10)
    assert chain.mean_run_lengths() == pytest.approx({"Sunny": 10.0, "Rainy": 2.0})


@pytest.mark.parametrize(("days", "nats"), [("SSSRRS", -4.081922042223543), ("RRRRRR", -5.2574953720277815)])
def test_log_likelihoods_are_the_lectures_figures(days: str, nats: float) -> None:
    names = {"S": "Sunny", "R": "Rainy"}
    assert weather().log_likelihood([names[day] for day in days]) == pytest.approx(nats, rel=1e-12)


def test_a_fitted_chain_counts_neighbours_within_each_sequence() -> None:
    chain = MarkovChain.fit(["aab", "ba"])
    assert chain.states == ("a", "b")
    np.testing.assert_allclose(chain.matrix, [[0.5, 1.0], [0.5, 0.0]])
    with_one = MarkovChain.fit(["aab", "ba"], added=1)
    np.testing.assert_allclose(with_one.matrix, [[0.5, 2 / 3], [0.5, 1 / 3]])


def test_states_are_any_hashable_values() -> None:
    chain = MarkovChain.fit([[(0, 0), (0, 1), (0, 0)], [(0, 1), (0, 1)]])
    assert chain.mean_run_lengths() == {(0, 0): 1.0, (0, 1): 2.0}
    assert chain.log_likelihood([(0, 0), (0, 0)]) == -np.inf
    assert chain.log_likelihood([]) == 0.0


def test_samples_are_fitted_back_to_the_chain() -> None:
    chain = weather()
    days = chain.sample(40_000, np.random.default_rng(0), first="Rainy")
    assert days[0] == "Rainy" and len(days) == 40_000
    again = MarkovChain.fit([["Sunny", "Sunny"], days])
    np.testing.assert_allclose(again.matrix, chain.matrix, atol=0.02)
    assert -chain.log_likelihood(days) / len(days) == pytest.approx(chain.entropy_rate(), abs=0.01)
    assert chain.sample(50, np.random.default_rng(1)) == chain.sample(50, np.random.default_rng(1))
    assert chain.sample(0, np.random.default_rng(1)) == []


def test_first_state_of_a_sample_is_from_the_stationary_distribution() -> None:
    generator = np.random.default_rng(2)
    firsts = [weather().sample(1, generator)[0] for _ in range(3000)]
    assert firsts.count("Sunny") / 3000 == pytest.approx(5 / 6, abs=0.03)


def test_a_periodic_chain_has_its_stationary_distribution() -> None:
    round_trip = MarkovChain.fit(["abcabca"])
    np.testing.assert_allclose(round_trip.stationary(), [1 / 3] * 3)
    assert round_trip.entropy_rate() == 0.0
    ends = MarkovChain(("a", "b"), np.array([[0.5, 0.0], [0.5, 1.0]]))
    np.testing.assert_allclose(ends.stationary(), [0.0, 1.0], atol=1e-12)
    assert ends.mean_run_lengths() == {"a": 2.0, "b": np.inf}
    assert set(ends.sample(20, np.random.default_rng(0))) == {"b"}


def test_two_closed_classes_have_no_single_stationary_distribution() -> None:
    with pytest.raises(DataError, match="several closed sets of states"):
        MarkovChain(("a", "b"), np.eye(2)).stationary()


def test_invalid_input_is_refused() -> None:
    with pytest.raises(DataError, match="nothing ever follows the state 'b'"):
        MarkovChain.fit(["ab"])
    with pytest.raises(DataError, match="the sequences are empty"):
        MarkovChain.fit([])
    with pytest.raises(DataError, match=r"fit\(\[text\]\)"):
        MarkovChain.fit("abab")
    with pytest.raises(OptionError, match="0 or more; got -1"):
        MarkovChain.fit(["ab"], added=-1)
    with pytest.raises(OptionError, match=r"columns sum to \[1.4, 0.6\]"):
        MarkovChain(("Sunny", "Rainy"), np.array([[0.9, 0.1], [0.5, 0.5]]))
    with pytest.raises(OptionError, match="2 states need a matrix of 2 × 2"):
        MarkovChain(("a", "b"), np.eye(3))
    with pytest.raises(OptionError, match="each state once"):
        MarkovChain(("a", "a"), np.eye(2))
    with pytest.raises(DataError, match=r"no state 'Suny'.* Did you mean 'Sunny'"):
        weather().log_likelihood(["Suny"])
    with pytest.raises(OptionError, match="number of steps must be 0 or more"):
        weather().after(-1)
