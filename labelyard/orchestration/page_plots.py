"""The plot of the operations page: images by day, and who has the open jobs. Needs the extra `report` (matplotlib)."""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from labelyard.domain.throughput import Day
from labelyard.operations.figure_words import short_number
from labelyard.operations.figures import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 7.2, 2.5
"""Inches, of 100 pixels each: Prefect's UI shows 730 pixels on a laptop."""
_ARRIVED, _DONE, _BACKLOG, _INK = "#5b8def", "#2f9e6e", "#e08a1e", "#333333"
_MOST_PEOPLE, _LEAST_DAYS = 8, 7
_KEPT_PLOTS = 8
"""Drawing takes a third of a second of CPU, and the pages of the installation and of its only dataset have one plot."""
_LONGEST_NAME = 14
_SMALL = 6
"""Points, of the numbers at bars."""
_READABLE: Mapping[str, Any] = {
    "zorder": 5,
    "bbox": {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3},
}
"""A number that the line of the backlog crosses can be read."""


def is_available() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def plot_url(seen: Figures) -> str:
    """Return the plot as the data URL of a PNG; "" where there is nothing to show, or matplotlib is missing."""
    if not is_available() or not any(day.arrived or day.finished or day.backlog for day in seen.days):
        return ""
    at_work = [one for one in seen.people if one.open_images or one.images_week][:_MOST_PEOPLE]
    people = tuple(_Bar(one.name or "nobody", one.images_week, one.open_images) for one in at_work)
    return _drawn(tuple(_without_empty_start(seen.days)), people, str(seen.zone))


class _Bar(NamedTuple):
    """The images of a person: done this week, and open."""

    name: str
    done: int
    open: int


@lru_cache(maxsize=_KEPT_PLOTS)
def _drawn(days: Sequence[Day], people: Sequence[_Bar], zone: str) -> str:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and slow to import

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=100, layout="constrained", facecolor="white")
    if people:
        left, right = figure.subplots(1, 2, width_ratios=(3, 1.4))
        _draw_people(right, people)
    else:
        left = figure.subplots()
    _draw_days(left, days, zone)
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"


def _without_empty_start(days: Sequence[Day]) -> Sequence[Day]:
    """Return the days from the first with images, but a week at least."""
    first = next((n for n, day in enumerate(days) if day.arrived or day.finished or day.backlog), 0)
    return days[min(first, max(0, len(days) - _LEAST_DAYS)) :]


def _draw_days(axes: Axes, days: Sequence[Day], zone: str) -> None:
    numbers = range(len(days))
    arrived = axes.bar([n - 0.2 for n in numbers], [day.arrived for day in days], 0.4, color=_ARRIVED, label="arrived")
    exported = axes.bar([n + 0.2 for n in numbers], [day.finished for day in days], 0.4, color=_DONE, label="exported")
    upright = 90 if len(days) > _LEAST_DAYS else 0
    for bars in (arrived, exported):
        labels = axes.bar_label(bars, fmt=short_number, fontsize=_SMALL, rotation=upright, padding=2, color=_INK)
        for one in labels:
            one.set(**_READABLE)
    axes.plot(numbers, [day.backlog for day in days], color=_BACKLOG, marker=".", label="not exported yet")
    now = short_number(days[-1].backlog)
    axes.text(numbers[-1] + 0.5, days[-1].backlog, now, fontsize=_SMALL, color=_BACKLOG, va="center", **_READABLE)
    shown = numbers[:: -max(1, len(days) // 5)]
    axes.set_xticks(list(shown), [f"{days[n].date.day} {days[n].date:%b}" for n in shown])
    axes.set_title(f"images by day ({zone})", fontsize=9, loc="left", color=_INK)
    _tidy(axes, "y")
    axes.legend(fontsize=7, frameon=False, loc="upper left")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.35)  # room for the legend
    axes.set_ylim(bottom=0)


def _draw_people(axes: Axes, people: Sequence[_Bar]) -> None:
    rows = range(len(people))
    axes.barh(rows, [one.done for one in people], color=_DONE, label="done this week")
    left = [one.done for one in people]
    ends = axes.barh(rows, [one.open for one in people], left=left, color=_BACKLOG, label="open")
    numbers = [f"{short_number(one.done) or 0} + {short_number(one.open) or 0}" for one in people]
    axes.bar_label(ends, numbers, fontsize=_SMALL, padding=2, color=_INK)
    axes.set_xlim(right=axes.get_xlim()[1] * 1.3)  # room for the numbers
    axes.set_yticks(rows, [_short(one.name) for one in people])
    axes.invert_yaxis()
    axes.set_title("images by person", fontsize=9, loc="left", color=_INK)
    _tidy(axes, "x")
    axes.set_ylim(len(people) + 0.9, -0.6)
    axes.legend(fontsize=7, frameon=False, loc="lower left", ncols=2, columnspacing=1)


def _tidy(axes: Axes, numbers: Literal["x", "y"]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.locator_params(axis=numbers, nbins=4, integer=True)


def _short(name: str) -> str:
    # Dollar signs would be read as formulas.
    shown = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return "".join(mark if mark.isprintable() else "?" for mark in shown).replace("$", r"\$")
