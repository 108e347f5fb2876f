"""The confusion matrix as it is printed: names are complete, or visibly cut."""

from __future__ import annotations

from unrolled.data.dataset.targets import shown
from unrolled.metrics.classification import LabelScore
from unrolled.tasks.prediction.evaluation import LINE, confusion_lines, cut_name


def lines_of(*labels: str) -> list[str]:
    pairs = tuple((place, place, 3) for place in range(len(labels)))
    even = (0.5, 0.5)
    return confusion_lines(LabelScore(9, 0.5, 0.5, even, 0.5, even, 0.1, labels, pairs))


def test_names_are_printed_above_their_columns() -> None:
    head, first, *_ = lines_of("satisfied", "very_satisfied", "very_dissatisfied")
    assert head.split() == ["predicted:", "satisfied", "very_satisfied", "very_dissatisfied"]
    assert len(head) == len(first)
    assert first.split() == ["satisfied", "3", "0", "0"]


def test_names_of_many_labels_are_cut_visibly() -> None:
    head, *rows = lines_of(*(f"the_label_number_{number}" for number in range(12)))
    assert head.split()[1:] == ["the_lab…"] * 12
    assert len(head) <= LINE + 40
    assert rows[11].split()[0] == "the_label_number_11"
    assert (cut_name("eight888", 8), cut_name("nine99999", 8)) == ("eight888", "nine999…")


def test_long_names_do_not_fill_the_screen() -> None:
    head, *rows = lines_of("x" * 100_000 + "1", "x" * 100_000 + "2")
    assert max(map(len, (head, *rows))) < 4 * LINE
    assert shown(["y" * 100_000, "b"]) == "y" * 60 + " …, b"
