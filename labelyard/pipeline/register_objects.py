"""Landing: what a notification or a listing tells of becomes a row of the ledger, once.

A body from outside is a hint. Only the datasets' own places count, and an object is looked at in the store before it
lands: its ETag is its identity, and a listing knows no other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from labelyard.config import DatasetSpec, Source
from labelyard.context import Context
from labelyard.domain.objects import StoredObject
from labelyard.errors import StoreError, StoreUnreachable
from labelyard.failpoints import failpoint
from labelyard.ledger import breakers, datasets, objects
from labelyard.sources.parsers import EventObject
from labelyard.storage.heads import exist, head_objects
from labelyard.storage.store import LISTING_PAGE

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registered:
    """How many objects were new, and how many are known or nobody's."""

    new: int = 0
    known: int = 0
    ignored: int = 0

    def __add__(self, other: Registered) -> Registered:
        return Registered(self.new + other.new, self.known + other.known, self.ignored + other.ignored)


@dataclass(frozen=True)
class SweepResult:
    """What came of a look at every source: what landed, by dataset; what went wrong, with the next command."""

    landed: Mapping[str, Registered]
    failed: Sequence[str] = ()


def register_objects(context: Context, notified: Sequence[EventObject], via: str) -> Registered:
    """Land what notifications tell of; committed when this returns.

    Raises StoreUnreachable or LedgerUnreachable: then nothing may be acknowledged.
    """
    with context.ledger.read_only() as tx:
        specs = [spec for spec, _ in datasets.current(tx)]
    found = head_objects(context.store, (one.object for one in notified if _takers(specs, one.object)))
    for spec, source, marker in _markers(specs, found):
        # The marker may overtake the files it speaks of: whoever set it has put them all.
        folder = max(source.prefix, _folder(marker.key), key=len)  # both begin its key
        for _ in register_listed(context, [spec], context.store.list(marker.bucket, folder), via):
            pass  # nobody notified of these: they count for nothing in the answer
    shown = {(obj.bucket, obj.key) for obj in found}
    ignored = sum((one.object.bucket, one.object.key) not in shown for one in notified)
    return sum(
        register_listed(context, specs, found, via),
        Registered(known=len(notified) - ignored - len(found), ignored=ignored),
    )


def register_deletions(context: Context, notified: Sequence[EventObject], via: str) -> int:
    """Note what notifications say was deleted; returns how many objects the ledger knew. Committed when this returns.

    Only the store knows whether a key is gone: of several versions one may be left, and what was deleted may be back.
    Raises StoreUnreachable or LedgerUnreachable: then nothing may be acknowledged.
    """
    with context.ledger.read_only() as tx:
        specs = [spec for spec, _ in datasets.current(tx)]
        keys = {(one.object.bucket, one.object.key) for one in notified if _takers(specs, one.object)}
        known = [StoredObject(bucket, key, "") for bucket, key in objects.not_deleted(tx, keys)]
    there = exist(context.store, known)
    missing = [one for one, is_there in zip(known, there, strict=True) if not is_there]
    count = 0
    for spec in specs if missing else ():
        with context.ledger.transaction() as tx:
            for one in missing:
                if _takes(spec, one):
                    count += objects.mark_deleted(tx, spec, one.bucket, one.key)
            failpoint("register_objects.deletions_written")
    if count:
        _log.info("%d objects were deleted in the bucket, as notified by %s", count, via)
    return count


def sweep_sources(context: Context) -> SweepResult:
    """List every source of every dataset and land what the ledger lacks. A source that fails stops only itself.

    A store that is left alone is not listed: `probe` says when it is back.
    """
    with context.ledger.read_only() as tx:
        specs = [spec for spec, _ in datasets.current(tx)]
    landed: dict[str, Registered] = {}
    failed: list[str] = []
    for spec in specs:
        landed[spec.name] = sum(_sweep_dataset(context, spec, failed), Registered())
        if landed[spec.name].new:
            _log.info("%s: the sweep found %d objects that no event had notified of", spec.name, landed[spec.name].new)
    return SweepResult(landed, failed)


def _sweep_dataset(context: Context, spec: DatasetSpec, failed: list[str]) -> Iterator[Registered]:
    for source in spec.sources:
        with context.ledger.read_only() as tx:
            if breakers.STORE in breakers.open_servers(tx, tx.now):
                return
        trouble: StoreError | None = None
        try:
            yield from register_listed(context, [spec], context.store.list(source.bucket, source.prefix), "sweep")
        except StoreError as error:
            _log.warning("%s: %s", spec.name, error)
            failed.append(f"{spec.name}: {error}")
            trouble = error
        with context.ledger.transaction() as tx:
            if isinstance(trouble, StoreUnreachable):
                breakers.record_failure(tx, breakers.STORE, trouble.happened)
            else:
                breakers.record_success(tx, breakers.STORE)


def register_listed(
    context: Context, specs: Sequence[DatasetSpec], found: Iterable[StoredObject], via: str
) -> Iterator[Registered]:
    """Land what datasets take of `found`, in chunks of a listing's page; what came of each chunk, once committed."""
    rest = _markers_last(specs, found)
    while chunk := list(islice(rest, LISTING_PAGE)):
        yield _register_chunk(context, specs, chunk, via)


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


def _register_chunk(
    context: Context, specs: Sequence[DatasetSpec], chunk: Sequence[StoredObject], via: str
) -> Registered:
    taken: dict[str, list[StoredObject]] = {spec.name: [] for spec in specs}
    ignored = 0
    for obj in chunk:
        takers = _takers(specs, obj)
        if takers and not _storable(obj):
            takers = []
        ignored += not takers
        for spec in takers:
            taken[spec.name].append(obj)
    with context.ledger.read_only() as tx:
        unregistered = [(spec, objects.unregistered(tx, spec.name, taken[spec.name])) for spec in specs]
    new = sum(_register_new(context, spec, fresh, via) for spec, fresh in unregistered if fresh)
    return Registered(new, sum(map(len, taken.values())) - new, ignored)


def _register_new(context: Context, spec: DatasetSpec, fresh: Sequence[StoredObject], via: str) -> int:
    failpoint("register_objects.headed")
    markers = [obj for obj in fresh if spec.is_marker(obj.bucket, obj.key)]
    files = [obj for obj in fresh if not spec.is_marker(obj.bucket, obj.key)]
    with context.ledger.transaction() as tx:
        landed = objects.register(tx, spec, files, via)
        for marker in markers:
            objects.register_marker(tx, spec, marker, via)
        failpoint("register_objects.written")
    failpoint("register_objects.registered")
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
