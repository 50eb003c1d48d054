"""Agreement of annotators, where an image was labelled twice: in two jobs, or as two images of the same content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from labelyard.formats.coco.reference import LabelMatches, match_boxes
from labelyard.releases.report.people import People
from labelyard.releases.report.reading import Contents, Positions, slices

MOST_PAIRS = 2000
"""Images labelled twice that are compared: the first by id."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two labellings of the same images agree: images compared, of how many, and figures by label.

    `average_precision` is COCO's over IoU 0.5 to 0.95, of the second labelling against the first, and 0.5 alone.
    """

    images: int
    of: int
    labels: Sequence[tuple[str, LabelMatches]]
    average_precision: float
    average_precision_50: float

    @property
    def matched(self) -> float:
        """The share of boxes, of both labellings, that have one of the same label with IoU 0.5 in the other."""
        both = sum(one.first + one.second for _, one in self.labels)
        return 2 * sum(one.matched for _, one in self.labels) / both if both else 1.0


def find_agreement(contents: Contents, people: People | None) -> Agreement | None:
    """Return the agreement; None if no image was labelled twice."""
    pairs = [*_of_two_jobs(contents, people), *_of_equal_content(contents)]
    if not pairs:
        return None
    pairs.sort(key=lambda pair: int(contents.images.id[contents.boxes.image[pair[0][0]]]))
    chosen = pairs[:MOST_PAIRS]
    boxes = [
        [(int(contents.boxes.label[row]), *contents.boxes.box[row].tolist()) for row in rows]
        for pair in chosen
        for rows in pair
    ]
    found = match_boxes(boxes[::2], boxes[1::2])
    labels = [(contents.labels[label], matches) for label, matches in sorted(found.labels.items())]
    return Agreement(len(chosen), len(pairs), labels, found.average_precision, found.average_precision_50)


def _of_two_jobs(contents: Contents, people: People | None) -> Iterator[tuple[Positions, Positions]]:
    """Yield the rows of the two jobs with most annotations on an image, the job with the lower id first."""
    boxes = contents.boxes
    jobs = boxes.job.astype(np.int64)
    if people is not None and len(people.ids):
        order = np.argsort(people.ids, kind="stable")
        for part in slices(len(boxes)):
            ids = boxes.id[part]
            found = order[np.minimum(np.searchsorted(people.ids, ids, sorter=order), len(order) - 1)]
            known = people.ids[found] == ids
            jobs[part][known] = people.jobs[found[known]]
        del order
    # Few images have two jobs: the others are left out before anything is sorted.
    lowest, highest = np.full(len(contents.images), np.iinfo(np.int64).max), np.full(len(contents.images), -1)
    usable = boxes.is_box & (jobs >= 0)
    np.minimum.at(lowest, boxes.image[usable], jobs[usable])
    np.maximum.at(highest, boxes.image[usable], jobs[usable])
    rows = np.flatnonzero(usable & (lowest < highest)[boxes.image])
    rows = rows[np.lexsort((boxes.id[rows], jobs[rows], boxes.image[rows]))]
    new = np.flatnonzero((np.diff(boxes.image[rows], prepend=-1) != 0) | (np.diff(jobs[rows], prepend=-1) != 0))
    ends = np.append(new[1:], len(rows))
    images = boxes.image[rows[new]]
    for image in np.flatnonzero(np.bincount(images, minlength=1) > 1):
        start, end = np.searchsorted(images, [image, image + 1])
        one, two = sorted(sorted(range(start, end), key=lambda at: (int(new[at] - ends[at]), at))[:2])
        yield rows[new[one] : ends[one]], rows[new[two] : ends[two]]


def _of_equal_content(contents: Contents) -> Iterator[tuple[Positions, Positions]]:
    """Yield the rows of two images of the same content and size that both have boxes."""
    images, boxes = contents.images, contents.boxes
    found, counts = np.unique(images.content, return_counts=True)
    is_repeated = (images.content != 0) & np.isin(images.content, found[counts > 1])
    rows = np.flatnonzero(boxes.is_box & is_repeated[boxes.image])
    rows = rows[np.lexsort((boxes.id[rows], boxes.image[rows]))]
    labelled = np.unique(boxes.image[rows])
    order = labelled[np.lexsort((images.id[labelled], images.content[labelled]))]
    for one, two in pairwise(order):
        same = ("content", "width", "height")
        if all(getattr(images, name)[one] == getattr(images, name)[two] for name in same):
            of_rows = boxes.image[rows]
            starts, ends = np.searchsorted(of_rows, [one, two]), np.searchsorted(of_rows, [one, two], side="right")
            yield rows[starts[0] : ends[0]], rows[starts[1] : ends[1]]
