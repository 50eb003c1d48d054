"""Annotations and images that a person should look at: each kind has a rule, a reason and its worst examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelyard.releases.report.blocks import TIMES
from labelyard.releases.report.figures import Shapes, is_sized, medians, shapes
from labelyard.releases.report.overlaps import same_boxes
from labelyard.releases.report.reading import Contents, Flags, Numbers, Positions, slices

SHORTEST_SIDE = 4.0
"""Pixels: a shorter box is hardly anything that a person can see."""
BEYOND = 1.0
"""Pixels by which a box may reach beyond its image: people draw to the edge, and programs round."""
_ASPECT, _ASPECT_FACTOR = 10.0, 4.0
_SHARE, _SHARE_FACTOR = 0.9, 2.0
_AREA_FACTOR, _ENOUGH = 30.0, 20
_SLIVER = 0.02
_LOW_SCORE = 0.5
_PIXELS_FACTOR, _SHAPE_FACTOR = 4.0, 3.0
_EXAMPLES_OF_AN_IMAGE = 2


@dataclass(frozen=True, slots=True)
class Doubt:
    """An example: the position of its image, the rows of its annotations (none for an image), and the reason."""

    image: int
    rows: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class DoubtKind:
    """Doubtful annotations of one kind, or images: how many there are, and the worst of them.

    `above` counts those that are examples of an earlier kind.
    """

    title: str
    meaning: str
    count: int
    examples: Sequence[Doubt]
    above: int = 0

    @property
    def more(self) -> int:
        """How many are shown nowhere."""
        return self.count - len(self.examples) - self.above


@dataclass(frozen=True, slots=True)
class _Suspects:
    """Rows of annotations, or positions of images, the worst first, and what writes the reason of one.

    `others` has the second annotation of each pair.
    """

    title: str
    meaning: str
    rows: Positions
    reason: Callable[[int], str]
    others: Positions | None = None
    are_images: bool = False


def find_doubts(contents: Contents, examples: int) -> list[DoubtKind]:
    """Return each kind that occurs, the most serious first, with up to so many examples.

    An annotation is an example once, and an image of at most two examples of a kind: one broken image must not hide the
    others.
    """
    shown: set[int] = set()
    found = []
    for one in _suspects(contents):
        if len(one.rows):
            known = np.isin(one.rows, list(shown))
            if one.others is not None:
                known |= np.isin(one.others, list(shown))
            above = 0 if one.are_images else int(known.sum())
            chosen = _examples(contents, one, examples, shown)
            found.append(DoubtKind(one.title, one.meaning, len(one.rows), chosen, above))
    return found


def _examples(contents: Contents, suspects: _Suspects, most: int, shown: set[int]) -> list[Doubt]:
    found: list[Doubt] = []
    of_image: dict[int, int] = {}
    for position, row in enumerate(suspects.rows[: 50 * most].tolist()):
        if suspects.are_images:
            found.append(Doubt(row, (), suspects.reason(position)))
        else:
            rows = (row,) if suspects.others is None else (row, int(suspects.others[position]))
            image = int(contents.boxes.image[row])
            if shown & set(rows) or of_image.get(image, 0) >= _EXAMPLES_OF_AN_IMAGE:
                continue
            shown.update(rows)
            of_image[image] = of_image.get(image, 0) + 1
            found.append(Doubt(image, rows, suspects.reason(position)))
        if len(found) >= most:
            break
    return found


def _suspects(contents: Contents) -> Iterator[_Suspects]:
    yield _without_box(contents)
    yield _outside(contents)
    yield from _same_boxes(contents)
    yield _tiny(contents)
    found = shapes(contents)
    yield _elongated(contents, found)
    yield _very_large(contents, found)
    yield _unlike_label(contents, found)
    yield _slivers(contents, found)
    yield _low_scores(contents)
    yield _unlike_images(contents)


def _worst(rows: Positions, badness: Numbers, contents: Contents) -> Positions:
    """Return the order in which the worst rows are first; equal ones by id, so that it never depends on the files."""
    return np.lexsort((contents.boxes.id[rows], -badness))


def _without_box(contents: Contents) -> _Suspects:
    rows = np.flatnonzero(~contents.boxes.is_box)
    rows = rows[np.argsort(contents.boxes.id[rows], kind="stable")]
    return _Suspects(
        "No usable box",
        "Its box has no area, or numbers that no image has. Training skips it, or fails.",
        rows,
        lambda at: "box " + ", ".join(f"{value:g}" for value in contents.boxes.box[rows[at]]),
    )


def _outside(contents: Contents) -> _Suspects:
    known = contents.boxes.is_box & is_sized(contents)
    found = [_beyond(contents, np.flatnonzero(known[part]) + part.start) for part in slices(len(known))]
    rows, beyond, is_off = map(np.concatenate, zip(*found, strict=True))
    order = _worst(rows, beyond + 1e9 * is_off, contents)

    def reason(at: int) -> str:
        row = order[at]
        return "it is wholly outside of the image" if is_off[row] else f"{beyond[row]:,.0f} px beyond the image"

    return _Suspects(
        "Outside of the image",
        "The box reaches more than a pixel beyond its image. Often a wrong size, or an image that was turned.",
        rows[order],
        reason,
    )


def _beyond(contents: Contents, rows: Positions) -> tuple[Positions, Numbers, Flags]:
    """Return those rows that reach beyond their image, by how many pixels, and whether they are wholly outside."""
    box, image = contents.boxes.box[rows], contents.boxes.image[rows]
    width, height = contents.images.width[image], contents.images.height[image]
    beyond = np.stack(
        [-box[:, 0], -box[:, 1], box[:, 0] + box[:, 2] - width, box[:, 1] + box[:, 3] - height], axis=1
    ).max(axis=1, initial=0)
    is_off = (box[:, 0] >= width) | (box[:, 1] >= height) | (box[:, 0] + box[:, 2] <= 0) | (box[:, 1] + box[:, 3] <= 0)
    chosen = beyond > BEYOND
    return rows[chosen], beyond[chosen], is_off[chosen]


def _same_boxes(contents: Contents) -> Iterator[_Suspects]:
    left, right, overlap = same_boxes(contents)
    same_label = contents.boxes.label[left] == contents.boxes.label[right]
    for chosen, title, meaning in (
        (
            np.flatnonzero(same_label),
            "The same box twice",
            "Two boxes of one label overlap almost wholly: one object was labelled twice. A model learns doubles.",
        ),
        (
            np.flatnonzero(~same_label),
            "Two labels on one object",
            "Two boxes of unlike labels overlap almost wholly. One label is wrong, or the labels are not exclusive.",
        ),
    ):
        order = chosen[_worst(left[chosen], overlap[chosen], contents)]
        yield _Suspects(title, meaning, left[order], _pair_reason(overlap[order]), right[order])


def _pair_reason(overlap: Numbers) -> Callable[[int], str]:
    return lambda at: f"two boxes, IoU {overlap[at]:.2f}"


def _tiny(contents: Contents) -> _Suspects:
    sides = contents.boxes.box[:, 2:]
    rows = np.flatnonzero(contents.boxes.is_box & (sides.min(axis=1, initial=np.inf) < SHORTEST_SIDE))
    rows = rows[_worst(rows, -sides[rows].prod(axis=1), contents)]
    return _Suspects(
        "Tiny boxes",
        f"A side is shorter than {SHORTEST_SIDE:g} px: often a slip of the mouse.",
        rows,
        lambda at: f"{sides[rows[at], 0]:.3g} {TIMES} {sides[rows[at], 1]:.3g} px",
    )


def _elongated(contents: Contents, found: Shapes) -> _Suspects:
    labels = contents.boxes.label[found.rows]
    logs = np.abs(np.log(found.width / found.height))
    usual, _ = medians(logs, labels, len(contents.labels))
    chosen = np.flatnonzero((logs > np.log(_ASPECT)) & (logs - usual[labels] > np.log(_ASPECT_FACTOR)))
    chosen = chosen[_worst(found.rows[chosen], logs[chosen] - usual[labels[chosen]], contents)]

    def reason(at: int) -> str:
        return (
            f"{np.exp(logs[chosen[at]]):.0f} : 1; for this label {np.exp(usual[labels[chosen[at]]]):.1f} : 1 is usual"
        )

    return _Suspects(
        "Long and thin",
        f"One side is over {_ASPECT:g} times the other, and the label is usually far less elongated.",
        found.rows[chosen],
        reason,
    )


def _very_large(contents: Contents, found: Shapes) -> _Suspects:
    labels = contents.boxes.label[found.rows]
    usual, _ = medians(found.share, labels, len(contents.labels))
    chosen = np.flatnonzero((found.share > _SHARE) & (found.share > _SHARE_FACTOR * usual[labels]))
    chosen = chosen[_worst(found.rows[chosen], found.share[chosen] / usual[labels[chosen]], contents)]

    def reason(at: int) -> str:
        row = chosen[at]
        return f"{min(found.share[row], 1):.0%} of the image; for this label {usual[labels[row]]:.1%} is usual"

    return _Suspects(
        "Nearly the whole image",
        f"The box covers over {_SHARE:.0%} of the image, and the label usually does not.",
        found.rows[chosen],
        reason,
    )


def _unlike_label(contents: Contents, found: Shapes) -> _Suspects:
    labels = contents.boxes.label[found.rows]
    usual, numbers = medians(found.share, labels, len(contents.labels))
    factor = found.share / usual[labels]
    distance = np.abs(np.log(factor))
    chosen = np.flatnonzero((numbers[labels] >= _ENOUGH) & (distance > np.log(_AREA_FACTOR)))
    chosen = chosen[_worst(found.rows[chosen], distance[chosen], contents)]

    def reason(at: int) -> str:
        one = factor[chosen[at]]
        return (
            f"{one:,.0f} times the usual area of its label"
            if one > 1
            else f"1/{1 / one:,.0f} of its label's usual area"
        )

    return _Suspects(
        "Of unusual size for the label",
        f"Its share of the image is over {_AREA_FACTOR:g} times the label's median, or under 1/{_AREA_FACTOR:g}.",
        found.rows[chosen],
        reason,
    )


def _slivers(contents: Contents, found: Shapes) -> _Suspects:
    rows = found.rows[touches_edge(contents, found)]
    box, image = contents.boxes.box[rows], contents.boxes.image[rows]
    size = np.stack([contents.images.width[image], contents.images.height[image]], axis=1)
    part = (box[:, 2:] / size).min(axis=1, initial=np.inf)
    chosen = np.flatnonzero(part < _SLIVER)
    chosen = chosen[_worst(rows[chosen], -part[chosen], contents)]
    return _Suspects(
        "Slivers at the edge",
        f"The box touches the image's edge and is thinner than {_SLIVER:.0%} of it: so little of "
        "the object is visible that a model cannot learn it.",
        rows[chosen],
        lambda at: f"{box[chosen[at], 2]:.0f} {TIMES} {box[chosen[at], 3]:.0f} px at the edge",
    )


def touches_edge(contents: Contents, found: Shapes) -> Flags:
    """Return for each box of the shapes whether a side of it is within half a pixel of the image's edge, or beyond."""
    touches = np.empty(len(found.rows), np.bool_)
    for part in slices(len(touches)):
        box, image = contents.boxes.box[found.rows[part]], contents.boxes.image[found.rows[part]]
        right, bottom = contents.images.width[image], contents.images.height[image]
        touches[part] = (
            (box[:, 0] <= 0.5)
            | (box[:, 1] <= 0.5)
            | (box[:, 0] + box[:, 2] >= right - 0.5)
            | (box[:, 1] + box[:, 3] >= bottom - 0.5)
        )
    return touches


