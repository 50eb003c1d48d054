"""Landing: what a notification or a listing tells of becomes a row of the ledger, once.

A body from outside is a hint. Only the datasets' own places count, and an object is looked at in the store before it
lands: its ETag is its identity, and a listing knows no other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from labelyard.crashing import point
from labelyard.errors import StoreError, StoreUnreachable
from labelyard.events import EventObject
from labelyard.ledger import breakers, datasets, objects
from labelyard.model import StoredObject
from labelyard.spec import DatasetSpec, Source
from labelyard.steps.looking import look, still_there
from labelyard.storage import LISTING_PAGE
from labelyard.workplace import Workplace

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Landed:
    """How many objects were new, and how many are known or nobody's."""

    new: int = 0
    known: int = 0
    ignored: int = 0

    def __add__(self, other: Landed) -> Landed:
        return Landed(self.new + other.new, self.known + other.known, self.ignored + other.ignored)


@dataclass(frozen=True)
class Swept:
    """What came of a look at every source: what landed, by dataset; what went wrong, with the next command."""

    landed: Mapping[str, Landed]
    failed: Sequence[str] = ()


def land(place: Workplace, told: Sequence[EventObject], via: str) -> Landed:
    """Land what notifications tell of; committed when this returns.

    Raises StoreUnreachable or LedgerUnreachable: then nothing may be acknowledged.
    """
    with place.ledger.read() as session:
        specs = [spec for spec, _ in datasets.current(session)]
    found = look(place.store, (one.object for one in told if _takers(specs, one.object)))
    for spec, source, marker in _markers(specs, found):
        # The marker may overtake the files it speaks of: whoever set it has put them all.
        folder = max(source.prefix, _folder(marker.key), key=len)  # both begin its key
        for _ in land_listed(place, [spec], place.store.list(marker.bucket, folder), via):
            pass  # nobody told of these: they count for nothing in the answer
    shown = {(obj.bucket, obj.key) for obj in found}
    ignored = sum((one.object.bucket, one.object.key) not in shown for one in told)
    return sum(land_listed(place, specs, found, via), Landed(known=len(told) - ignored - len(found), ignored=ignored))


def gone(place: Workplace, told: Sequence[EventObject], via: str) -> int:
    """Note what notifications say was deleted; returns how many objects the ledger knew. Committed when this returns.

    Only the store knows whether a key is gone: of several versions one may be left, and what was deleted may be back.
    Raises StoreUnreachable or LedgerUnreachable: then nothing may be acknowledged.
    """
    with place.ledger.read() as session:
        specs = [spec for spec, _ in datasets.current(session)]
        keys = {(one.object.bucket, one.object.key) for one in told if _takers(specs, one.object)}
        known = [StoredObject(bucket, key, "") for bucket, key in objects.present(session, keys)]
    there = still_there(place.store, known)
    missing = [one for one, is_there in zip(known, there, strict=True) if not is_there]
    count = 0
    for spec in specs if missing else ():
        with place.ledger.write() as session:
            for one in missing:
                if _takes(spec, one):
                    count += objects.gone(place.ledger, session, spec, one.bucket, one.key)
            point("landing.gone_written")
    if count:
        _log.info("%d objects were deleted in the bucket, as told by %s", count, via)
    return count


def sweep(place: Workplace) -> Swept:
    """List every source of every dataset and land what the ledger lacks. A source that fails stops only itself.

    A store that is left alone is not listed: `probe` says when it is back.
    """
    with place.ledger.read() as session:
        specs = [spec for spec, _ in datasets.current(session)]
    landed: dict[str, Landed] = {}
    failed: list[str] = []
    for spec in specs:
        landed[spec.name] = sum(_sweep_dataset(place, spec, failed), Landed())
        if landed[spec.name].new:
            _log.info("%s: the sweep found %d objects that no event had told of", spec.name, landed[spec.name].new)
    return Swept(landed, failed)


