"""Where an export and the annotations differ, as multisets of (frame, label, rounded geometry), in words."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from labelyard.annotations.content import Annotation, CocoContent, Image, Polygons, Rle
from labelyard.annotations.expected import Expectation, Expected
from labelyard.annotations.masks import overlap

NEAR = 0.01
"""Coordinates that differ by no more, in pixels, are the same: files and API round differently."""

_ALIKE = 0.9  # two rasterised crowds are the same from this intersection over union on
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """What the file lacks, what it has too much, and what else disagrees; false where there is none.

    Each is a line for people: file name, label, box.
    """

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.other)

    def __str__(self) -> str:
        lines = [
            *self.other,
            *(f"missing: {line}" for line in self.missing),
            *(f"extra: {line}" for line in self.extra),
        ]
        return "\n".join(lines[:_SHOWN]) + (f"\n… and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")


def compare(expected: Expected, found: CocoContent) -> Difference:
    """Where `found` is not what was `expected`. Orders, annotation ids and the areas of polygons do not matter."""
    missing, extra = _unmatched(expected.annotations, found.annotations)
    names = [image.name for image in expected.images]
    return Difference(
        missing=tuple(_words(e.annotation, names, " or ".join(sorted(e.labels)), e.origin) for e in missing),
        extra=tuple(_words(a, names, a.label, "") for a in extra),
        other=(*_images(expected.images, found.images), *_categories(expected.categories, found.categories)),
    )


def _images(expected: Sequence[Image], found: Sequence[Image]) -> list[str]:
    wanted, there = Counter(image.name for image in expected), Counter(image.name for image in found)
    lines = [f"the file lacks the image {name}" for name in (wanted - there).elements()]
    lines += [f"the file has an image {name} that the task does not have" for name in (there - wanted).elements()]
    if lines:
        return lines
    return [
        f"frame {frame} is {a.name} ({a.width} x {a.height}) in the task, {b.name} ({b.width} x {b.height}) in the file"
        for frame, (a, b) in enumerate(zip(expected, found, strict=True))
        if a != b
    ]


def _categories(expected: Sequence[str], found: Sequence[str]) -> list[str]:
    if list(expected) == list(found):
        return []
    return [f"the task has the labels {', '.join(expected)}; the file has {', '.join(found)}"]


def _unmatched(
    expected: Iterable[Expectation], found: Iterable[Annotation]
) -> tuple[list[Expectation], list[Annotation]]:
    # Nearly everything is equal after rounding; only what is left is worth the search for a best match.
    there: dict[Any, list[Annotation]] = defaultdict(list)
    for annotation in found:
        there[_key(annotation)].append(annotation)
    open_expectations = []
    for expectation in expected:
        same = there.get(_key(expectation.annotation)) if _is_certain(expectation) else None
        if same:
            same.pop()
        else:
            open_expectations.append(expectation)
    return _matched(open_expectations, [annotation for same in there.values() for annotation in same])


def _is_certain(expectation: Expectation) -> bool:
    return expectation.leader and expectation.outline


def _key(annotation: Annotation) -> tuple[Any, ...]:
    outline = annotation.segmentation
    shape = outline.counts if isinstance(outline, Rle) else _sorted(outline)
    score = None if annotation.score is None else round(annotation.score, 4)
    return (
        annotation.frame,
        annotation.label,
        annotation.crowd,
        score,
        tuple(round(v, 2) for v in annotation.bbox),
        shape,
    )


def _sorted(polygons: Polygons) -> list[Any] | tuple[Any, ...]:
    # The members of a group come in the order of database rows, which no server promises.
    return tuple(sorted(tuple(round(v, 2) for v in outline) for outline in polygons))


def _matched(
    expected: Sequence[Expectation], found: Sequence[Annotation]
) -> tuple[list[Expectation], list[Annotation]]:
    taken: dict[int, int] = {}
    candidates = _candidates(expected, found)
    missing = [e for i, e in enumerate(expected) if not _place(i, candidates, taken)]
    return missing, [a for j, a in enumerate(found) if j not in taken]


def _place(first: int, candidates: Sequence[Sequence[int]], taken: dict[int, int]) -> bool:
    """Find a place for `first`, moving others over where they have another (an augmenting path)."""
    wanted_by: dict[int, int] = {}
    left: dict[int, int] = {}  # who would have to move -> the place given up
    waiting = [first]
    while waiting:
        i = waiting.pop()
        for j in candidates[i]:
            if j in wanted_by:
                continue
            wanted_by[j] = i
            if j not in taken:
                _move_over(j, wanted_by, left, taken)
                return True
            left[taken[j]] = j
            waiting.append(taken[j])
    return False


def _move_over(free: int, wanted_by: dict[int, int], left: dict[int, int], taken: dict[int, int]) -> None:
    place: int | None = free
    while place is not None:
        i = taken[place] = wanted_by[place]
        place = left.get(i)


def _candidates(expected: Sequence[Expectation], found: Sequence[Annotation]) -> list[list[int]]:
    by_frame: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for j, annotation in enumerate(found):
        by_frame[annotation.frame].append((annotation.bbox[0], j))
    for places in by_frame.values():
        places.sort()
    return [[j for j in _nearby(e, by_frame[e.annotation.frame]) if _fits(e, found[j])] for e in expected]


def _nearby(expectation: Expectation, places: Sequence[tuple[float, int]]) -> list[int]:
    if not expectation.outline:
        return [j for _, j in places]
    left = expectation.annotation.bbox[0]
    start, stop = bisect_left(places, (left - 2 * NEAR, -1)), bisect_left(places, (left + 2 * NEAR, -1))
    return [j for _, j in places[start:stop]]


def _fits(expectation: Expectation, found: Annotation) -> bool:
    want = expectation.annotation
    if found.label not in expectation.labels:
        return False
    if not expectation.outline:
        return True
    if not _near(want.bbox, found.bbox):
        return False
    if expectation.leader and (want.crowd != found.crowd or not _same_score(want.score, found.score)):
        return False
    return want.crowd != found.crowd or _same_outline(want.segmentation, found.segmentation)


def _same_score(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and abs(one - other) < 1e-4)


def _same_outline(one: Polygons | Rle, other: Polygons | Rle) -> bool:
    if isinstance(one, Rle) or isinstance(other, Rle):
        return isinstance(one, Rle) and isinstance(other, Rle) and overlap(one, other) >= _ALIKE
    return len(one) == len(other) and all(
        len(a) == len(b) and _near(a, b)
        for a, b in zip(sorted(one, key=_rounded), sorted(other, key=_rounded), strict=True)
    )


def _rounded(outline: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 1) for value in outline)


def _near(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


def _words(annotation: Annotation, names: Sequence[str], label: str, origin: str) -> str:
    name = names[annotation.frame] if annotation.frame < len(names) else f"frame {annotation.frame}"
    x, y, width, height = annotation.bbox
    kind = "crowd" if annotation.crowd else "box"
    return f"{name}: {label}, {kind} {width:g} x {height:g} at {x:g},{y:g}" + (f" ({origin})" if origin else "")
