"""Annotations written so that it may be done again: after a crash, after a lost answer, by a second hand.

CVAT has no locks and no keys of ours: `create` sent twice duplicates, `update` makes what it does not find, under an
id that somebody's next create then stumbles over. So each function looks first, sends only what is left to do, in
pieces, and looks again when an answer is lost. What the server changes by itself is no difference: it shows attributes
that were not given with their defaults, and may say who drew (`source`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeAlias

from labelyard.cvat import Cvat
from labelyard.domain.annotations import Annotations, AttributeValue, Change, Shape, Tag, Track, TrackedShape
from labelyard.errors import CvatBusy, CvatCrashed, CvatNotFound, CvatRefused, UnclearAnswer

Item: TypeAlias = Shape | Track | Tag

PIECE = 500
"""Annotations sent in one request."""

ATTEMPTS = 3
"""How often a piece is sent whose answer gets lost each time."""

SETTLING = 1.0
"""Seconds that a write with a lost answer is given to end before we look."""

LONGEST_WAIT = 60.0
"""Seconds that we wait for a busy server; a longer wait is the caller's."""


def create(cvat: Cvat, job_id: int, wanted: Annotations, told: Callable[[int], None] | None = None) -> Annotations:
    """Make sure that the job holds all of `wanted`, as often as it is in there; what it holds already is not sent.

    Answers with those of `wanted` as the server keeps them, ids included. `told` hears how many are there so far.
    """
    kept, missing = _match(_items(wanted), _items(cvat.annotations(job_id)))
    for piece in _pieces(missing):
        kept += _send(cvat, job_id, Change.CREATE, piece, {_name(item) for item in kept})
        if told:
            told(len(kept))
    return _set(kept)


def update(cvat: Cvat, job_id: int, wanted: Annotations, told: Callable[[int], None] | None = None) -> None:
    """Give the annotations with the ids of `wanted` its values; those that have them already are not sent.

    Raises CvatNotFound, before anything is written, where the job has no such id.
    """
    there = {_name(item): item for item in _items(cvat.annotations(job_id))}
    for item in _items(wanted):
        if _name(item) not in there:
            kind, number = _name(item)
            raise CvatNotFound(f"it has no {kind} {number}: an update would make one", where=f"job {job_id}")
    _write(cvat, job_id, Change.UPDATE, [item for item in _items(wanted) if item != there[_name(item)]], told)


def delete(cvat: Cvat, job_id: int, doomed: Annotations, told: Callable[[int], None] | None = None) -> None:
    """Delete the annotations with the ids of `doomed`; those that are gone already are done."""
    names = {_name(item) for item in _items(doomed)}
    there = [item for item in _items(cvat.annotations(job_id)) if _name(item) in names]
    _write(cvat, job_id, Change.DELETE, there, told)


def _write(cvat: Cvat, job_id: int, change: Change, items: list[Item], told: Callable[[int], None] | None) -> None:
    done = 0
    for piece in _pieces(items):
        _send(cvat, job_id, change, piece, set())
        done += len(piece)
        if told:
            told(done)


def _send(cvat: Cvat, job_id: int, change: Change, piece: list[Item], taken: set[tuple[str, int]]) -> list[Item]:
    """Write a piece, and what a look shows to be left of it after a lost answer; the server's view of it.

    A write is done whole or not at all. `taken` are annotations that other pieces have been matched with.
    """
    done: list[Item] = []
    for attempt in range(ATTEMPTS):
        try:
            return done + _items(cvat.change_annotations(job_id, change, _set(piece)))
        except (UnclearAnswer, CvatCrashed, CvatBusy, CvatRefused) as error:
            if attempt == ATTEMPTS - 1 or not _may_be_mended(error):
                raise
            time.sleep(max(SETTLING, error.after if isinstance(error, CvatBusy) else 0))
        now = [item for item in _items(cvat.annotations(job_id)) if _name(item) not in taken]
        found, piece = _left(change, piece, now)
        done += found
        if not piece:
            break
    return done


def _may_be_mended(error: Exception) -> bool:
    """Whether another attempt can help. An id that somebody's update took fails one create, and not the next [588]."""
    if isinstance(error, CvatBusy):
        return error.after <= LONGEST_WAIT
    return not isinstance(error, CvatRefused) or "duplicate key" in error.what


def _left(change: Change, piece: list[Item], now: list[Item]) -> tuple[list[Item], list[Item]]:
    """What of a piece is done, as the server shows it, and what is still to be sent."""
    if change is Change.CREATE:
        return _match(piece, now)
    there = {_name(item): item for item in now}
    if change is Change.DELETE:
        return [], [item for item in piece if _name(item) in there]
    return [], [item for item in piece if _name(item) in there and item != there[_name(item)]]


# --- the same annotation ----------------------------------------------------------------------------------------------


def _match(wanted: Iterable[Item], there: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Those of `there` that are `wanted`, each taken once, and those wanted that are not there."""
    pool: defaultdict[Hashable, list[Item]] = defaultdict(list)
    for item in there:
        pool[_look(item)].append(item)
    found: list[Item] = []
    missing: list[Item] = []
    for item in wanted:
        same = next((other for other in pool[_look(item)] if _given(item) <= _given(other)), None)
        if same is None:
            missing.append(item)
        else:
            pool[_look(item)].remove(same)
            found.append(same)
    return found, missing


def _look(item: Item) -> Hashable:
    """What makes an annotation this one, but for attributes."""
    place = (type(item), item.frame, item.label_id, item.group)
    if isinstance(item, Shape):
        return *place, _outline(item)
    if isinstance(item, Track):
        return *place, tuple((shape.frame, shape.outside, *_outline(shape)) for shape in item.shapes)
    return place


def _outline(shape: Shape | TrackedShape) -> tuple[Hashable, ...]:
    return shape.type, tuple(round(x, 6) for x in shape.points), shape.z_order, shape.occluded


def _given(item: Item) -> set[tuple[int, AttributeValue]]:
    """The attributes, those of key frames with their frame."""
    own = {(-1, value) for value in item.attributes}
    if isinstance(item, Track):
        own |= {(shape.frame, value) for shape in item.shapes for value in shape.attributes}
    return own


def _name(item: Item) -> tuple[str, int]:
    """Kind and id: each kind counts its ids by itself."""
    return type(item).__name__.lower(), item.id


def _items(annotations: Annotations) -> list[Item]:
    return [*annotations.shapes, *annotations.tracks, *annotations.tags]


def _set(items: Iterable[Item]) -> Annotations:
    held = list(items)
    return Annotations(
        shapes=tuple(item for item in held if isinstance(item, Shape)),
        tracks=tuple(item for item in held if isinstance(item, Track)),
        tags=tuple(item for item in held if isinstance(item, Tag)),
    )


def _pieces(items: list[Item]) -> Iterator[list[Item]]:
    return (items[start : start + PIECE] for start in range(0, len(items), PIECE))