def _sweep_dataset(place: Workplace, spec: DatasetSpec, failed: list[str]) -> Iterator[Landed]:
    for source in spec.sources:
        with place.ledger.read() as session:
            if breakers.STORE in breakers.shut(session, place.ledger.now(session)):
                return
        trouble: StoreError | None = None
        try:
            yield from land_listed(place, [spec], place.store.list(source.bucket, source.prefix), "sweep")
        except StoreError as error:
            _log.warning("%s: %s", spec.name, error)
            failed.append(f"{spec.name}: {error}")
            trouble = error
        with place.ledger.write() as session:
            if isinstance(trouble, StoreUnreachable):
                breakers.record_failure(place.ledger, session, breakers.STORE, trouble.happened)
            else:
                breakers.record_success(session, breakers.STORE)


def land_listed(
    place: Workplace, specs: Sequence[DatasetSpec], found: Iterable[StoredObject], via: str
) -> Iterator[Landed]:
    """Land what datasets take of `found`, in chunks of a listing's page; what came of each chunk, once committed."""
    rest = _markers_last(specs, found)
    while chunk := list(islice(rest, LISTING_PAGE)):
        yield _land_chunk(place, specs, chunk, via)


def _markers_last(specs: Sequence[DatasetSpec], found: Iterable[StoredObject]) -> Iterator[StoredObject]:
    """The same, each marker after what was listed of its folder: `_SUCCESS` sorts before most names."""
    held: list[StoredObject] = []
    for obj in found:
        while held and not obj.key.startswith(_folder(held[-1].key)):
            yield held.pop()
        if any(spec.is_marker(obj.bucket, obj.key) for spec in specs):
            held.append(obj)
        else:
            yield obj
    yield from reversed(held)


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _land_chunk(place: Workplace, specs: Sequence[DatasetSpec], chunk: Sequence[StoredObject], via: str) -> Landed:
    taken: dict[str, list[StoredObject]] = {spec.name: [] for spec in specs}
    ignored = 0
    for obj in chunk:
        takers = _takers(specs, obj)
        if takers and not _storable(obj):
            takers = []
        ignored += not takers
        for spec in takers:
            taken[spec.name].append(obj)
    with place.ledger.read() as session:
        lacking = [(spec, objects.lacking(session, spec.name, taken[spec.name])) for spec in specs]
    new = sum(_land_new(place, spec, fresh, via) for spec, fresh in lacking if fresh)
    return Landed(new, sum(map(len, taken.values())) - new, ignored)


def _land_new(place: Workplace, spec: DatasetSpec, fresh: Sequence[StoredObject], via: str) -> int:
    point("landing.seen")
    markers = [obj for obj in fresh if spec.is_marker(obj.bucket, obj.key)]
    files = [obj for obj in fresh if not spec.is_marker(obj.bucket, obj.key)]
    with place.ledger.write() as session:
        landed = objects.land(place.ledger, session, spec, files, via)
        for marker in markers:
            objects.land_marker(place.ledger, session, spec, marker, via)
        point("landing.written")
    point("landing.landed")
    return len(landed)


def _markers(
    specs: Sequence[DatasetSpec], found: Sequence[StoredObject]
) -> Iterator[tuple[DatasetSpec, Source, StoredObject]]:
    for spec in specs:
        for obj in found:
            if spec.is_marker(obj.bucket, obj.key):
                yield spec, next(s for s in spec.sources if s.overlaps(obj.bucket, obj.key)), obj


def _takers(specs: Sequence[DatasetSpec], obj: StoredObject) -> list[DatasetSpec]:
    return [spec for spec in specs if _takes(spec, obj)]


def _takes(spec: DatasetSpec, obj: StoredObject) -> bool:
    return spec.is_marker(obj.bucket, obj.key) or spec.refusal(obj.bucket, obj.key) is None


def _storable(obj: StoredObject) -> bool:
    if "\0" not in obj.key:
        return True
    _log.warning(
        "s3://%s/%r is left out: no database takes the NUL in its key; copy it to another", obj.bucket, obj.key
    )
    return False
