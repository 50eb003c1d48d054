"""The sections of the page about labels, images and attributes: figures, plots, and what to look for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from labelyard.releases.report.attributes import MOST_VALUES, ValueCounts
from labelyard.releases.report.blocks import TIMES, Bar, Block, Cell, Section, Table, amount, share, table
from labelyard.releases.report.figures import (
    Counts,
    by_size,
    co_occurrence,
    image_sizes,
    images_of_labels,
    label_counts,
    objects_per_image,
)
from labelyard.releases.report.plots import MOST_BARS, bubbles, histogram, matrix, stacked_bars
from labelyard.releases.report.reading import Contents, ImageDetails, Positions

_TOGETHER = 14
_MISSING_FROM = 10
_BINS = 40
_MOST_SIZES = 100
_MOST_CHOICES = 8
_NUMBERS_FROM = 12


def about_labels(contents: Contents) -> Section | None:
    """Counts by label and split, and whether each split has its share of each label."""
    counts = label_counts(contents)
    order = by_size(counts)
    if not len(order):
        return None
    names = [contents.labels[label] for label in order]
    most = MOST_BARS
    shown = f" The plot has the {most} most frequent of {len(names)}." if len(names) > most else ""
    blocks = [
        Block(
            "Annotations by label",
            "Rare labels: a model learns little from fewer than about 100 examples." + shown,
            stacked_bars(
                "labels", "Annotations by label and split", names[:most], counts[order][:most], contents.splits
            ),
            _label_table(contents, counts),
        ),
    ]
    if len(contents.splits) > 1:
        blocks.append(_split_shares(contents, counts, order))
    return Section("labels", "Labels", _unused_labels(contents, counts), blocks)


def _split_shares(contents: Contents, counts: Counts, order: Positions) -> Block:
    names = [contents.labels[label] for label in order]
    parts = counts[order] / counts[order].sum(axis=1, keepdims=True)
    total = counts.sum(axis=0)
    rows = [(name, *(share(part, 1) for part in line)) for name, line in zip(names, parts, strict=True)]
    plot = stacked_bars(
        "balance",
        "Share of each split by label",
        names[:MOST_BARS],
        parts[:MOST_BARS],
        contents.splits,
        of_whole=list(total / total.sum()),
    )
    text = "Each bar should end its colours near the dashed lines, the shares of all annotations. "
    text += _missing_labels(contents, counts)
    return Block("Share of each split", text, plot, table(("label", *contents.splits), rows))


def _label_table(contents: Contents, counts: Counts) -> Table:
    on_images = images_of_labels(contents)
    total = counts.sum()
    largest = counts.sum(axis=1).max()
    rows: list[Sequence[Cell]] = []
    for label in by_size(counts).tolist():
        of_label = int(counts[label].sum())
        by_split = map(int, counts[label])
        rows.append(
            (
                contents.labels[label],
                Bar(f"{of_label:,}", of_label / largest),
                *by_split,
                share(of_label, total),
                int(on_images[label]),
            )
        )
    return table(("label", "all", *contents.splits, "share", "images"), rows)


def _missing_labels(contents: Contents, counts: Counts) -> str:
    """Return which labels a split does not have, though they are frequent enough."""
    found = []
    for number, split in enumerate(contents.splits):
        missing = (counts[:, number] == 0) & (counts.sum(axis=1) >= _MISSING_FROM) & (counts[:, number].sum() > 0)
        names = [contents.labels[label] for label in np.flatnonzero(missing).tolist()]
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            found.append(f"{split} has no {', '.join(names[:5])}{more}.")
    return " ".join(found) or "No split lacks a frequent label."


def _unused_labels(contents: Contents, counts: Counts) -> str:
    unused = [contents.labels[label] for label in np.flatnonzero(counts.sum(axis=1) == 0).tolist()]
    if not unused:
        return ""
    more = f" and {len(unused) - 10} more" if len(unused) > 10 else ""
    return f"Without any annotation: {', '.join(unused[:10])}{more}."


def about_images(contents: Contents, examples: dict[int, ImageDetails]) -> Section | None:
    """Objects on images, images without any, and their sizes."""
    if not len(contents.images):
        return None
    blocks = [_objects(contents), _empty_images(contents, examples)]
    sizes = image_sizes(contents)
    if sizes:
        rows = [
            (f"{width:,} {TIMES} {height:,}", count, share(count, len(contents.images)))
            for width, height, count in sizes
        ]
        blocks.append(
            Block(
                "Sizes of images",
                "A larger circle is for more images. Lonely circles are images from elsewhere; circles on "
                "both sides of the dashed line are upright and wide images.",
                bubbles("sizes", "Sizes of images in pixels", _rounded(sizes)),
                table(("px", "images", "share"), rows, 40),
            )
        )
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
    counts = objects_per_image(contents)
    most = int(counts.max())
    step = max(1, -(-(most + 1) // _BINS))
    limits = np.arange(0, most + 1 + step, step, dtype=float)
    found = np.bincount(counts // step, minlength=len(limits) - 1)
    middle = float(np.median(counts))
    tick_step = max(1, len(found) // 8)
    ticks = [(limits[at] + step / 2, f"{limits[at]:,.0f}") for at in range(0, len(found), tick_step)]
    rows = [
        (f"{low:.0f}" if step == 1 else f"{low:.0f} to {low + step - 1:.0f}", int(count), share(count, len(counts)))
        for low, count in zip(limits, found, strict=False)
        if count
    ]
    return Block(
        "Objects on an image",
        f"The median is {middle:g}, the most {most:,}. A peak at 0 or a long tail on the right is "
        "worth a look: forgotten images, or crowds that belong into a crowd label.",
        histogram(
            "objects",
            "Images by their number of annotations",
            (found, limits - 0.0),
            "annotations on an image",
            ticks,
            [(middle + step / 2, "median")],
        ),
        table(("annotations", "images", "share"), rows),
    )


def _empty_images(contents: Contents, examples: dict[int, ImageDetails]) -> Block:
    rows: list[Sequence[Cell]] = []
    for number, split in enumerate(contents.splits):
        of_split = contents.images.split == number
        count, empty = int(of_split.sum()), int((of_split & ~contents.has_items).sum())
        rows.append((split, count, Bar(f"{empty:,}", empty / count if count else 0), share(empty, count)))
    few = empty_images(contents)[:5].tolist()
    names = [f"{examples[one].file_name} ({one})" for one in few if one in examples]
    text = "Negatives are useful, forgotten images are not: open a few. "
    text += "Such as " + ", ".join(names) + "." if names else "There are none."
    return Block(
        "Images without annotations", text, table=table(("split", "images", "without", "share"), rows), is_open=True
    )


def empty_images(contents: Contents) -> Counts:
    """Return the ids of the images without anything, sorted."""
    return np.sort(contents.images.id[~contents.has_items])


def about_pairs(contents: Contents) -> Section | None:
    """Labels that are on one image."""
    used = by_size(images_of_labels(contents)[:, None])[:_TOGETHER]
    if len(used) < 2:
        return None
    counts = co_occurrence(contents, used)
    names = [contents.labels[label] for label in used]
    alone = np.diag(counts)
    pairs = sorted(
        ((int(counts[one, two]), one, two) for one in range(len(used)) for two in range(one)),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    rows = [
        (f"{names[two]} + {names[one]}", count, share(count, alone[two]), share(count, alone[one]))
        for count, one, two in pairs
    ]
    block = Block(
        "Images on which two labels are together",
        f"The {len(used)} labels on most images. Labels that are always together "
        "teach a model to infer one from the other; empty cells of frequent labels are pairs that it never sees.",
        matrix("pairs", "Images on which two labels are together", names, counts),
        table(("labels", "images", "of the first's", "of the second's"), rows, 60),
    )
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
    block = Block(
        "Values by label",
        text,
        table=table(("label", "attribute", "objects", "most frequent", "values"), rows, 300),
        is_open=True,
        is_wide=True,
    )
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
