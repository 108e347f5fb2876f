"""Dynamic evaluation: each prediction uses only earlier tokens, and the original model does not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unrolled
from unrolled.data import read_corpus
from unrolled.errors import OptionError
from unrolled.memory import build_stack
from unrolled.metrics.surprise import evaluate
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.training.adapting import Adaptation, AdaptingModel, evaluate_adapted, gather_spread

V = 6
TEXT = "".join(f"{k} green bottles, hanging on the wall; " for k in range(300))


def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(V, 4, build_stack("lstm", 4, 8)).double()


def adapting(rate: float, pull: float = 0.01) -> Adaptation:
    return Adaptation(rate, pull, tuple(torch.ones_like(p) for p in model().parameters()))


def answers(tokens: torch.Tensor, cuts: list[int], rate: float = 0.05) -> torch.Tensor:
    learning, given = AdaptingModel(model(), adapting(rate)), []
    state = learning.start(1)
    for piece in tokens.tensor_split(cuts):
        logits, state = learning.unroll(piece[None], state)
        given.append(logits[0])
    return torch.cat(given)


def test_no_prediction_depends_on_later_tokens() -> None:
    tokens = torch.randint(0, V, (40,), generator=torch.Generator().manual_seed(1))
    changed = tokens.clone()
    changed[25:] = (changed[25:] + 1) % V
    plain, other = answers(tokens, [8, 16, 24, 32]), answers(changed, [8, 16, 24, 32])
    assert torch.equal(plain[:25], other[:25]) and not torch.equal(plain[25:], other[25:])


def test_the_first_segment_is_scored_as_trained_and_later_ones_after_adapting() -> None:
    tokens = torch.randint(0, V, (40,), generator=torch.Generator().manual_seed(1))
    whole, _ = model().unroll(tokens[None], model().start(1))
    learnt = answers(tokens, [16])
    assert torch.allclose(learnt[:16], whole[0, :16]) and not torch.allclose(learnt[16:], whole[0, 16:])


def test_what_comes_again_is_learnt_and_rate_zero_learns_nothing() -> None:
    inputs = np.tile(np.arange(V), 100)
    rows, characters = [(inputs[:-1], inputs[1:])], np.ones(V)
    plain = evaluate(model(), rows, characters)
    assert evaluate_adapted(model(), adapting(0.0), rows, characters).nats == pytest.approx(plain.nats)
    assert evaluate_adapted(model(), adapting(2.0, 0.001), rows, characters).nats < plain.nats - 0.3


def test_the_given_model_is_unchanged_and_full_decay_undoes_adapting() -> None:
    tokens, given = torch.arange(40) % V, model()
    before = [parameter.clone() for parameter in given.parameters()]
    learning = AdaptingModel(given, adapting(0.05, pull=1.0))
    state = learning.start(1)
    for piece in tokens.split(8):  # type: ignore[no-untyped-call]
        _, state = learning.unroll(piece[None], state)
    for old, left, back in zip(before, given.parameters(), learning.model.parameters(), strict=True):
        assert torch.equal(old, left) and torch.allclose(old, back)


def test_the_net_of_an_ensemble_adapts_as_if_alone() -> None:
    counts = NGram.count(np.random.default_rng(0).integers(0, V, 500), V, order=2, eos=0)
    mixture, tokens = Mixture([model(), counts]).double(), torch.arange(48) ** 2 % V
    whole, alone = AdaptingModel(mixture, adapting(0.05)), AdaptingModel(model(), adapting(0.05))
    of_whole, of_alone = whole.start(1), alone.start(1)
    for piece in tokens.split(8):  # type: ignore[no-untyped-call]
        answered, of_whole = whole.unroll(piece[None], of_whole)
        _, of_alone = alone.unroll(piece[None], of_alone)
    same = zip(whole.model.trained.parameters(), alone.model.parameters(), strict=True)
    assert all(torch.equal(mine, other) for mine, other in same)
    assert torch.equal(whole.model.gate, mixture.gate), "the ensemble's weights stay"
    plain, _ = mixture.unroll(tokens[None], mixture.start(1))
    assert not torch.allclose(answered, plain[:, -8:])


def test_a_rare_token_is_changed_little(tmp_path: Path) -> None:
    (tmp_path / "rare.txt").write_text("§" + TEXT)
    settings: dict[str, Any] = {"model": "lstm", "steps": 40, "hidden_size": 16, "threads": 1}
    run: Any = unrolled.train(tmp_path / "rare.txt", out=str(tmp_path / "run"), **settings)
    corpus = read_corpus(tmp_path / "rare.txt", seed=0)
    spread = gather_spread(run.model, corpus, seed=0)
    assert all(float(r.min()) > 0.499 * float(r.mean()) > 0 for r in spread)
    tokens = np.tile(corpus.vocabulary.encode("§ green bottles, "), 40)
    rows, characters = [(tokens[:-1], tokens[1:])], corpus.vocabulary.characters
    adapting = Adaptation(4e-4, 0.01, spread)
    plain = evaluate(run.model, rows, characters).nats
    assert evaluate_adapted(run.model, adapting, rows, characters).nats < plain


@pytest.mark.slow
def test_evaluate_adapt_adds_a_score_and_leaves_the_run_unchanged(tmp_path: Path) -> None:
    text = tmp_path / "bottles.txt"
    text.write_text(TEXT)
    run: Any = unrolled.train(text, model="lstm", steps=40, hidden_size=16, out=str(tmp_path / "run"), threads=1)
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    plain, both = run.evaluate(), run.evaluate(adapt=True)
    assert both.score == plain.score and plain.adapted is None and both.adapted is not None
    assert both.adapted.nats < plain.score.nats and "Adapting during evaluation" in both.lines[-1]
    assert both.to_dict()["adapted"]["learning_rate"] == both.learning_rate and "adapted" not in plain.to_dict()
    lines = ["90 green bottles, hanging on the wall;"] * 3
    first, *_, last = run.score(lines, adapt=True)
    assert first.adapted == pytest.approx(first.nats) and last.adapted is not None and last.adapted < last.nats
    assert [line.nats for line in run.score(lines)] == [line.nats for line in run.score(lines, adapt=True)]
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files


def test_an_ngram_has_nothing_to_adapt(tmp_path: Path) -> None:
    text = tmp_path / "bottles.txt"
    text.write_text(TEXT)
    run = unrolled.train(text, model="ngram", out=str(tmp_path / "run"))
    with pytest.raises(OptionError, match="counted n-gram, which has no weights to adapt"):
        run.evaluate(adapt=True)
