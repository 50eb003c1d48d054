"""Annotation writes that are safe to repeat: after a crash, after a lost response, by a second process.

CVAT has no locks and no client keys: `create` sent twice duplicates, and `update` of an unknown id creates it, under an
id that the next create then collides with. So each function reads first, sends only the difference, in chunks, and
reads again after a lost response. The server's own additions are no difference: it shows attributes that were not sent
with their defaults, and may add the `source`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from http import HTTPStatus
from typing import TypeAlias

from labelyard.cvat.annotation_validation import check_frames
from labelyard.cvat.client import Cvat
from labelyard.cvat.runner import MAX_RETRY_AFTER
from labelyard.domain.annotations import Annotations, AttributeValue, Change, Shape, Tag, Track, TrackedShape
from labelyard.errors import CvatBusy, CvatCrashed, CvatNotFound, CvatRefused, UnclearAnswer

Item: TypeAlias = Shape | Track | Tag
Key: TypeAlias = tuple[str, int]
"""Kind and id of a saved annotation: each kind has its own ids."""

CHUNK_SIZE = 500
"""Annotations per request."""

ATTEMPTS = 3
"""How often a chunk is sent if each response is lost."""

SETTLE_SECONDS = 1.0
"""Seconds for a write with a lost response to finish before we read."""


def create_annotations(
    cvat: Cvat,
    job_id: int,
    wanted: Annotations,
    on_progress: Callable[[int], None] | None = None,
    *,
    before_write: Callable[[], None] | None = None,
    resend: bool = True,
) -> Annotations:
    """Make the job contain all of `wanted`, each as often as given; send only what it lacks.

    Returns those of `wanted` as the server stores them, with ids. `on_progress` receives how many exist so far.
    `before_write` is called before each request that writes, a repeated one too; what it raises ends the call. With
    `resend`, annotations whose response was lost and that CVAT does not show are sent again, although the first request
    may take effect late and double them; without, UnclearAnswer or CvatBusy is raised. Raises InputError, before
    anything is written, for a frame that is not the job's.
    """
    check_frames(wanted, cvat.job(job_id))
    saved, missing = _match(_items(wanted), _items(cvat.annotations(job_id)))
    for chunk in _chunks(missing):
        matched = {_key(item) for item in saved}
        saved += _write_chunk(cvat, job_id, Change.CREATE, chunk, matched, before_write, resend=resend)
        if on_progress:
            on_progress(len(saved))
    return _annotations(saved)


def update_annotations(
    cvat: Cvat, job_id: int, wanted: Annotations, on_progress: Callable[[int], None] | None = None
) -> None:
    """Set the annotations with the ids of `wanted` to its values; send only those that differ.

    Raises CvatNotFound, before anything is written, if the job lacks one of the ids; InputError for a frame that is not
    the job's.
    """
    check_frames(wanted, cvat.job(job_id))
    saved = {_key(item): item for item in _items(cvat.annotations(job_id))}
    for item in _items(wanted):
        if _key(item) not in saved:
            kind, number = _key(item)
            raise CvatNotFound(f"it has no {kind} {number}: an update would create one", where=f"job {job_id}")
    changed = [item for item in _items(wanted) if item != saved[_key(item)]]
    _write(cvat, job_id, Change.UPDATE, changed, on_progress)


def delete_annotations(
    cvat: Cvat, job_id: int, unwanted: Annotations, on_progress: Callable[[int], None] | None = None
) -> int:
    """Delete the annotations with the ids of `unwanted`, as far as they exist, and return how many did."""
    keys = {_key(item) for item in _items(unwanted)}
    existing = [item for item in _items(cvat.annotations(job_id)) if _key(item) in keys]
    _write(cvat, job_id, Change.DELETE, existing, on_progress)
    return len(existing)


def match_annotations(wanted: Annotations, saved: Annotations) -> tuple[Annotations, Annotations]:
    """Divide what a server has `saved`: those that equal `wanted` ones, each used once, and the others."""
    found, _ = _match(_items(wanted), _items(saved))
    keys = {_key(item) for item in found}
    return _annotations(found), _annotations(item for item in _items(saved) if _key(item) not in keys)


def _write(
    cvat: Cvat, job_id: int, change: Change, items: list[Item], on_progress: Callable[[int], None] | None
) -> None:
    done = 0
    for chunk in _chunks(items):
        _write_chunk(cvat, job_id, change, chunk, set())
        done += len(chunk)
        if on_progress:
            on_progress(done)


def _write_chunk(
    cvat: Cvat,
    job_id: int,
    change: Change,
    chunk: list[Item],
    matched: set[Key],
    before_write: Callable[[], None] | None = None,
    *,
    resend: bool = True,
) -> list[Item]:
    """Write a chunk, and its rest after a lost response; return it as the server stores it.

    The server does a write completely or not at all. `matched` are saved annotations of other chunks.
    """
    done: list[Item] = []
    for attempt in range(ATTEMPTS):
        if before_write:
            before_write()
        try:
            return done + _items(cvat.change_annotations(job_id, change, _annotations(chunk)))
        except (UnclearAnswer, CvatCrashed, CvatBusy, CvatRefused) as error:
            if attempt == ATTEMPTS - 1 or not _may_retry(error):
                raise
            failure = error
        time.sleep(max(SETTLE_SECONDS, failure.after if isinstance(failure, CvatBusy) else 0))
        saved = [item for item in _items(cvat.annotations(job_id)) if _key(item) not in matched]
        written, chunk = _split(change, chunk, saved)
        done += written
        if not chunk:
            break
        if not resend and _may_take_effect_late(failure):
            raise failure
    return done


def _may_retry(error: Exception) -> bool:
    """Whether another attempt can succeed. An id that an update took fails one create, but not the next [588]."""
    if isinstance(error, CvatBusy):
        return error.after <= MAX_RETRY_AFTER
    return not isinstance(error, CvatRefused) or "duplicate key" in error.what


def _may_take_effect_late(error: Exception) -> bool:
    """Whether the server may still be at work on a request that was not answered, or only by a proxy."""
    by_proxy = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
    return isinstance(error, UnclearAnswer) or (isinstance(error, CvatBusy) and error.status in by_proxy)


def _split(change: Change, chunk: list[Item], saved: list[Item]) -> tuple[list[Item], list[Item]]:
    """Split a chunk into what is written, as `saved` has it, and what is still to be sent."""
    if change is Change.CREATE:
        return _match(chunk, saved)
    by_key = {_key(item): item for item in saved}
    if change is Change.DELETE:
        return [], [item for item in chunk if _key(item) in by_key]
    return [], [item for item in chunk if _key(item) in by_key and item != by_key[_key(item)]]


# --- equal annotations ------------------------------------------------------------------------------------------------


def _match(wanted: Iterable[Item], saved: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Return the `saved` items that equal `wanted` ones, each used once, and the wanted items without an equal."""
    pool: defaultdict[Hashable, list[Item]] = defaultdict(list)
    for item in saved:
        pool[_identity(item)].append(item)
    found: list[Item] = []
    missing: list[Item] = []
    for item in wanted:
        candidates = pool[_identity(item)]
        equal = next((other for other in candidates if _attributes(item) <= _attributes(other)), None)
        if equal is None:
            missing.append(item)
        else:
            candidates.remove(equal)
            found.append(equal)
    return found, missing


