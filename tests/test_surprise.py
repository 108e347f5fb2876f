"""Scores are the sums over steps, independent of batches and cuts; intervals have their promised coverage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.vocabulary.base import ByteVocabulary, CharacterVocabulary
from unrolled.deadline import Deadline
from unrolled.errors import DataError, OptionError
from unrolled.memory import build_stack
from unrolled.metrics import surprise as module
from unrolled.metrics.surprise import Ids, LineScore, Score, evaluate, score_lines, student_t, surprise
from unrolled.model.language import LanguageModel
from unrolled.seeds import make_generator, numpy_generator

V = 7


class Chain:
    """A model whose prediction depends on the last two tokens; the older one is its state."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.logits = 2 * torch.randn(size, size, size, generator=make_generator(seed, "chain"), dtype=torch.float64)

    def start(self, rows: int) -> Tensor:
        return torch.zeros(rows, dtype=torch.int64)

    def unroll(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        assert not torch.is_grad_enabled() and tokens.shape[1] > 0
        before = torch.cat([state[:, None], tokens], 1)  # (B, T + 1)
        return self.logits[before[:, :-1], tokens], before[:, -1]


def language_model(size: int = V) -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(size, 5, build_stack("lstm", 5, 8, 2, 0.3)).double()
    with torch.no_grad():
        model.output.weight.mul_(50)
    return model


def segment(length: int, name: str, size: int = V) -> tuple[Ids, Ids]:
    targets = numpy_generator(0, name, length).integers(1, size, length).astype(np.uint8)
    return np.concatenate([[0], targets[:-1]]).astype(np.uint8)[:length], targets


def segments(*lengths: int) -> list[tuple[Ids, Ids]]:
    return [segment(length, f"segment{number}") for number, length in enumerate(lengths)]


def by_steps(model: Any, rows: Sequence[tuple[Ids, Ids]]) -> tuple[list[float], list[bool]]:
    """The reference: token by token, each segment from a fresh state."""
    nats, right = [], []
    with torch.no_grad():
        for inputs, targets in rows:
            state = model.start(1)
            for read, target in zip(inputs.tolist(), targets.tolist(), strict=True):
                logits, state = model.unroll(torch.tensor([[read]]), state)
                nats.append(float(F.cross_entropy(logits[0], torch.tensor([target]))))
                right.append(int(logits.argmax()) == target)
    return nats, right


LENGTHS = (1, 30, 2, 0, 31, 29, 60, 1, 7, 30, 3)


@pytest.mark.parametrize("model", [Chain(V), language_model()], ids=["chain", "lstm"])
@pytest.mark.parametrize("settings", [{}, {"ROWS": 1}, {"ROWS": 3, "HELD": 40}, {"LOGITS": 100}, {"BLOCK": 10.0}])
@pytest.mark.parametrize("chunk", [1, 8, 1024])
def test_a_score_is_the_sum_of_its_steps_in_any_batches(
    model: Any, settings: dict[str, Any], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setattr(module, name, value)
    rows = segments(*LENGTHS)
    score = evaluate(model, rows, np.ones(V), chunk)
    nats, right = by_steps(model, rows)
    assert score.tokens == score.characters == len(nats) == sum(LENGTHS)
    assert score.nats == pytest.approx(np.mean(nats), abs=1e-12)
    assert score.accuracy == pytest.approx(np.mean(right), abs=1e-12)


def test_the_interval_does_not_depend_on_batches_or_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 10.0)
    whole = evaluate(language_model(), segments(*LENGTHS), np.ones(V))
    for name, value in (("ROWS", 1), ("HELD", 30), ("LOGITS", 70)):
        monkeypatch.setattr(module, name, value)
        other = evaluate(language_model(), iter(segments(*LENGTHS)), np.ones(V), chunk=4)
        for key, expected in vars(whole).items():
            assert getattr(other, key) == pytest.approx(expected, abs=1e-10), key


def test_blocks_follow_the_text_and_the_interval_is_that_of_their_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 10.0)
    rows = segments(*LENGTHS)  # 194 tokens: 19 blocks of 10; the remaining 4 belong to the last block
    score = evaluate(Chain(V), rows, np.ones(V))
    nats, _ = by_steps(Chain(V), rows)
    blocks = [nats[i : i + 10] for i in range(0, 180, 10)] + [nats[180:]]
    off = np.array([sum(block) - np.mean(nats) * len(block) for block in blocks])
    error = math.sqrt(19 / 18 * (off**2).sum()) / 194
    assert score.high - score.nats == pytest.approx(2.101 * error, rel=1e-3)  # t at 18 degrees of freedom
    assert score.nats - score.low == pytest.approx(score.high - score.nats)


