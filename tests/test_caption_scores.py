"""Metrics of captions, held against the figures of pycocoevalcap 1.2, which were computed once and stored here."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sacrebleu import corpus_bleu

from unrolled.metrics.captions import cider_d, plain_text, score_captions
from unrolled.metrics.n_grams import count_n_grams
from unrolled.metrics.text import TextScore, score_texts

CAPTIONS = [
    ("a brown dog runs over the wet grass",
     ["a brown dog runs through wet grass", "the dog is running over the grass", "a dog runs"]),
    ("a man sits on a bench in the park",
     ["an old man sits on a green bench in a park", "a man on a bench reads a newspaper",
      "a man is sitting in the park", "a man sits on a bench", "somebody reads in the park"]),
    ("a man sits on a bench in the park",
     ["two children build a castle of sand at the beach", "children play in the sand"]),
    ("the the the red red bus bus", ["a red bus waits at the stop", "the red bus is empty"]),
    ("boat", ["a small boat on a lake", "boat"]),
    ("", ["a cat sleeps on a sofa"]),
    ("a woman in a blue coat walks her two small dogs along the river in the early morning while it snows",
     ["a woman walks two dogs", "a woman in a blue coat walks dogs along a river"]),
    ("a bird", ["a bird sits on a wire", "a black bird on a wire", "a bird"]),
]  # fmt: skip
GENERATED, REFERENCES = [text for text, _ in CAPTIONS], [texts for _, texts in CAPTIONS]
CIDER_D = [2.786669606328, 3.475853655673, 0.216839339571, 1.475326714344, 1.750789894894, 0.0, 0.605131848884,
           2.816272035484]  # fmt: skip
"""Of each caption, by CiderScorer(n=4, sigma=6.0) of pycocoevalcap."""
BLEU = [64.91228070061558, 55.81925719290109, 43.96417134098569, 36.33544754768649]
"""BLEU-1 to BLEU-4 by its BleuScorer(n=4), times 100."""


def score(generated: list[str], references: list[list[str]]) -> TextScore:
    return score_texts(generated, references, captions=True)


def test_cider_d_and_bleu_are_those_of_the_field() -> None:
    assert cider_d(GENERATED, REFERENCES) == pytest.approx(CIDER_D, abs=1e-11)
    found = score(GENERATED, REFERENCES).captions
    assert found is not None
    assert found.cider == pytest.approx(1.64086038689724, abs=1e-11)
    assert found.bleu == pytest.approx(BLEU, abs=1e-6)
    assert (found.images, found.distinct) == (8, 7)


def test_case_and_punctuation_count_only_in_the_captions_as_written() -> None:
    written = [f"{text.capitalize()} ." for text in GENERATED]
    references = [[f"{text.title()}!" for text in texts] for texts in REFERENCES]
    found = score(written, references).captions
    assert found is not None
    assert found.bleu == pytest.approx(BLEU, abs=1e-6)
    assert found.cider == pytest.approx(1.64086038689724, abs=1e-11)
    streams = [[texts[place] if place < len(texts) else None for texts in references] for place in range(5)]
    assert found.as_written[-1] == pytest.approx(corpus_bleu(written, streams).score)  # type: ignore[arg-type]
    assert found.as_written[0] < 40
    assert plain_text('A T-shirt , "red" & BLUE; naïve हिन्दी 3.') == "a tshirt red blue naïve हिन्दी 3"


def test_intervals_are_those_of_resampled_images() -> None:
    """Compared with sets of images that are resampled and scored from their captions."""
    generator = np.random.default_rng(0)
    words = ["a", "the", "dog", "cat", "runs", "sits", "on", "grass", "sofa"]
    references = [[" ".join(generator.choice(words, 8)) for _ in range(3)] for _ in range(40)]
    generated = [
        text if generator.random() < 0.3 else " ".join(generator.choice(words, 7)) for text, *_ in references
    ]
    found = score_captions(generated, references, count_n_grams(generated, references))
    draws = generator.integers(0, 40, (400, 40))
    cider = cider_d(generated, references)
    spread = np.quantile([cider[draw].mean() for draw in draws], [0.025, 0.975])
    assert found.cider_interval == pytest.approx(spread, abs=0.25)
    streams = list(zip(*references, strict=True))
    for order, (low, high) in enumerate(found.bleu_intervals):
        assert low < found.bleu[order] < high
    drawn = [
        corpus_bleu([generated[row] for row in draw], [[stream[row] for row in draw] for stream in streams]).score
        for draw in draws
    ]
    assert found.bleu_intervals[3] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=2.5)


def test_captions_are_told_in_short_lines_and_in_json() -> None:
    found = score(GENERATED, REFERENCES)
    assert found.format_line(bleu=True).endswith("; 8 texts with 20 references")
    assert "word error" not in found.format_line(bleu=True)
    first, second = found.caption_lines
    assert first.startswith("Lower case, no punctuation: BLEU-1 to BLEU-4 64.9, 55.8, 44.0, 36.3 (95% interval ")
    assert "CIDEr-D 1.641 (" in first
    assert second.startswith("As written: BLEU-1 to BLEU-4 64.9, 55.8, 44.0, 36.3.")
    assert second.endswith("Different captions: 7 of 8.")
    assert found.decisive == (found.captions.cider, found.captions.cider_interval)  # type: ignore[union-attr]
    facts = found.to_dict()
    assert facts["cider_d"] == pytest.approx(1.64086038689724)
    assert [facts[f"plain_bleu_{order}"] for order in range(1, 5)] == pytest.approx(BLEU, abs=1e-6)
    assert facts["bleu_4"] == facts["bleu"]
    assert facts["distinct"] == 7
    assert len(facts["plain_bleu_4_interval"]) == 2
    other = score_texts(GENERATED, REFERENCES)
    assert other.caption_lines == []
    assert other.decisive == (other.chrf, other.chrf_interval)
    assert "cider_d" not in score_texts(GENERATED, REFERENCES).to_dict()


def test_one_image_has_no_cider_d() -> None:
    """An image alone tells nothing about which words are rare."""
    assert cider_d(["a dog"], [["a dog"]]).tolist() == [0.0]


def test_a_person_is_scored_as_in_the_literature(real_data: Path) -> None:
    """The first caption of each image of Flickr8k's validation set against its second, and against its other four."""
    path = real_data / "flickr8k" / "dev.csv"
    if not path.is_file():
        pytest.skip("Flickr8k is not there")
    captions: dict[str, list[str]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            captions.setdefault(row["image"], []).append(row["caption"])
    first = [texts[0] for texts in captions.values()]
    alone = score(first, [texts[1:2] for texts in captions.values()])
    four = score(first, [texts[1:] for texts in captions.values()]).captions
    assert four is not None
    assert round(alone.bleu, 1) == 11.9
    assert (round(four.bleu[0], 1), round(four.bleu[3], 1), round(four.cider, 3)) == (62.8, 21.2, 0.805)
