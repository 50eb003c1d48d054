"""The section of the page about boxes: their sizes, shapes and positions."""

from __future__ import annotations

import numpy as np

from labelyard.releases.report.blocks import Bar, Block, Section, amount, share, table
from labelyard.releases.report.doubts import touches_edge
from labelyard.releases.report.figures import SMALL, Shapes, centres, medians, shapes, size_classes
from labelyard.releases.report.plots import histogram, positions, sides
from labelyard.releases.report.reading import Contents, Numbers, slices

_CELLS = 24
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def about_boxes(contents: Contents) -> Section | None:
    """Sizes, shapes and positions of boxes."""
    found = shapes(contents)
    if not len(found.rows):
        return None
    small, medium, large = size_classes(found)
    number = len(found.rows)
    edge = int(touches_edge(contents, found).sum())
    text = (
        f"{share(small, number)} are small by COCO's limits (under 32² px), {share(medium, number)} medium, "
        f"{share(large, number)} large (from 96² px). {share(edge, number)} touch the edge of their image."
    )
    blocks = [_sides(found), _areas(found), _aspects(found), _positions(contents, found)]
    return Section("boxes", "Boxes", text, [*blocks, _by_label(contents, found)])


def _sides(found: Shapes) -> Block:
    sides_of_boxes = found.boxes[:, 2:]
    longest = max(float(sides_of_boxes[found.rows[part]].max()) for part in slices(len(found.rows)))
    limits = np.linspace(0, max(1.0, float(np.log10(max(longest, 1))) + 1e-9), 33)
    counts = np.zeros((32, 32), np.int64)
    for part in slices(len(found.rows)):
        width, height = np.log10(np.maximum(sides_of_boxes[found.rows[part]], 1)).T
        counts += np.histogram2d(height, width, bins=[limits, limits])[0].astype(np.int64)
    rows = [
        (name, *(amount(value) for value in np.quantile(sides_of_boxes[found.rows, side], _QUANTILES)))
        for side, name in enumerate(("width, px", "height, px"))
    ]
    return Block(
        "Width against height",
        "Stronger colour is more; squares are on the dashed line. Straight lines of strong cells come from "
        "tools or models, not from people.",
        sides("sides", "Boxes by width and height in pixels", counts, limits),
        table(("", "5 %", "25 %", "median", "75 %", "95 %"), rows),
    )


def _areas(found: Shapes) -> Block:
    logs = np.clip(np.log10(found.share), -6, -1e-9)
    start = min(-2, int(np.floor(logs.min())))
    limits = np.linspace(start, 0, -start * 5 + 1)
    counts = np.histogram(logs, limits)[0]
    ticks = [(float(power), f"{100 * 10.0**power:g} %") for power in range(start, 1)]
    middle = float(np.median(found.share))
    rows = [
        (f"{100 * 10**low:.2g} % to {100 * 10**high:.2g} %", int(count), share(count, len(found.rows)))
        for low, high, count in zip(limits, limits[1:], counts, strict=False)
        if count
    ]
    return Block(
        "Share of the image",
        f"The median box covers {100 * middle:.2g} % of its image. Objects far to the left need a "
        "higher resolution, or tiles, in training.",
        histogram(
            "areas",
            "Boxes by their share of the image",
            (counts, limits),
            "area of the box, share of the image",
            ticks,
            [(float(np.clip(np.log10(middle), start, 0)), "median")],
        ),
        table(("share of the image", "boxes", "share"), rows),
    )


def _aspects(found: Shapes) -> Block:
    limits = np.linspace(-5.125, 5.125, 42)  # squares are in the middle of a bin
    counts = np.histogram(np.clip(np.log2(found.width / found.height), -5.125, 5.125), limits)[0]
    ticks = [(-4.0, "1:16"), (-2.0, "1:4"), (-1.0, "1:2"), (0.0, "1:1"), (1.0, "2:1"), (2.0, "4:1"), (4.0, "16:1")]
    rows = [
        (_ratio(low, high), int(count), share(count, len(found.rows)))
        for low, high, count in zip(limits, limits[1:], counts, strict=False)
        if count
    ]
    return Block(
        "Shape",
        "Upright boxes are on the left, wide ones on the right. Anchors of a detector should cover where the mass is; "
        "the ends are listed as doubtful above.",
        histogram("shapes", "Boxes by width to height", (counts, limits), "width : height", ticks, [(0.0, "square")]),
        table(("width : height", "boxes", "share"), rows),
    )


def _ratio(low: float, high: float) -> str:
    return f"{2**low:.2g} to {2**high:.2g}"


def _positions(contents: Contents, found: Shapes) -> Block:
    counts = np.bincount(contents.boxes.label[found.rows], minlength=len(contents.labels))
    frequent = [int(label) for label in np.argsort(-counts, kind="stable")[:5] if counts[label]]
    panels = [("all labels", centres(contents, found, _CELLS))]
    if len(frequent) > 1:
        panels += [(contents.labels[label], centres(contents, found, _CELLS, label)) for label in frequent]
    thirds = centres(contents, found, 3)
    total = thirds.sum()
    rows = [
        (name, *(share(value, total) for value in line))
        for name, line in zip(("top", "middle", "bottom"), thirds, strict=True)
    ]
    return Block(
        "Positions",
        "Centres of boxes, every image stretched to one size. An empty side or corner that objects can reach is "
        "a gap in the data; one strong spot may be a fixed camera, or the same object again and again.",
        positions("positions", "Centres of boxes by their place in the image", panels),
        table(("", "left", "centre", "right"), rows),
    )


def _by_label(contents: Contents, found: Shapes) -> Block:
    labels, number = contents.boxes.label[found.rows], len(contents.labels)
    numbers, columns = np.bincount(labels, minlength=number), list[Numbers]()
    columns.append(medians(found.width, labels, number)[0])  # one after the other: each needs memory
    columns.append(medians(found.height, labels, number)[0])
    columns.append(medians(100 * found.share, labels, number)[0])
    columns.append(medians(found.width / found.height, labels, number)[0])
    small = np.bincount(labels[found.area < SMALL], minlength=number)
    rows = [
        (
            contents.labels[label],
            int(numbers[label]),
            *(amount(column[label]) for column in columns),
            Bar(share(small[label], numbers[label]), small[label] / numbers[label]),
        )
        for label in np.argsort(-numbers, kind="stable")
        if numbers[label]
    ]
    columns_named = ("label", "boxes", "width, px", "height, px", "share of image, %", "width : height", "small")
    return Block(
        "By label",
        "Medians of each label. A label with many small boxes is hard to detect.",
        table=table(columns_named, rows),
        is_wide=True,
    )