def test_ninety_five_intervals_in_a_hundred_hold_the_truth() -> None:
    generator = numpy_generator(0, "coverage")
    held = 0
    for _ in range(2000):
        wholes = generator.integers(900, 1100, 6).astype(np.float64)
        _, low, high = module._interval(wholes * generator.normal(1.5, 0.1, 6), wholes)
        held += low <= 1.5 <= high
    assert 0.93 < held / 2000 < 0.97


def test_nats_are_per_character() -> None:
    characters = np.array([1, 1, 0, 2, 3, 1, 1.0])
    rows = segments(40, 3)
    score = evaluate(Chain(V), rows, characters)
    spelled = sum(characters[targets].sum() for _, targets in rows)
    assert score.characters == spelled and score.tokens == 43
    assert score.nats == pytest.approx(sum(by_steps(Chain(V), rows)[0]) / spelled)
    assert score.bits == pytest.approx(score.nats / math.log(2))


def test_an_untrained_model_scores_about_ln_v() -> None:
    model = LanguageModel(65, 16, build_stack("gru", 16, 16, 1, 0.0))
    score = evaluate(model, [segment(5000, "text", 65)], np.ones(65))
    assert score.nats == pytest.approx(math.log(65), abs=0.02)
    assert score.low < score.nats < score.high


def test_a_window_under_autocast_is_scored_in_float32() -> None:
    model, rows = language_model().float(), segments(200)
    plain = evaluate(model, rows, np.ones(V))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert evaluate(model, rows, np.ones(V)) == plain


def test_evaluation_leaves_no_gradient_and_needs_no_eval_mode() -> None:
    model, rows = language_model(), segments(30)
    model.train()
    first = evaluate(model, rows, np.ones(V)).nats
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert evaluate(model.eval(), rows, np.ones(V)).nats == first


def test_one_block_has_no_interval_and_json_says_null() -> None:
    score = evaluate(Chain(V), segments(300), np.ones(V))
    assert math.isnan(score.low) and math.isnan(score.high)
    saved = score.to_dict()
    assert saved["nats_interval"] is saved["bits_interval"] is saved["accuracy_interval"] is None
    assert {"nats", "bits", "accuracy", "tokens", "characters"} <= saved.keys()


def test_bits_have_their_interval_in_bits() -> None:
    saved = Score(math.log(2), 0.5, 0.9, 0.25, 0.2, 0.3, 5000, 5000).to_dict()
    assert saved["bits"] == pytest.approx(1)
    assert saved["bits_interval"] == pytest.approx([0.5 / math.log(2), 0.9 / math.log(2)])
    assert saved["nats_interval"] == [0.5, 0.9] and saved["accuracy_interval"] == [0.2, 0.3]


@pytest.mark.parametrize("rows", [[], segments(0, 0)])
def test_no_text_is_refused(rows: list[tuple[Ids, Ids]]) -> None:
    with pytest.raises(DataError, match=r"no text to evaluate.* Give a longer text"):
        evaluate(Chain(V), rows, np.ones(V))


@pytest.mark.parametrize(
    ("freedom", "point"),
    [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (15, 2.131), (30, 2.042), (120, 1.980), (10**6, 1.960)],
)
def test_student_t_is_that_of_the_tables(freedom: int, point: float) -> None:
    assert student_t(freedom) == pytest.approx(point, abs=1e-3)


def test_surprise_is_per_step_and_continues_from_its_state() -> None:
    model = language_model()
    inputs, targets = segment(50, "surprise")
    nats, _ = surprise(model, inputs, targets, model.start(1))
    assert nats.tolist() == pytest.approx(by_steps(model, [(inputs, targets)])[0], abs=1e-12)
    first, state = surprise(model, inputs[:20], targets[:20], model.start(1), chunk=6)
    nothing, state = surprise(model, inputs[:0], targets[:0], state)
    second, _ = surprise(model, inputs[20:], targets[20:], state, chunk=7)
    assert nothing.shape == (0,)
    assert np.concatenate([first, second]) == pytest.approx(nats, abs=1e-12)


TABLE = CharacterVocabulary("\nabc ", rarest="a")
LINES = ["ab c", "", "cab", "aaaaaaaaaaaaaaaaa", "b"]


def nats_of(model: Any, *documents: Sequence[int]) -> list[float]:
    return by_steps(model, [(np.array([0, *ids[:-1]]), np.array(ids)) for ids in documents])[0]


