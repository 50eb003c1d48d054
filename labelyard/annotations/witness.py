"""The witness: CVAT's own export, compared with the objects of the annotations API one by one.

The export rounds coordinates to two digits and loses which annotation a shape was. It alone has the outlines that CVAT
resamples between the key frames of a track.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labelyard.annotations.content import FrameObject, Kind
from labelyard.annotations.masks import mask_runs
from labelyard.annotations.objects import ExpandedObjects

TOLERANCE = 0.0101
"""Coordinates that differ by no more, in pixels, are equal: the export has two digits of them."""

_SHOWN_LINES = 20
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What CVAT's export lacks and what it has too many of, one line for people each. False if there is none."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)

    @property
    def lines(self) -> list[str]:
        """All lines."""
        return [
            *(f"not in CVAT's export: {line}" for line in self.missing),
            *(f"only in CVAT's export: {line}" for line in self.extra),
        ]

    def __str__(self) -> str:
        more = f"; … and {len(self.lines) - _SHOWN_LINES} more" if len(self.lines) > _SHOWN_LINES else ""
        return "; ".join(self.lines[:_SHOWN_LINES]) + more


@dataclass(frozen=True, slots=True)
class Testimony:
    """The objects with the outlines that only the export knows, and where the two differ."""

    objects: tuple[FrameObject, ...]
    difference: Difference


def compare(drawn: ExpandedObjects, exported: Sequence[FrameObject], names: Mapping[int, str]) -> Testimony:
    """Compare the objects of the annotations API with those of CVAT's export.

    `names` has the name of each frame that the export has; objects on other frames are not compared.
    """
    pool = _Pool(exported)
    found: dict[int, FrameObject] = {}
    compared = [number for number, one in enumerate(drawn.objects) if one.frame in names]
    rest = []
    # Equal after rounding, then equal within the tolerance, then the outlines that nobody else knows.
    for number in compared:
        one = drawn.objects[number]
        if not (_is_known(one) and pool.take(one, _exact)):
            rest.append(number)
    close = [n for n in rest if _is_known(drawn.objects[n]) and pool.take(drawn.objects[n], _close)]
    uncertain = [n for n in rest if not _is_known(drawn.objects[n])]
    missing = sorted(set(rest) - set(close) - set(uncertain))
    for number in uncertain:
        one = drawn.objects[number]
        nearest = pool.take_nearest(one)
        if nearest is None:
            missing.append(number)
        elif not one.outline_certain:
            found[number] = replace(one, points=nearest.points, outline_certain=True)
    for one in drawn.outside:
        pool.take(one, _exact) or pool.take(one, _close)
    difference = Difference(
        missing=tuple(describe(drawn.objects[n], names[drawn.objects[n].frame]) for n in missing),
        extra=tuple(describe(one, names.get(one.frame)) for one in pool.left()),
    )
    return Testimony(tuple(found.get(n, one) for n, one in enumerate(drawn.objects)), difference)


def _is_known(one: FrameObject) -> bool:
    # CVAT exports a mask that is shorter than its box with chance pixels.
    return one.outline_certain and not (one.kind is Kind.MASK and isinstance(mask_runs(one.points), str))


class _Pool:
    """The shapes of the export that no object has matched yet, by what must be equal."""

    def __init__(self, exported: Iterable[FrameObject]) -> None:
        self._shapes: dict[_Key, list[FrameObject]] = defaultdict(list)
        for one in exported:
            self._shapes[_properties(one)].append(one)

    def take(self, one: FrameObject, same: Callable[[FrameObject, FrameObject], bool]) -> FrameObject | None:
        """Remove and return a shape with the properties of an object and the same outline."""
        shapes = self._shapes.get(_properties(one), [])
        index = next((n for n, other in enumerate(shapes) if same(one, other)), None)
        return None if index is None else shapes.pop(index)

    def take_nearest(self, one: FrameObject) -> FrameObject | None:
        """Remove and return the shape with the properties of an object whose outline is nearest."""
        shapes = self._shapes.get(_properties(one), [])
        of_track = [other for other in shapes if other.track in (None, one.track)]
        if not of_track:
            return None
        nearest = min(of_track, key=lambda other: _distance(one.points, other.points))
        shapes.remove(nearest)
        return nearest

    def left(self) -> Iterator[FrameObject]:
        """Yield the shapes that nothing matched."""
        for shapes in self._shapes.values():
            yield from shapes


def _properties(one: FrameObject) -> _Key:
    """Return everything of an object but its outline. `source` and z_order are not in every server's export."""
    points = () if one.kind is Kind.SKELETON else (one.occluded,)
    return one.frame, one.kind, one.label, one.group, frozenset(one.attributes.items()), *points


def _exact(one: FrameObject, other: FrameObject) -> bool:
    return _rounded(_as_exported(one, other)) == _rounded(other)


def _as_exported(one: FrameObject, other: FrameObject) -> FrameObject:
    """Return a skeleton without the points that are outside and not exported: the video format leaves most out."""
    if len(one.keypoints) == len(other.keypoints):
        return one
    names = {point.name for point in other.keypoints}
    return replace(one, keypoints=tuple(p for p in one.keypoints if not p.outside or p.name in names))


def _rounded(one: FrameObject) -> _Key:
    # As texts: NaN equals NaN there.
    return tuple(f"{value:.2f}" for value in _numbers(one)), *_visibility(one)


def _close(one: FrameObject, other: FrameObject) -> bool:
    one = _as_exported(one, other)
    mine, theirs = _numbers(one), _numbers(other)
    if len(mine) != len(theirs) or _visibility(one) != _visibility(other):
        return False
    return all(abs(a - b) <= TOLERANCE for a, b in zip(mine, theirs, strict=True))


def _numbers(one: FrameObject) -> list[float]:
    points = [value for point in sorted(one.keypoints, key=lambda point: point.name) for value in (point.x, point.y)]
    return [*one.points, one.rotation, *points]


def _visibility(one: FrameObject) -> _Key:
    return tuple(sorted((point.name, point.outside, point.occluded) for point in one.keypoints))


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how far two outlines of unlike numbers of points are apart: the mean distance to the nearest point."""
    a, b = _pairs(one), _pairs(other)
    if not a or not b:
        return math.inf
    return sum(min(math.dist(p, q) for q in b) for p in a) / len(a)


def _pairs(points: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(points[::2], points[1::2], strict=False))


def describe(one: FrameObject, name: str | None) -> str:
    """Return where an object is, for people: frame and its `name`, kind, label, and the annotation in CVAT."""
    image = f" ({name})" if name else ""
    origin = f", {one.origin}" if one.origin else ""
    return f"frame {one.frame}{image}, {one.kind} {one.label!r}{origin}"
