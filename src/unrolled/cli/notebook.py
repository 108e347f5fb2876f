"""The view of a training in a notebook: one output of its cell, which is updated."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

from unrolled.cli.terminal import excerpt, report_line
from unrolled.cli.view import View, is_untrained, memorisation_line, share_done

if TYPE_CHECKING:
    from unrolled.run import Report, Training

SECONDS = 0.5  # between two updates, at least
STYLE = "white-space: pre-wrap; margin: 0"


def in_notebook() -> bool:
    """Whether this program runs in a notebook, whose cells show HTML. IPython is not imported for it."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return type(found).__name__ == "ZMQInteractiveShell"


class NotebookView(View):
    """Progress, the newest numbers, the first sample beside the newest one, and notes."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = list[str]()  # on data, plan and baseline, and notes
        self._report: Report | None = None
        self._handle: Any = None  # of the output
        self._shown = 0.0  # when it was updated last
        self._stopping = False

    def begin(self, training: Training) -> None:
        self._training = training
        self._lines += self.new_lines(training)
        self._update()

    def show(self, report: Report) -> None:
        self.keep_sample(report)
        self._report = report
        self._lines += [*self.new_lines(self._training), *report.notes]
        if time.monotonic() - self._shown >= SECONDS:
            self._update()

    def stopping(self) -> None:
        self._stopping = True  # the next update shows it

    def close(self) -> None:
        with suppress(Exception):  # a page that is gone must not end a training badly
            self._update()

    def _update(self) -> None:
        from IPython.display import display

        self._shown = time.monotonic()
        bundle = {"text/plain": self.text(), "text/html": self.html()}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)

    def text(self) -> str:
        """All of it as text, for pages without HTML."""
        samples = [f"{title}\n{sample}" for title, sample in self._samples()]
        return "\n".join([*self._lines, *self._numbers(), *samples])

    def html(self) -> str:
        """All of it as HTML."""
        done = 0.0 if self._report is None else share_done(self._report)
        lines = "\n".join(map(escape, [*self._lines, *self._numbers()]))
        panels = "".join(
            f"<div style='flex: 1'><b>{escape(title)}</b><pre style='{STYLE}'>{escape(sample)}</pre></div>"
            for title, sample in self._samples()
        )
        bar = "" if is_untrained(self._training) else f"<progress value='{done:.4f}' style='width: 100%'></progress>"
        return f"<pre style='{STYLE}'>{lines}</pre>{bar}<div style='display: flex; gap: 1em'>{panels}</div>"

    def _numbers(self) -> list[str]:
        if self._report is None or is_untrained(self._training):
            return []
        ending = ["Ending tidily; interrupt again to end at once."] if self._stopping else []
        copied = None if self.latest is None else memorisation_line(self.latest)
        line = report_line(self._report, self._training.terms.items)
        return [line, *([] if copied is None else [copied]), *ending]

    def _samples(self) -> list[tuple[str, str]]:
        if self.first is None or self.latest is None:
            return []
        terms = self._training.terms
        return [
            (f"At first it {terms.first_heading} (step {self.first.step:,})", excerpt(self.first.sample or "")),
            (f"Now it {terms.newest_heading} (step {self.latest.step:,})", excerpt(self.latest.sample or "")),
        ]
