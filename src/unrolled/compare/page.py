"""A comparison as one self-contained page: the conclusions, a table and curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from unrolled.compare.summary import ComparisonRow, columns, row_line, row_name, sentences
from unrolled.errors import MissingExtra, install_extra
from unrolled.pages.html import html_document

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = """
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2em .8em; text-align: right }
td:first-child, th:first-child { text-align: left } tr + tr { border-top: 1px solid #ddd }
svg { max-width: 100%; height: auto } pre { background: #f4f4f4; padding: .6em; overflow-x: auto }
"""
STYLE_OF_PLOTS: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "unrolled", "font.size": 10, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3,
}  # fmt: skip


def check_plotting() -> None:
    """Raises MissingExtra where matplotlib is missing, before time is spent."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra(f"A page with curves needs matplotlib: {install_extra('plot')}.") from None


def write_page(title: str, description: str, command: str, rows: Sequence[ComparisonRow]) -> str:
    """The page as HTML; it loads nothing from other hosts, and it is valid UTF-8 whatever bytes a name has."""
    head, *body = [columns(rows), *([row_line(row)[name] for name in columns(rows)] for row in rows)]
    table = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>\n" for line in body)
    drawings = "\n".join(f"<h2>{escape(heading)}</h2>\n{svg}" for heading, svg in draw(rows))
    conclusions = "".join(f"<p>{escape(sentence)}</p>\n" for sentence in sentences(rows))
    whole = f"""<p>{escape(description)}</p>
{conclusions}<table>
<tr>{"".join(f"<th>{escape(name)}</th>" for name in head)}</tr>
{table}</table>
{drawings}
<pre>{escape(command)}</pre>"""
    return html_document(title, whole, STYLE)


def draw(rows: Sequence[ComparisonRow]) -> list[tuple[str, str]]:
    """(heading, SVG) of each drawing for which these rows have figures."""
    if rows and "lag" in rows[0]:
        return [("Accuracy by lag", figure(lambda axes: _draw_lags(axes, rows)))]
    drawings: list[tuple[str, str]] = []
    if any(len(row.get("curve", [])) > 1 for row in rows):
        drawings.append(("Learning", figure(lambda axes: _draw_curves(axes, rows))))
    if any("reach" in row for row in rows):
        drawings.append(("Reach: score with truncated context", figure(lambda axes: _draw_cuts(axes, rows))))
    if any(row["reach"]["lags"] for row in rows if "reach" in row):
        drawings.append(("Reach: gradient of the loss by lag", figure(lambda axes: _draw_gradients(axes, rows))))
    return drawings


def figure(plot: Callable[[Axes], None]) -> str:
    """The drawing of `plot` with its legend, as SVG for a page."""

    def plot_with_legend(figure: Figure) -> None:
        axes = figure.subplots()
        plot(axes)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return drawing(plot_with_legend, (8, 4))


def drawing(plot: Callable[[Figure], None], inches: tuple[float, float]) -> str:
    """The drawing of `plot` as SVG for a page; the same bytes for the same figures."""
    check_plotting()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a matplotlibrc in the working folder was read when it was imported
        matplotlib.rcParams.update(STYLE_OF_PLOTS)
        figure = Figure(figsize=inches, layout="constrained")
        plot(figure)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _draw_lags(axes: Axes, rows: Sequence[ComparisonRow]) -> None:
    for name in dict.fromkeys(map(row_name, rows)):
        own = sorted((row for row in rows if row_name(row) == name and "accuracy" in row), key=lambda row: row["lag"])
        lags = [row["lag"] for row in own]
        (line,) = axes.plot(lags, [row["accuracy"] for row in own], marker="o", label=name)
        low, high = ([row["spread"][end] for row in own] for end in (0, 1))
        axes.fill_between(lags, low, high, alpha=0.15, color=line.get_color())
    if chance := next((row["chance_accuracy"] for row in rows if "chance_accuracy" in row), None):
        axes.axhline(chance, color="grey", linestyle=":", label="random guess")
    axes.set(xscale="log", xlabel="lag in steps", ylabel="accuracy", ylim=(0, 1.03))
    _label_ticks(axes, sorted({row["lag"] for row in rows}))


def _label_ticks(axes: Axes, ticks: Sequence[int]) -> None:
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xticks([], minor=True)


def _draw_curves(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        curve = row.get("curve", [])
        if len(curve) == 1:  # an n-gram: counted, not trained
            axes.axhline(curve[0][1], linestyle="--", color="grey", label=row_name(row))
        elif curve:
            trained = curve[1:]  # the loss of the untrained model would compress the scale
            axes.plot(*zip(*trained, strict=True), label=row_name(row))
    axes.set(xlabel="seconds of training", ylabel="validation, nats per character")


def _draw_cuts(axes: Axes, rows: Sequence[ComparisonRow]) -> None:
    for row in (row for row in rows if "reach" in row):
        axes.plot(row["reach"]["contexts"], row["reach"]["nats"], marker=".", label=row_name(row))
    axes.set(xscale="log", xlabel="tokens of context", ylabel="validation, nats per character")
    _label_ticks(axes, sorted({k for row in rows if "reach" in row for k in row["reach"]["contexts"]})[::2])


def _draw_gradients(axes: Axes, rows: Sequence[ComparisonRow]) -> None:
    for row in (row for row in rows if "reach" in row and row["reach"]["lags"]):
        steps = [lag + 1 for lag in row["reach"]["lags"]]  # a logarithmic axis has no 0
        axes.plot(
            steps, [norm or math.nan for norm in row["reach"]["gradient_norms"]], marker=".", label=row_name(row)
        )
    axes.set(xscale="log", yscale="log", xlabel="steps back (the newest token is 1)", ylabel="norm of the gradient")
