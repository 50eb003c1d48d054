"""The witness: CVAT's own export, compared with the objects of the annotations API one by one.

The export rounds coordinates to two digits and loses which annotation a shape was. It alone has the outlines that CVAT
resamples between the key frames of a track.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labelyard.annotations.content import Attributes, FrameObject, Keypoint, Kind
from labelyard.annotations.masks import mask_runs
from labelyard.annotations.objects import ExpandedObjects
from labelyard.annotations.outlines import pairs

TOLERANCE = 0.0101
"""Coordinates that differ by no more, in pixels, are equal: the export has two digits of them."""

NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML cannot hold; CVAT writes them all the same."""

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What CVAT's export lacks and what it has too many of, one line for people each. False if there is none."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra)

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines."""
        return (
            *(f"not in CVAT's export: {line}" for line in self.missing),
            *(f"only in CVAT's export: {line}" for line in self.extra),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The objects with the outlines that only the export knows, and where the two differ.

    The objects are the `exported` ones and the `missing` ones, which the export lacks.
    """

    objects: tuple[FrameObject, ...]
    exported: tuple[FrameObject, ...]
    missing: tuple[FrameObject, ...]
    difference: Difference


def compare(drawn: ExpandedObjects, exported: Sequence[FrameObject], names: Mapping[int, str]) -> Comparison:
    """Compare the objects of the annotations API with those of CVAT's export.

    `names` has the name of each frame that the export has; objects on other frames are not compared.
    """
    pool = _Pool(exported)
    resolved = list(drawn.objects)
    rest = [n for n, one in enumerate(resolved) if one.frame in names and not (_is_known(one) and pool.take_equal(one))]
    missing = [n for n in rest if _is_known(resolved[n]) and not pool.take_close(resolved[n])]
    # What is left in the export belongs to the outlines that nobody else knows.
    for number in (n for n in rest if not _is_known(resolved[n])):
        one = resolved[number]
        nearest = pool.take_nearest(one)
        if nearest is None:
            missing.append(number)
        elif not one.outline_certain:
            resolved[number] = replace(one, points=nearest.points, outline_certain=True)
    for one in drawn.outside:
        pool.take_equal(one) or pool.take_close(one)
    difference = Difference(
        missing=tuple(describe(resolved[n], names[resolved[n].frame]) for n in missing),
        extra=tuple(describe(one, names.get(one.frame)) for one in pool.left),
    )
    missing_numbers = set(missing)
    exported_objects = tuple(one for n, one in enumerate(resolved) if n not in missing_numbers)
    return Comparison(tuple(resolved), exported_objects, tuple(resolved[n] for n in missing), difference)


def _is_known(one: FrameObject) -> bool:
    # CVAT exports a mask that is shorter than its box with chance pixels.
    return one.outline_certain and not (one.kind is Kind.MASK and isinstance(mask_runs(one.points), str))


class _Pool:
    """The shapes of the export that no object has matched yet. Each method removes the shape that it returns."""

    def __init__(self, exported: Iterable[FrameObject]) -> None:
        self._left = dict(enumerate(exported))
        self._equal: dict[_Key, list[int]] = defaultdict(list)
        self._alike: dict[_Key, list[int]] = defaultdict(list)
        for number, one in self._left.items():
            self._equal[_properties(one), _rounded(one)].append(number)
            self._alike[_properties(one)].append(number)

    @property
    def left(self) -> Iterable[FrameObject]:
        """The shapes that nothing matched."""
        return self._left.values()

    def take_equal(self, one: FrameObject) -> FrameObject | None:
        """Return a shape that is equal after rounding."""
        numbers = self._equal.get((_properties(one), _rounded(one)), [])
        while numbers:
            if (number := numbers.pop()) in self._left:
                return self._left.pop(number)
        return None

    def take_close(self, one: FrameObject) -> FrameObject | None:
        """Return a shape that is equal within the tolerance."""
        found = next((number for number in self._candidates(one) if _is_close(one, self._left[number])), None)
        return None if found is None else self._left.pop(found)

    def take_nearest(self, one: FrameObject) -> FrameObject | None:
        """Return the shape with the same properties whose outline is nearest, of the same track if that is known."""
        candidates = [n for n in self._candidates(one) if self._left[n].track in (None, one.track)]
        if not candidates:
            return None
        return self._left.pop(min(candidates, key=lambda number: _distance(one.points, self._left[number].points)))

    def _candidates(self, one: FrameObject) -> Iterator[int]:
        return (number for number in self._alike.get(_properties(one), ()) if number in self._left)


def _properties(one: FrameObject) -> _Key:
    """Return everything of an object but its outline. `source` and z_order are not in every server's export."""
    occluded = None if one.kind is Kind.SKELETON else one.occluded
    return one.frame, one.kind, _as_xml(one.label), one.group, _as_xml_values(one.attributes), occluded


def _as_xml_values(attributes: Attributes) -> frozenset[tuple[str, object]]:
    return frozenset(
        (_as_xml(name), _as_xml(value) if isinstance(value, str) else value) for name, value in attributes.items()
    )


def _as_xml(text: str) -> str:
    """Return a text as a reader of XML gets it, whose line ends are normalised and which cannot hold everything."""
    return NOT_IN_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _rounded(one: FrameObject) -> _Key:
    # As texts: NaN equals NaN there.
    return tuple(f"{value:.2f}" for value in _numbers(one)), *_points_seen(one)


def _is_close(one: FrameObject, other: FrameObject) -> bool:
    mine, theirs = _numbers(one), _numbers(other)
    if len(mine) != len(theirs) or _points_seen(one) != _points_seen(other):
        return False
    return all(abs(a - b) <= TOLERANCE for a, b in zip(mine, theirs, strict=True))


def _numbers(one: FrameObject) -> list[float]:
    return [*one.points, one.rotation, *(value for point in _seen(one) for value in (point.x, point.y))]


def _points_seen(one: FrameObject) -> _Key:
    return tuple((_as_xml(p.name), p.occluded, _as_xml_values(p.attributes)) for p in _seen(one))


def _seen(one: FrameObject) -> list[Keypoint]:
    """Return the points of a skeleton that are in the picture: of the others the video format leaves most out."""
    return sorted((point for point in one.keypoints if not point.outside), key=lambda point: point.name)


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how far two outlines of unlike numbers of points are apart: the mean distance to the nearest point."""
    a, b = pairs(one), pairs(other)
    if not a or not b:
        return math.inf
    return sum(min(math.dist(p, q) for q in b) for p in a) / len(a)


def describe(one: FrameObject, name: str | None) -> str:
    """Return where an object is, for people: frame and its `name`, kind, label, and the annotation in CVAT."""
    image = f" ({name})" if name else ""
    origin = f", {one.origin}" if one.origin else ""
    return f"frame {one.frame}{image}, {one.kind} {one.label!r}{origin}"
