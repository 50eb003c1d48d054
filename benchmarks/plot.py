"""Draw the figures of the benchmarks: benchmarks/figures/*.json → benchmarks/figures.svg.

python benchmarks/plot.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

FOLDER = Path(__file__).parent
LABELYARD_COLOUR, OTHER_COLOUR = "#2a6f97", "#b0b7bf"
_COLUMNS = 2


def main() -> None:
    """Draw a panel for each file of figures."""
    mpl.rcParams.update({"svg.hashsalt": "labelyard", "font.size": 9, "axes.spines.top": False})
    panels = [(name, draw) for name, draw in PANELS.items() if _file(name).exists()]
    rows = -(-len(panels) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(10.5, 2.2 * rows), layout="constrained", squeeze=False)
    for panel in axes.flat[len(panels) :]:
        panel.set_axis_off()
    for panel, (name, draw) in zip(axes.flat, panels, strict=False):
        draw(panel, json.loads(_file(name).read_text()))
    figure.savefig(FOLDER / "figures.svg", metadata={"Date": None})


def _file(name: str) -> Path:
    name = {"forecasts": "assignment"}.get(name, name)  # two panels of the same file
    return FOLDER / "figures" / f"{name}.json"


def latency(axes: Axes, result: dict[str, Any]) -> None:
    """Seconds from the put to the task, by worker."""
    quantiles = {worker: one["put_to"]["task"] for worker, one in result["workers"].items()}
    named = {f"{worker} {name}": one[name] for worker, one in quantiles.items() for name in ("p50", "p99")}
    bars(axes, named, "{:,.2f} s", labelyard="labelyard")
    axes.set_title("from the put to the task (less is better)")


def burst(axes: Axes, result: dict[str, Any]) -> None:
    """Objects a second, by way."""
    ways = {"labelyard": result["objects_per_second"], "script": result["script_objects_per_second"]}
    bars(axes, ways, "{:,.0f}", labelyard="labelyard")
    axes.set_title(f"a burst of {result['objects']:,}: objects a second (more is better)")


def runs(axes: Axes, result: dict[str, Any]) -> None:
    """Flow runs a minute, by worker and database."""
    bars(axes, result["runs_per_minute"], "{:,.0f}", labelyard="labelyard")
    axes.set_title("small flow runs a minute (more is better)")


def upload(axes: Axes, result: dict[str, Any]) -> None:
    """Seconds from the bucket to the task, by way."""
    seconds = {way: statistics.median(one["seconds"] for one in turns) for way, turns in result.items()}
    bars(axes, seconds, "{:,.1f} s", labelyard="labelyard")
    axes.set_title("500 JPEGs from S3 to the task (less is better)")


def intake(axes: Axes, result: dict[str, Any]) -> None:
    """Events a second, by way."""
    bars(axes, {way: one["events_per_second"] for way, one in result["ways"].items()}, "{:,.0f}", other="script")
    axes.set_title("intake: events a second (more is better)")


def sweep(axes: Axes, result: dict[str, Any]) -> None:
    """Seconds for all keys, by way."""
    bars(axes, {way: one["seconds"] for way, one in result["ways"].items()}, "{:,.0f} s", labelyard="sweep")
    axes.set_title(f"{result['keys']:,} known keys: seconds (less is better)")


def assignment(axes: Axes, result: dict[str, Any]) -> None:
    """Hours until a lot is done, by policy, and the lower bound."""
    policies = result["threefold"]
    hours = {name: one["hours"] for name, one in policies.items()} | {"bound": policies["forecast"]["bound"]}
    bars(axes, hours, "{:,.0f} h", labelyard="forecast")
    axes.set_title("hours until a lot is done, speeds differ threefold (less is better)")


def forecasts(axes: Axes, result: dict[str, Any]) -> None:
    """How many 80 % ranges held, by policy and subject."""
    held = {
        f"{policy}, {of}": 100 * statistics.mean(result[team][policy][f"{of}_held"] for team in ("threefold", "alike"))
        for policy in ("forecast", "round_robin")
        for of in ("batch", "backlog")
    }
    bars(axes, held, "{:,.0f} %", labelyard="")
    axes.axvline(80, color=OTHER_COLOUR)
    axes.set_title("80 % ranges of forecasts that held (80 is right)")


def bars(axes: Axes, values: Mapping[str, float], label: str, *, labelyard: str = "", other: str = "?") -> None:
    """Draw a bar for each name; those of labelyard, recognised by the start of their name, in colour."""
    names = list(values)[::-1]
    colours = [LABELYARD_COLOUR if n.startswith(labelyard) and not n.startswith(other) else OTHER_COLOUR for n in names]
    drawn = axes.barh(names, [values[n] for n in names], color=colours)
    axes.bar_label(drawn, [label.format(values[n]) for n in names], padding=3)
    axes.spines["right"].set_visible(False)
    axes.set_xlim(0, max(values.values()) * 1.2)


PANELS: Mapping[str, Callable[[Axes, dict[str, Any]], None]] = {
    "latency": latency, "burst": burst, "runs": runs, "upload": upload, "intake": intake, "sweep": sweep,
    "assignment": assignment, "forecasts": forecasts,
}  # fmt: skip

if __name__ == "__main__":
    main()
