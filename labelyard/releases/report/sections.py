"""The sections of the page about images, labels and boxes: figures, plots, and what to look for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from labelyard.releases.report import figures, plots
from labelyard.releases.report.attributes import MOST_VALUES, ValueCounts
from labelyard.releases.report.blocks import Bar, Block, Cell, Section, Table, amount, share, table
from labelyard.releases.report.doubts import touches_edge
from labelyard.releases.report.reading import Contents, ImageDetails, Numbers

_TOGETHER = 14
_MISSING_FROM = 10
_BINS = 40
_MOST_SIZES = 100
_MOST_CHOICES = 8
_NUMBERS_FROM = 12
_CELLS = 24


def about_labels(contents: Contents) -> Section | None:
    """Counts by label and split, and whether each split has its share of each label."""
    counts = figures.label_counts(contents)
    order = figures.by_size(counts)
    if not len(order):
        return None
    names = [contents.labels[label] for label in order]
    most = plots.MOST_BARS
    shown = f" The plot has the {most} most frequent of {len(names)}." if len(names) > most else ""
    total = counts.sum(axis=0)
    parts = counts[order] / counts[order].sum(axis=1, keepdims=True)
    blocks = [
        Block(
            "Annotations by label", "Rare labels: a model learns little from fewer than about 100 examples." + shown,
            plots.stacked_bars("labels", "Annotations by label and split", names[:most], counts[order][:most], contents.splits),
            _label_table(contents, counts),
        ),
    ]  # fmt: skip
    if len(contents.splits) > 1:
        rows = [
            (name, *(share(counts[label, split], counts[label].sum()) for split in range(len(contents.splits))))
            for name, label in zip(names, order, strict=True)
        ]
        blocks.append(Block(
            "Share of each split", "Each bar should end its colours near the dashed lines, the shares of all annotations. "
            + _missing_labels(contents, counts),
            plots.stacked_bars("balance", "Share of each split by label", names[:most], parts[:most], contents.splits,
                               of_whole=list(total / total.sum())),
            table(("label", *contents.splits), rows),
        ))  # fmt: skip
    return Section("labels", "Labels", _unused_labels(contents, counts), blocks)


def _label_table(contents: Contents, counts: figures.Counts) -> Table:
    on_images = figures.images_of_labels(contents)
    total = counts.sum()
    largest = counts.sum(axis=1).max()
    rows: list[Sequence[Cell]] = []
    for label in figures.by_size(counts):
        of_label = int(counts[label].sum())
        by_split = map(int, counts[label])
        rows.append((contents.labels[label], Bar(f"{of_label:,}", of_label / largest), *by_split,
                     share(of_label, total), int(on_images[label])))  # fmt: skip
    return table(("label", "all", *contents.splits, "share", "images"), rows)


def _missing_labels(contents: Contents, counts: figures.Counts) -> str:
    """Return which labels a split does not have, though they are frequent enough."""
    found = []
    for number, split in enumerate(contents.splits):
        missing = (counts[:, number] == 0) & (counts.sum(axis=1) >= _MISSING_FROM) & (counts[:, number].sum() > 0)
        names = [contents.labels[label] for label in np.flatnonzero(missing)]
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""  # noqa: PLR2004 - names to read
            found.append(f"{split} has no {', '.join(names[:5])}{more}.")
    return " ".join(found) or "No split lacks a frequent label."


def _unused_labels(contents: Contents, counts: figures.Counts) -> str:
    unused = [contents.labels[label] for label in np.flatnonzero(counts.sum(axis=1) == 0)]
    if not unused:
        return ""
    more = f" and {len(unused) - 10} more" if len(unused) > 10 else ""  # noqa: PLR2004 - names to read
    return f"Without any annotation: {', '.join(unused[:10])}{more}."


def about_images(contents: Contents, examples: dict[int, ImageDetails]) -> Section | None:
    """Objects on images, images without any, and their sizes."""
    if not len(contents.images):
        return None
    blocks = [_objects(contents), _empty_images(contents, examples)]
    sizes = figures.image_sizes(contents)
    if sizes:
        rows = [(f"{width:,} × {height:,}", count, share(count, len(contents.images))) for width, height, count in sizes]
        blocks.append(Block(
            "Sizes of images", "A larger circle is for more images. Lonely circles are images from elsewhere; circles on "
            "both sides of the dashed line are upright and wide images.",
            plots.bubbles("sizes", "Sizes of images in pixels", _rounded(sizes)),
            table(("px", "images", "share"), rows, 40),
        ))  # fmt: skip
    return Section("images", "Images", "", blocks)


def _rounded(sizes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return sizes for a plot: if they are many, near ones are one."""
    step = 1
    while len(sizes) > _MOST_SIZES:
        step *= 2
        counts: Counter[tuple[int, int]] = Counter()
        for width, height, count in sizes:
            counts[round(width / step) * step, round(height / step) * step] += count
        sizes = [(*size, count) for size, count in sorted(counts.items())]
    return sizes


