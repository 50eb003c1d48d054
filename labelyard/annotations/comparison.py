"""Where a file differs from the annotations that it should hold, ignoring order and rounding."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from labelyard.annotations.content import AnnotatedImages, Image, Instance, Mask, Polygons
from labelyard.annotations.masks import intersection_over_union
from labelyard.annotations.matching import unmatched

TOLERANCE = 0.01
"""Coordinates that differ by no more, in pixels, are equal: files and API round differently."""

_SAME_MASK = 0.9  # two rasterised masks are equal from this intersection over union on
_SHOWN_LINES = 20


@dataclass(frozen=True, slots=True)
class ExpectedInstance:
    """An instance that a file should hold, and how much of it is certain.

    Any of `labels` is right. Without `properties_certain`, `is_crowd` and `score` may differ. Without
    `outline_certain`, only frame and label are compared. `origin` names its shapes for people.
    """

    instance: Instance
    labels: frozenset[str]
    properties_certain: bool = True
    outline_certain: bool = True
    origin: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedImages:
    """What a file of a task should hold."""

    images: tuple[Image, ...]
    labels: tuple[str, ...]
    instances: tuple[ExpectedInstance, ...]

    @property
    def likeliest(self) -> AnnotatedImages:
        """The content, with the likeliest value for everything that is not certain."""
        return AnnotatedImages(self.images, self.labels, tuple(one.instance for one in self.instances))


@dataclass(frozen=True, slots=True)
class Difference:
    """What a file lacks, what it has too many of, and what else differs. False if there is no difference.

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
        more = [f"… and {len(lines) - _SHOWN_LINES} more"] if len(lines) > _SHOWN_LINES else []
        return "\n".join([*lines[:_SHOWN_LINES], *more])


def compare(expected: ExpectedImages, found: AnnotatedImages) -> Difference:
    """Return where `found` differs from `expected`. The order of instances and the areas of polygons do not matter."""
    missing, extra = _unmatched_instances(expected.instances, found.instances)
    names = [image.name for image in expected.images]
    return Difference(
        missing=tuple(_describe(one.instance, names, " or ".join(sorted(one.labels)), one.origin) for one in missing),
        extra=tuple(_describe(one, names, one.label, "") for one in extra),
        other=(*_image_differences(expected.images, found.images), *_label_differences(expected.labels, found.labels)),
    )


def _image_differences(expected: Sequence[Image], found: Sequence[Image]) -> list[str]:
    in_task, in_file = Counter(image.name for image in expected), Counter(image.name for image in found)
    lines = [f"the file lacks the image {name}" for name in (in_task - in_file).elements()]
    lines += [f"the file has an image {name} that the task does not have" for name in (in_file - in_task).elements()]
    if lines:
        return lines
    return [
        f"frame {frame} is {a.name} ({a.width} x {a.height}) in the task, {b.name} ({b.width} x {b.height}) in the file"
        for frame, (a, b) in enumerate(zip(expected, found, strict=True))
        if a != b
    ]


def _label_differences(expected: Sequence[str], found: Sequence[str]) -> list[str]:
    if list(expected) == list(found):
        return []
    return [f"the task has the labels {', '.join(expected)}; the file has {', '.join(found)}"]


def _unmatched_instances(
    expected: Iterable[ExpectedInstance], found: Iterable[Instance]
) -> tuple[list[ExpectedInstance], list[Instance]]:
    # Nearly all instances are equal after rounding; only the rest needs the search for the best match.
    by_key: dict[Any, list[Instance]] = defaultdict(list)
    for instance in found:
        by_key[_rounded_key(instance)].append(instance)
    rest = []
    for one in expected:
        equal = by_key.get(_rounded_key(one.instance)) if _is_certain(one) else None
        if equal:
            equal.pop()
        else:
            rest.append(one)
    return _best_match(rest, [instance for equal in by_key.values() for instance in equal])


def _is_certain(expected: ExpectedInstance) -> bool:
    return expected.properties_certain and expected.outline_certain


def _rounded_key(instance: Instance) -> tuple[Any, ...]:
    outline = instance.outline
    shape = outline.runs if isinstance(outline, Mask) else _rounded_outlines(outline)
    score = None if instance.score is None else round(instance.score, 4)
    box = tuple(round(value, 2) for value in instance.box)
    return instance.frame, instance.label, instance.is_crowd, score, box, shape


def _rounded_outlines(polygons: Polygons) -> tuple[Any, ...]:
    # Sorted: the members of a group come in the order of database rows, which no server promises.
    return tuple(sorted(tuple(round(value, 2) for value in outline) for outline in polygons))


def _best_match(
    expected: Sequence[ExpectedInstance], found: Sequence[Instance]
) -> tuple[list[ExpectedInstance], list[Instance]]:
    missing, matched = unmatched(_candidates(expected, found))
    extra = [instance for number, instance in enumerate(found) if number not in matched]
    return [expected[number] for number in missing], extra


def _candidates(expected: Sequence[ExpectedInstance], found: Sequence[Instance]) -> list[list[int]]:
    by_frame: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for number, instance in enumerate(found):
        by_frame[instance.frame].append((instance.box[0], number))
    for boxes in by_frame.values():
        boxes.sort()
    return [
        [number for number in _nearby(one, by_frame[one.instance.frame]) if _fits(one, found[number])]
        for one in expected
    ]


def _nearby(expected: ExpectedInstance, boxes: Sequence[tuple[float, int]]) -> list[int]:
    """Return the numbers of the instances whose left edge is close, from `boxes` sorted by left edge."""
    if not expected.outline_certain:
        return [number for _, number in boxes]
    left = expected.instance.box[0]
    start, stop = bisect_left(boxes, (left - 2 * TOLERANCE, -1)), bisect_left(boxes, (left + 2 * TOLERANCE, -1))
    return [number for _, number in boxes[start:stop]]


def _fits(expected: ExpectedInstance, found: Instance) -> bool:
    instance = expected.instance
    if found.label not in expected.labels:
        return False
    if not expected.outline_certain:
        return True
    if not _close(instance.box, found.box):
        return False
    if expected.properties_certain and not _same_properties(instance, found):
        return False
    return instance.is_crowd != found.is_crowd or _same_outline(instance.outline, found.outline)


def _same_properties(one: Instance, other: Instance) -> bool:
    if one.is_crowd != other.is_crowd:
        return False
    if one.score is None or other.score is None:
        return one.score is other.score
    return one.score == other.score or abs(one.score - other.score) < 1e-4


def _same_outline(one: Polygons | Mask, other: Polygons | Mask) -> bool:
    if isinstance(one, Mask):
        return isinstance(other, Mask) and intersection_over_union(one, other) >= _SAME_MASK
    if isinstance(other, Mask):
        return False
    return len(one) == len(other) and all(
        len(a) == len(b) and _close(a, b)
        for a, b in zip(sorted(one, key=_sort_key), sorted(other, key=_sort_key), strict=True)
    )


def _sort_key(outline: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 1) for value in outline)


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= TOLERANCE for a, b in zip(one, other, strict=True))


def _describe(instance: Instance, names: Sequence[str], label: str, origin: str) -> str:
    name = names[instance.frame] if instance.frame < len(names) else f"frame {instance.frame}"
    x, y, width, height = instance.box
    kind = "crowd" if instance.is_crowd else "box"
    return f"{name}: {label}, {kind} {width:g} x {height:g} at {x:g},{y:g}" + (f" ({origin})" if origin else "")
