"""The figures of a report: plain functions from columns to small arrays and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelyard.releases.report.reading import Contents, Flags, Numbers, Positions, slices

Counts = npt.NDArray[np.int64]
"""How many there are, of any shape, int64."""

SMALL, MEDIUM = 32.0**2, 96.0**2
"""COCO's limits of small and medium objects, in square pixels."""


def label_counts(contents: Contents) -> Counts:
    """Return the number of items, also those of extra files, by label and split: shape (labels, splits)."""
    shape = len(contents.labels), len(contents.splits)
    found = np.zeros(shape, np.int64)
    np.add.at(found, (contents.boxes.label, contents.images.split[contents.boxes.image]), 1)
    for (split, _, label), count in contents.other.items():
        found[label, split] += count
    return found


def by_size(counts: Counts) -> Positions:
    """Return the positions of labels, the most frequent first, without those that have nothing."""
    total = counts.sum(axis=1)
    order = np.argsort(-total, kind="stable")
    found: Positions = order[total[order] > 0]
    return found


def images_of_labels(contents: Contents) -> Counts:
    """Return the number of images that have a box of each label: shape (labels,)."""
    pairs = np.unique(contents.boxes.image.astype(np.int64) * max(1, len(contents.labels)) + contents.boxes.label)
    return np.bincount(pairs % max(1, len(contents.labels)), minlength=len(contents.labels))


def objects_per_image(contents: Contents) -> Counts:
    """Return the number of annotations of each image: shape (images,)."""
    return np.bincount(contents.boxes.image, minlength=len(contents.images))


def co_occurrence(contents: Contents, labels: Positions) -> Counts:
    """Return on how many images two of some labels are together: shape (n, n), a label with itself its images."""
    row = np.full(len(contents.labels), -1, np.int64)
    row[labels] = np.arange(len(labels))
    rows = row[contents.boxes.label]
    chosen = rows >= 0
    present = np.zeros((len(contents.images), len(labels)), np.float32)
    present[contents.boxes.image[chosen], rows[chosen]] = 1  # sums of ones are exact in float32 up to 2^24
    found: Counts = np.rint(present.T @ present).astype(np.int64)
    return found


@dataclass(frozen=True, slots=True)
class Shapes:
    """Usable boxes on images of known size: their rows among all `boxes`, and area as a share of the image's."""

    boxes: Numbers
    rows: Positions
    share: Numbers

    @property
    def width(self) -> Numbers:
        """Pixels."""
        found: Numbers = self.boxes[self.rows, 2]
        return found

    @property
    def height(self) -> Numbers:
        """Pixels."""
        found: Numbers = self.boxes[self.rows, 3]
        return found

    @property
    def area(self) -> Numbers:
        """Square pixels."""
        return self.width * self.height


def shapes(contents: Contents) -> Shapes:
    """Return the shapes of the boxes of a release."""
    rows = np.flatnonzero(contents.boxes.is_box & is_sized(contents)).astype(np.int32)
    share = np.empty(len(rows))
    for part in slices(len(rows)):
        box, image = contents.boxes.box[rows[part]], contents.boxes.image[rows[part]]
        share[part] = box[:, 2] * box[:, 3] / (contents.images.width[image] * contents.images.height[image])
    return Shapes(contents.boxes.box, rows, share)


def is_sized(contents: Contents) -> Flags:
    """Return for each annotation whether the size of its image is known."""
    known = (contents.images.width > 0) & (contents.images.height > 0)
    found: Flags = known[contents.boxes.image]
    return found


def size_classes(found: Shapes) -> tuple[int, int, int]:
    """Return how many boxes are small, medium and large by COCO's limits."""
    small, medium = int((found.area < SMALL).sum()), int((found.area < MEDIUM).sum())
    return small, medium - small, len(found.rows) - medium


def centres(contents: Contents, found: Shapes, cells: int, label: int | None = None) -> Counts:
    """Return how many centres of boxes are in each cell of the image, from its top left: shape (cells, cells)."""
    counts = np.zeros(cells * cells, np.int64)
    for part in slices(len(found.rows)):
        rows = found.rows[part]
        rows = rows if label is None else rows[contents.boxes.label[rows] == label]
        box, image = contents.boxes.box[rows], contents.boxes.image[rows]
        x = (box[:, 0] + box[:, 2] / 2) / contents.images.width[image]
        y = (box[:, 1] + box[:, 3] / 2) / contents.images.height[image]
        inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        columns = np.minimum((x[inside] * cells).astype(np.int64), cells - 1)
        lines = np.minimum((y[inside] * cells).astype(np.int64), cells - 1)
        counts += np.bincount(lines * cells + columns, minlength=cells * cells)
    return counts.reshape(cells, cells)


def medians(values: Numbers, labels: Positions, count: int) -> tuple[Numbers, Counts]:
    """Return the median of the values of each label, NaN without any, and how many there are: shape (labels,)."""
    order = np.lexsort((values, labels))
    numbers = np.bincount(labels, minlength=count)
    ends = np.cumsum(numbers)
    found = np.full(count, np.nan)
    for label in np.flatnonzero(numbers):
        of_label = values[order[ends[label] - numbers[label] : ends[label]]]
        found[label] = (of_label[(len(of_label) - 1) // 2] + of_label[len(of_label) // 2]) / 2
    return found, numbers


@dataclass(frozen=True, slots=True)
class Repeated:
    """Images that share something: how many sets of several images, how many images are in them, and the largest.

    `apart` counts sets whose images are in several splits. `largest` has the positions of one image of each set, and
    the sets' sizes.
    """

    sets: int
    images: int
    apart: int
    largest: Sequence[tuple[int, int]]


def repeated(hashes: npt.NDArray[np.uint64], splits: Positions, most: int = 10) -> Repeated:
    """Return the sets of images with the same hash; 0 is no hash."""
    rows = np.flatnonzero(hashes)
    found, first, inverse, counts = np.unique(hashes[rows], return_index=True, return_inverse=True, return_counts=True)
    of_rows = splits[rows]
    lowest, highest = np.full(len(found), np.iinfo(np.int64).max), np.full(len(found), -1)
    np.minimum.at(lowest, inverse, of_rows)
    np.maximum.at(highest, inverse, of_rows)
    several = np.flatnonzero(counts > 1)
    order = several[np.lexsort((first[several], -counts[several]))]
    largest = [(int(rows[first[position]]), int(counts[position])) for position in order[:most]]
    return Repeated(len(several), int(counts[several].sum()), int((lowest != highest).sum()), largest)


def image_sizes(contents: Contents) -> list[tuple[int, int, int]]:
    """Return width, height and number of images of each size, the most frequent first; unknown sizes are left out."""
    sizes = np.stack([contents.images.width, contents.images.height], axis=1)
    known = sizes[(sizes > 0).all(axis=1)]
    found, counts = np.unique(known, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(found[at, 0]), int(found[at, 1]), int(counts[at])) for at in order]