def _objects(contents: Contents) -> Block:
    counts = figures.objects_per_image(contents)
    most = int(counts.max())
    step = max(1, -(-(most + 1) // _BINS))
    limits = np.arange(0, most + 1 + step, step, dtype=float)
    found = np.bincount(counts // step, minlength=len(limits) - 1)
    middle = float(np.median(counts))
    tick_step = max(1, len(found) // 8)
    ticks = [(limits[at] + step / 2, f"{limits[at]:,.0f}") for at in range(0, len(found), tick_step)]
    rows = [(f"{low:.0f}" if step == 1 else f"{low:.0f} to {low + step - 1:.0f}", int(count), share(count, len(counts)))
            for low, count in zip(limits, found, strict=False) if count]  # fmt: skip
    return Block(
        "Objects on an image", f"The median is {middle:g}, the most {most:,}. A peak at 0 or a long tail on the right is "
        "worth a look: forgotten images, or crowds that belong into a crowd label.",
        plots.histogram("objects", "Images by their number of annotations", (found, limits - 0.0), "annotations on an image",
                        ticks, [(middle + step / 2, "median")]),
        table(("annotations", "images", "share"), rows),
    )  # fmt: skip


def _empty_images(contents: Contents, examples: dict[int, ImageDetails]) -> Block:
    rows: list[Sequence[Cell]] = []
    for number, split in enumerate(contents.splits):
        of_split = contents.images.split == number
        count, empty = int(of_split.sum()), int((of_split & ~contents.has_items).sum())
        rows.append((split, count, Bar(f"{empty:,}", empty / count if count else 0), share(empty, count)))
    empty = empty_images(contents)
    names = [f"{examples[one].file_name} ({one})" for one in empty[:5].tolist() if one in examples]
    text = "Negatives are useful, forgotten images are not: open a few. "
    text += "Such as " + ", ".join(names) + "." if names else "There are none."
    return Block("Images without annotations", text, table=table(("split", "images", "without", "share"), rows), is_open=True)


def empty_images(contents: Contents) -> figures.Counts:
    """Return the ids of the images without anything, sorted."""
    return np.sort(contents.images.id[~contents.has_items])


def about_boxes(contents: Contents) -> Section | None:
    """Sizes, shapes and positions of boxes."""
    found = figures.shapes(contents)
    if not len(found.rows):
        return None
    small, medium, large = figures.size_classes(found)
    number = len(found.rows)
    edge = int(touches_edge(contents, found).sum())
    text = (
        f"{share(small, number)} are small by COCO's limits (under 32² px), {share(medium, number)} medium, "
        f"{share(large, number)} large (from 96² px). {share(edge, number)} touch the edge of their image."
    )
    blocks = [_sides(found), _areas(found), _aspects(found), _positions(contents, found)]
    return Section("boxes", "Boxes", text, [*blocks, _by_label(contents, found)])


def _sides(found: figures.Shapes) -> Block:
    logs = [np.log10(np.maximum(side, 1)) for side in (found.height, found.width)]
    limits = np.linspace(0, max(1.0, float(max(side.max() for side in logs)) + 1e-9), 33)
    counts = np.histogram2d(*logs, bins=(limits, limits))[0].astype(np.int64)
    rows = [
        (name, *(amount(value) for value in np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))))
        for name, values in (("width, px", found.width), ("height, px", found.height))
    ]
    return Block(
        "Width against height", "Darker is more; on the dashed line are squares. Straight lines of dark cells come from "
        "tools or models, not from people.",
        plots.sides("sides", "Boxes by width and height in pixels", counts, limits),
        table(("", "5 %", "25 %", "median", "75 %", "95 %"), rows),
    )  # fmt: skip


def _areas(found: figures.Shapes) -> Block:
    logs = np.clip(np.log10(found.share), -6, -1e-9)
    start = min(-2, int(np.floor(logs.min())))
    limits = np.linspace(start, 0, -start * 5 + 1)
    counts = np.histogram(logs, limits)[0]
    ticks = [(float(power), f"{100 * 10.0**power:g} %") for power in range(start, 1)]
    middle = float(np.median(found.share))
    rows = [(f"{100 * 10**low:.2g} % to {100 * 10**high:.2g} %", int(count), share(count, len(found.rows)))
            for low, high, count in zip(limits, limits[1:], counts, strict=False) if count]  # fmt: skip
    return Block(
        "Share of the image", f"The median box covers {100 * middle:.2g} % of its image. Objects far to the left need a "
        "higher resolution, or tiles, in training.",
        plots.histogram("areas", "Boxes by their share of the image", (counts, limits), "area of the box, share of the image",
                        ticks, [(float(np.clip(np.log10(middle), start, 0)), "median")]),
        table(("share of the image", "boxes", "share"), rows),
    )  # fmt: skip


def _aspects(found: figures.Shapes) -> Block:
    limits = np.linspace(-5.125, 5.125, 42)  # squares are in the middle of a bin
    counts = np.histogram(np.clip(np.log2(found.width / found.height), -5.125, 5.125), limits)[0]
    ticks = [(-4.0, "1:16"), (-2.0, "1:4"), (-1.0, "1:2"), (0.0, "1:1"), (1.0, "2:1"), (2.0, "4:1"), (4.0, "16:1")]
    rows = [(_ratio(low, high), int(count), share(count, len(found.rows)))
            for low, high, count in zip(limits, limits[1:], counts, strict=False) if count]  # fmt: skip
    return Block(
        "Shape", "Upright boxes are on the left, wide ones on the right. Anchors of a detector should cover where the mass is; "
        "the ends are listed as doubtful above.",
        plots.histogram("shapes", "Boxes by width to height", (counts, limits), "width : height", ticks, [(0.0, "square")]),
        table(("width : height", "boxes", "share"), rows),
    )  # fmt: skip


def _ratio(low: float, high: float) -> str:
    return f"{2**low:.2g} to {2**high:.2g}"


def _positions(contents: Contents, found: figures.Shapes) -> Block:
    counts = np.bincount(contents.boxes.label[found.rows], minlength=len(contents.labels))
    frequent = [int(label) for label in np.argsort(-counts, kind="stable")[:5] if counts[label]]
    panels = [("all labels", figures.centres(contents, found, _CELLS))]
    if len(frequent) > 1:
        panels += [(contents.labels[label], figures.centres(contents, found, _CELLS, label)) for label in frequent]
    thirds = figures.centres(contents, found, 3)
    total = thirds.sum()
    rows = [(name, *(share(value, total) for value in line))
            for name, line in zip(("top", "middle", "bottom"), thirds, strict=True)]  # fmt: skip
    return Block(
        "Positions", "Centres of boxes, every image stretched to one size. An empty side or corner that objects can reach is "
        "a gap in the data; one dark spot may be a fixed camera, or the same object again and again.",
        plots.positions("positions", "Centres of boxes by their place in the image", panels),
        table(("", "left", "centre", "right"), rows),
    )  # fmt: skip


def _by_label(contents: Contents, found: figures.Shapes) -> Block:
    labels, number = contents.boxes.label[found.rows], len(contents.labels)
    columns: list[Numbers] = []
    for values in (found.width, found.height, 100 * found.share, found.width / found.height):
        middle, numbers = figures.medians(values, labels, number)
        columns.append(middle)
    small = np.bincount(labels[found.area < figures.SMALL], minlength=number)
    rows = [
        (contents.labels[label], int(numbers[label]), *(amount(column[label]) for column in columns),
         Bar(share(small[label], numbers[label]), small[label] / numbers[label]))
        for label in np.argsort(-numbers, kind="stable") if numbers[label]
    ]  # fmt: skip
    columns_named = ("label", "boxes", "width, px", "height, px", "share of image, %", "width : height", "small")
    return Block("By label", "Medians of each label. A label with many small boxes is hard to detect.",
                 table=table(columns_named, rows), is_wide=True)  # fmt: skip


def about_pairs(contents: Contents) -> Section | None:
    """Labels that are on one image."""
    used = figures.by_size(figures.images_of_labels(contents)[:, None])[:_TOGETHER]
    if len(used) < 2:  # noqa: PLR2004 - a pair
        return None
    counts = figures.co_occurrence(contents, used)
    names = [contents.labels[label] for label in used]
    alone = np.diag(counts)
    pairs = sorted(
        ((int(counts[one, two]), one, two) for one in range(len(used)) for two in range(one)), key=lambda pair: (-pair[0], pair[1:])
    )
    rows = [
        (f"{names[two]} + {names[one]}", count, share(count, alone[two]), share(count, alone[one]))
        for count, one, two in pairs
    ]
    block = Block(
        "Images on which two labels are together", f"The {len(used)} labels on most images. Labels that are always together "
        "teach a model to infer one from the other; empty cells of frequent labels are combinations that it never sees.",
        plots.matrix("pairs", "Images on which two labels are together", names, counts),
        table(("labels", "images", "of the first's", "of the second's"), rows, 60),
    )  # fmt: skip
    return Section("pairs", "Labels together", "", [block])


def about_attributes(contents: Contents) -> Section | None:
    """The values of attributes by label."""
    rows: list[Sequence[Cell]] = [
        (contents.labels[label], name, found.total, *_values(found)) for label, name, found in contents.attributes
    ]
    if not rows:
        return None
    text = (
        "How often each value was chosen. A value that nearly all objects have may be a default that nobody changed; "
        "one that hardly any has cannot be learned."
    )
    if contents.attributes.left_out:
        text += " There are more attributes than are counted here."
    block = Block("Values by label", text, table=table(("label", "attribute", "objects", "most frequent", "values"), rows, 300),
                  is_open=True, is_wide=True)  # fmt: skip
    return Section("attributes", "Attributes", "", [block])


def _values(found: ValueCounts) -> tuple[Bar, str]:
    """Return the most frequent value, and a sentence on all."""
    ranked = sorted(found.values.items(), key=lambda one: (-one[1], one[0]))
    top = Bar(f"{ranked[0][0]}: {share(ranked[0][1], found.total)}", ranked[0][1] / found.total)
    if found.numbers == found.total and len(ranked) > _NUMBERS_FROM:
        return top, f"numbers from {amount(found.smallest)} to {amount(found.largest)}"
    listed = ", ".join(f"{value} {count:,}" for value, count in ranked[:_MOST_CHOICES])
    different = f"over {MOST_VALUES:,}" if found.others else f"{len(ranked):,}"
    return top, listed if len(ranked) <= _MOST_CHOICES else f"{listed}, … ({different} different values)"