def ids_of(text: str) -> list[int]:
    return [int(token) for token in TABLE.encode(text)]


def test_another_model_is_scored_on_the_tokens_that_a_deadline_left() -> None:
    rows, characters = segments(900, 500, 30), np.ones(V)
    ticks = count()
    cut = evaluate(Chain(V), rows, characters, chunk=64, deadline=Deadline(3, now=lambda: next(ticks)))
    assert 0 < cut.tokens < 1430
    again = evaluate(Chain(V), rows, characters, chunk=64, most=cut.tokens)
    assert again == cut
    other = evaluate(Chain(V, seed=1), rows, characters, chunk=64, most=cut.tokens)
    assert other.tokens == cut.tokens and other.nats != cut.nats


def total(lines: Sequence[LineScore]) -> float:
    return sum(line.nats * line.characters for line in lines)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_lines_are_read_on_as_one_text(ending: str) -> None:
    model = language_model(TABLE.size)
    scored = list(score_lines(model, TABLE, [line + ending for line in LINES]))
    whole = nats_of(model, ids_of("\n".join(LINES) + "\n"))
    assert [(line.number, line.text) for line in scored] == list(enumerate(LINES, start=1))
    assert [line.characters for line in scored] == [5, 1, 4, 18, 2]
    ends = np.cumsum([0, *(line.characters for line in scored)]).astype(int)
    for line, first, after in zip(scored, ends, ends[1:], strict=False):
        assert line.nats == pytest.approx(np.mean(whole[first:after]), abs=1e-10)


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_separate_lines_start_from_a_new_state_and_a_batch_equals_one_by_one(batch: int) -> None:
    model = language_model(TABLE.size)
    scored = list(score_lines(model, TABLE, LINES, alone=True, batch=batch))
    for line, text in zip(scored, LINES, strict=True):
        assert line.text == text
        assert line.nats == pytest.approx(np.mean(nats_of(model, ids_of(text + "\n"))), abs=1e-10)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_where_a_line_is_a_document_the_eos_ends_it(alone: bool, batch: int) -> None:
    model = language_model(TABLE.size)
    scored = list(score_lines(model, TABLE, LINES, alone, documents="line", batch=batch))
    for line, text in zip(scored, LINES, strict=True):
        assert line.nats == pytest.approx(np.mean(nats_of(model, [*ids_of(text), 0])), abs=1e-10)
        assert line.characters == len(text) + 1


def test_blank_lines_separate_documents() -> None:
    model = language_model(TABLE.size)
    scored = list(score_lines(model, TABLE, ["", "ab", "c", " ", "", "ca", "b"], documents="blank"))
    assert [(line.number, line.text) for line in scored] == [(2, "ab"), (3, "c"), (6, "ca"), (7, "b")]
    expected = nats_of(model, [*ids_of("ab\nc"), 0], [*ids_of("ca\nb"), 0])
    assert total(scored) == pytest.approx(sum(expected), abs=1e-10)
    assert list(score_lines(model, TABLE, [], documents="blank")) == []


@pytest.mark.parametrize("documents", ["file", "line"])
def test_a_line_is_scored_before_the_next_is_read(documents: str) -> None:
    read: list[int] = []

    def lines() -> Iterator[str]:
        for number, text in enumerate(LINES, start=1):
            read.append(number)
            yield text

    for line in score_lines(Chain(TABLE.size), TABLE, lines(), documents=documents):
        assert len(read) == line.number


def test_bytes_are_scored_per_character() -> None:
    (line,) = score_lines(Chain(257), ByteVocabulary(), ["é€"])
    assert line.characters == 3  # two, and the line end
    ids = [byte + 1 for byte in "é€\n".encode()]
    assert line.nats == pytest.approx(sum(nats_of(Chain(257), ids)) / 3)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"documents": "lines"}, r"'lines'\. Did you mean 'line'"),
        ({"batch": 0}, r"batch is 0; .* give 1 or more"),
    ],
)
def test_invalid_arguments_are_refused(how: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        next(score_lines(Chain(TABLE.size), TABLE, ["a"], **how))


def test_a_missing_interval_is_printed_in_words() -> None:
    assert Score(1.0, math.nan, math.nan, 0.5, math.nan, math.nan, 9, 9).interval == "too little text for an interval"
    assert Score(1.0, 0.9, 1.1, 0.5, 0.4, 0.6, 9, 9).interval == "95% interval 0.900–1.100"
