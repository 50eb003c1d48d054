"""Draw the figures that the benchmarks have written: benchmarks/figures/*.json → benchmarks/figures.svg.

python benchmarks/plot.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

FOLDER = Path(__file__).parent
OURS, THEIRS = "#2a6f97", "#b0b7bf"
PEERS = frozenset({"script", "script10", "listing"})


def main() -> None:
    """Draw what there is."""
    mpl.rcParams.update({"svg.hashsalt": "labelyard", "font.size": 9, "axes.spines.top": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    intake(left, json.loads((FOLDER / "figures" / "intake.json").read_text()))
    sweep(right, json.loads((FOLDER / "figures" / "sweep.json").read_text()))
    figure.savefig(FOLDER / "figures.svg", metadata={"Date": None})


def intake(axes: Axes, told: dict[str, Any]) -> None:
    """Events a second, by way."""
    bars(axes, {way: one["events_per_second"] for way, one in told["ways"].items()}, "{:,.0f}")
    axes.set_title("intake: events a second (more is better)")


def sweep(axes: Axes, told: dict[str, Any]) -> None:
    """Seconds for all keys, by way."""
    bars(axes, {way: one["seconds"] for way, one in told["ways"].items()}, "{:,.0f} s")
    axes.set_title(f"{told['keys']:,} known keys: seconds (less is better)")


def bars(axes: Axes, values: dict[str, float], words: str) -> None:
    """A bar for each way; labelyard's in colour."""
    names = list(values)[::-1]
    drawn = axes.barh(names, [values[n] for n in names], color=[THEIRS if n in PEERS else OURS for n in names])
    axes.bar_label(drawn, [words.format(values[n]) for n in names], padding=3)
    axes.spines["right"].set_visible(False)
    axes.set_xlim(0, max(values.values()) * 1.15)


if __name__ == "__main__":
    main()
