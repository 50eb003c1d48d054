"""The plots of a report, by matplotlib: each takes plain numbers and returns an SVG element for the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from labelyard.escaping import printable
from labelyard.releases.report.figures import Counts
from labelyard.releases.report.reading import Numbers
from labelyard.releases.report.svg import BAD, FAINT, GOOD, HEAT, INK, PAPER, SERIES, inline_svg, page_style

WIDTH, HEIGHT = 4.8, 3.0
"""Inches, of 72 units each in the SVG."""
MOST_BARS = 24
_LONGEST_NAME = 22
_LEVELS = 6

Histogram = tuple[Counts, Numbers]
"""How many there are in each bin, and the limits of the bins, one more."""


def stacked_bars(
    name: str,
    title: str,
    labels: Sequence[str],
    counts: npt.NDArray[Any],
    series: Sequence[str],
    *,
    of_whole: Sequence[float] | None = None,
) -> str:
    """Draw a bar for each label, in parts by series: counts have shape (labels, series).

    With `of_whole`, the shares of each series in all labels, the bars are shares of 100 %, and lines show these shares.
    """
    with page_style():
        figure, axes = _bars_figure(len(labels))
        rows = np.arange(len(labels))
        left = np.zeros(len(labels))
        for number, one in enumerate(series):
            colour = SERIES[number % len(SERIES)]
            axes.barh(
                rows,
                counts[:, number],
                left=left,
                color=colour,
                edgecolor=PAPER,
                lw=0.5,
                height=0.78,
                label=printable(one),
            )
            left = left + counts[:, number]
        if of_whole is None:
            _show_totals(axes, left)
        else:
            _show_shares(axes, of_whole)
        _name_bars(axes, labels)
        if len(series) > 1:
            figure.legend(loc="outside upper left", ncols=len(series), handlelength=0.9, columnspacing=1.2)
        return _finished(figure, name, title)


def _show_totals(axes: Axes, totals: npt.NDArray[Any]) -> None:
    for row, total in enumerate(totals):
        axes.text(total, row, f" {total:,.0f}", va="center", fontsize=8.5)
    axes.set_xlim(0, max(1.0, float(totals.max(initial=0))) * 1.17)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))


def _show_shares(axes: Axes, of_whole: Sequence[float]) -> None:
    for limit in np.cumsum(of_whole)[:-1]:
        axes.axvline(limit, color=INK, lw=1, ls=(0, (3, 2)))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def diverging_bars(
    name: str, title: str, labels: Sequence[str], added: Sequence[int], removed: Sequence[int], changed: Sequence[int]
) -> str:
    """Draw what was added and changed to the right, and what was removed to the left."""
    with page_style():
        figure, axes = _bars_figure(len(labels))
        rows = np.arange(len(labels))
        axes.barh(rows, added, color=GOOD, height=0.72, label="added")
        axes.barh(rows, changed, left=added, color=SERIES[1], height=0.72, label="changed")
        axes.barh(rows, -np.asarray(removed), color=BAD, height=0.72, label="removed")
        axes.axvline(0, color=INK, lw=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, at: _short(abs(value), at)))
        _name_bars(axes, labels)
        figure.legend(loc="outside upper left", ncols=3, handlelength=0.9, columnspacing=1.2)
        return _finished(figure, name, title)


def plain_bars(
    name: str, title: str, labels: Sequence[str], values: Sequence[float], unit: str, *, most: float | None = None
) -> str:
    """Draw a bar for each label, with its value; `unit` is a format such as '{:,.0f}'."""
    with page_style():
        figure, axes = _bars_figure(len(labels))
        rows = np.arange(len(labels))
        axes.barh(rows, values, color=SERIES[0], height=0.72)
        for row, value in enumerate(values):
            axes.text(value, row, f" {unit.format(value)}", va="center", fontsize=8.5)
        axes.set_xlim(0, (most or max(values, default=1) or 1) * 1.17)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        _name_bars(axes, labels, grid=False)
        return _finished(figure, name, title)


def histogram(
    name: str,
    title: str,
    found: Histogram,
    what: str,
    ticks: Sequence[tuple[float, str]],
    lines: Sequence[tuple[float, str]] = (),
) -> str:
    """Draw bins as bars. `ticks` and `lines` have positions on the axis, and what is written there."""
    counts, limits = found
    with page_style():
        figure, axes = _figure(WIDTH, HEIGHT * 0.86)
        axes.bar(limits[:-1], counts, np.diff(limits), align="edge", color=SERIES[0], edgecolor=PAPER, lw=0.5)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(_short))
        axes.grid(axis="y")
        axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
        axes.set_xlim(limits[0], limits[-1])
        axes.set_ylim(0, max(1, counts.max(initial=0)) * 1.12)
        for at, text in lines:
            axes.axvline(at, color=INK, lw=1, ls=(0, (3, 2)))
            axes.text(at, axes.get_ylim()[1], f" {text}", va="top", fontsize=8.5)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(what)
        return _finished(figure, name, title)


def sides(name: str, title: str, counts: Counts, limits: Numbers) -> str:
    """Draw the width of boxes against their height: counts by logarithmic bins, of shape (heights, widths)."""
    with page_style():
        figure, axes = _figure(WIDTH, HEIGHT * 1.12)
        _heat(axes, counts, limits, limits)
        ticks = [
            side
            for side in (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
            if limits[0] <= np.log10(side) <= limits[-1]
        ]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks([np.log10(side) for side in ticks], [f"{side:,}" for side in ticks])
        axes.plot(limits[[0, -1]], limits[[0, -1]], color=INK, lw=0.8, ls=(0, (3, 2)))
        axes.set(xlabel="width, px", ylabel="height, px", aspect="equal")
        axes.grid(visible=True)
        return _finished(figure, name, title)


def positions(name: str, title: str, panels: Sequence[tuple[str, Counts]]) -> str:
    """Draw where the centres of boxes are: a small image for each panel, of shape (cells, cells)."""
    columns = min(3, max(1, len(panels)))
    lines = -(-len(panels) // columns)
    with page_style():
        figure = Figure(figsize=(WIDTH, WIDTH / 3 * lines * 0.95 + 0.1), layout="constrained")
        for number, (text, counts) in enumerate(panels, 1):
            axes = figure.add_subplot(lines, columns, number)
            limits = np.linspace(0, 1, len(counts) + 1)
            _heat(axes, counts, limits, limits)
            axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(1, 0), aspect=0.75)
            axes.set_title(_shortened(text), fontsize=9, pad=3)
            for spine in axes.spines.values():
                spine.set(visible=True, color=FAINT)
        return _finished(figure, name, title)


def matrix(name: str, title: str, labels: Sequence[str], counts: Counts) -> str:
    """Draw how often two labels are together; the diagonal, a label alone, is left out."""
    size = len(labels)
    with page_style():
        figure, axes = _figure(WIDTH, 1.3 + 0.27 * size)
        apart = np.where(np.eye(size, dtype=bool), 0, counts)
        limits = np.arange(size + 1) - 0.5
        _heat(axes, apart, limits, limits)
        for row, column in np.argwhere(apart > 0):
            axes.text(column, row, _short(apart[row, column], None), ha="center", va="center", fontsize=7)
        names = [_shortened(label) for label in labels]
        axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), names)
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        return _finished(figure, name, title)


def bubbles(name: str, title: str, sizes: Sequence[tuple[int, int, int]]) -> str:
    """Draw the sizes of images, width against height; a larger circle is for more images."""
    widths, heights, counts = (np.array(column, float) for column in zip(*sizes, strict=True))
    with page_style():
        figure, axes = _figure(WIDTH, HEIGHT)
        levels = np.ceil(_LEVELS * np.sqrt(counts / counts.max())).astype(int)
        for level in range(1, _LEVELS + 1):  # circles of one size are one path in the SVG
            own = levels == level
            axes.plot(widths[own], heights[own], "o", ms=3.2 * level, color=SERIES[0], alpha=0.55, mew=0)
        largest = max(widths.max(), heights.max())
        axes.plot([0, largest], [0, largest], color=INK, lw=0.8, ls=(0, (3, 2)))
        axes.set(xlabel="width, px", ylabel="height, px", xlim=(0, widths.max() * 1.15), ylim=(0, heights.max() * 1.15))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(visible=True)
        return _finished(figure, name, title)


def _heat(axes: Axes, counts: Counts, x_limits: npt.NDArray[Any], y_limits: npt.NDArray[Any]) -> None:
    """Draw a cell for each count above 0, darker for more, on a logarithmic scale: one path for each level."""
    most = counts.max(initial=0)
    if not most:
        return
    scaled = np.log1p(counts) / np.log1p(most)
    levels = np.where(counts > 0, np.clip(np.ceil(scaled * _LEVELS), 1, _LEVELS), 0).astype(int)
    for level in range(1, _LEVELS + 1):
        outlines = list(_runs(levels == level, x_limits, y_limits))
        if outlines:
            path = Path.make_compound_path(*outlines)
            axes.add_patch(PathPatch(path, facecolor=HEAT, lw=0, alpha=0.12 + 0.88 * (level / _LEVELS) ** 1.3))
    axes.set(xlim=x_limits[[0, -1]], ylim=y_limits[[0, -1]])


def _runs(wanted: npt.NDArray[np.bool_], x_limits: npt.NDArray[Any], y_limits: npt.NDArray[Any]) -> list[Path]:
    """Return a rectangle for each run of wanted cells in a line."""
    edges = np.diff(np.pad(wanted.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    found = []
    for (line, start), (_, end) in zip(starts.tolist(), ends.tolist(), strict=True):
        left, right, low, high = x_limits[start], x_limits[end], y_limits[line], y_limits[line + 1]
        found.append(Path([(left, low), (right, low), (right, high), (left, high), (left, low)], closed=True))
    return found


def _bars_figure(count: int) -> tuple[Figure, Axes]:
    return _figure(WIDTH, 0.75 + 0.235 * max(3, count))


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _name_bars(axes: Axes, labels: Sequence[str], *, grid: bool = True) -> None:
    axes.set_yticks(range(len(labels)), [_shortened(label) for label in labels])
    axes.set_ylim(max(2.5, len(labels) - 0.5), -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if grid:
        axes.grid(axis="x")


def _finished(figure: Figure, name: str, title: str) -> str:
    return inline_svg(figure, name, escape(printable(title)))


def _shortened(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _short(value: float, _: object) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:g}"