def _identity(item: Item) -> Hashable:
    """What equal annotations have in common, attributes aside."""
    position = (type(item), item.frame, item.label_id, item.group)
    if isinstance(item, Shape):
        return *position, _outline(item), frozenset(map(_identity, item.elements))
    if isinstance(item, Track):
        shapes = tuple((shape.frame, *_outline(shape)) for shape in item.shapes)
        return *position, shapes, frozenset(map(_identity, item.elements))
    return position


def _outline(shape: Shape | TrackedShape) -> tuple[Hashable, ...]:
    points = tuple(round(x, 6) for x in shape.points)
    return shape.type, points, shape.z_order, shape.occluded, shape.outside, round(shape.rotation, 6)


def _attributes(item: Item) -> set[tuple[int, AttributeValue]]:
    """The attributes with their frame; -1 for those of the whole annotation."""
    attributes = {(-1, value) for value in item.attributes}
    if isinstance(item, Track):
        attributes |= {(shape.frame, value) for shape in item.shapes for value in shape.attributes}
    return attributes


def _key(item: Item) -> Key:
    return type(item).__name__.lower(), item.id


def _items(annotations: Annotations) -> list[Item]:
    return [*annotations.shapes, *annotations.tracks, *annotations.tags]


def _annotations(items: Iterable[Item]) -> Annotations:
    listed = list(items)
    return Annotations(
        shapes=tuple(item for item in listed if isinstance(item, Shape)),
        tracks=tuple(item for item in listed if isinstance(item, Track)),
        tags=tuple(item for item in listed if isinstance(item, Tag)),
    )


def _chunks(items: list[Item]) -> Iterator[list[Item]]:
    return (items[start : start + CHUNK_SIZE] for start in range(0, len(items), CHUNK_SIZE))
