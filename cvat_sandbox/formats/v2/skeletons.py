"""The drawing of a skeleton label: its edges, and the names of its points."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Label

EDGE = re.compile(r"<line\b[^>]*>")


def joints(label: Label) -> list[list[int]]:
    """Return the numbers of the points that an edge connects.

    The order is the one of a set of pairs, as on the real server.
    """
    edges = set()
    for line in EDGE.findall(label.svg):
        ends = [re.search(rf'data-node-{side}="(\d+)"', line) for side in ("from", "to")]
        if ends[0] and ends[1]:
            edges.add((int(ends[0][1]), int(ends[1][1])))
    return [list(edge) for edge in edges]


def drawing(label: Label, children: list[Label]) -> str:
    """Return the SVG of a skeleton with the names of its points instead of their ids."""
    svg = label.svg
    for child in children:
        svg = svg.replace(f'data-label-id="{child.id}"', f'data-label-name="{child.name}"')
    return svg