def _low_scores(contents: Contents) -> _Suspects:
    low = np.flatnonzero(contents.boxes.score < _LOW_SCORE)
    rows, score = contents.boxes.scored[low], contents.boxes.score[low]
    order = _worst(rows, -score, contents)
    return _Suspects(
        "Low scores",
        f"A model drew it with a score below {_LOW_SCORE:g}, and it is still in the release.",
        rows[order],
        lambda at: f"score {score[order[at]]:.2g}",
    )


def _unlike_images(contents: Contents) -> _Suspects:
    width, height = contents.images.width, contents.images.height
    known = np.flatnonzero((width > 0) & (height > 0))
    pixels, shape = np.log(width[known] * height[known]), np.log(width[known] / height[known])
    by_pixels = np.abs(pixels - np.median(pixels)) if len(known) else pixels
    by_shape = np.abs(np.abs(shape) - np.median(np.abs(shape))) if len(known) else shape
    badness = np.maximum(by_pixels / np.log(_PIXELS_FACTOR), by_shape / np.log(_SHAPE_FACTOR))
    chosen = np.flatnonzero(badness > 1)
    chosen = known[chosen[np.lexsort((contents.images.id[known[chosen]], -badness[chosen]))]]
    usual = np.exp(np.median(pixels)) / 1e6 if len(known) else 0

    def reason(at: int) -> str:
        one = chosen[at]
        return f"{width[one]:.0f} {TIMES} {height[one]:.0f} px; {usual:.2g} megapixels are usual"

    return _Suspects(
        "Images of unlike size",
        f"Over {_PIXELS_FACTOR:g} times as many pixels as usual, under a quarter, or another "
        "shape: a thumbnail, a panorama, or an image from elsewhere.",
        chosen,
        reason,
        are_images=True,
    )
