"""Register what notifications and listings report: every object becomes one row of the ledger, once.

A notification is only a hint. Keys outside the datasets' sources are ignored, and an object is HEADed before it is
registered: its current ETag is its identity.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.causes import Kind
from labelyard.domain.objects import StoredObject, folder_of, s3_url
from labelyard.errors import STORE_UNAVAILABLE, StoreError
from labelyard.failpoints import failpoint
from labelyard.ledger import Transaction, breakers, datasets, objects, problems, refusals, same_content
from labelyard.ledger.tables import Object
from labelyard.log_records import log_about
from labelyard.sources.listing import markers_last, pages
from labelyard.sources.notifications import NotifiedObject
from labelyard.storage import content_digests, head_objects, missing_objects, readable_objects

_log = logging.getLogger(__name__)
BACKFILL = "backfill"
"""What reports objects that `labelyard backfill` finds."""
_HISTORY = timedelta(hours=1)
"""What was written so long before the dataset file was first applied does not arrive now."""
_ASKED_AT_ONCE = 100
"""Refused objects that are asked for together; the next ones only if one of these can be read."""


@dataclass(frozen=True)
class Registered:
    """How many objects were new, already known, or ignored because no dataset has them or they were deleted."""

    new: int = 0
    known: int = 0
    ignored: int = 0

    def __add__(self, other: Registered) -> Registered:
        return Registered(self.new + other.new, self.known + other.known, self.ignored + other.ignored)


@dataclass(frozen=True)
class SweepResult:
    """What a sweep registered, by dataset, and which sources failed, with the next command.

    `needs_person` are those failures that a person must fix, named once: when they are met for the first time.
    `unavailable` says why sources were not listed completely, because the store as a whole is unavailable.
    """

    registered: Mapping[str, Registered]
    failed: Sequence[str] = ()
    needs_person: Sequence[str] = ()
    unavailable: Sequence[str] = ()


def register_objects(context: Context, notified: Sequence[NotifiedObject], via: str) -> Registered:
    """Register created objects; they are committed when this returns.

    Raises StoreUnreachable or LedgerUnreachable: nothing may be acknowledged then.
    """
    specs = _current_specs(context)
    found = head_objects(context.store, (one.object for one in notified if _datasets_of(specs, one.object)))
    _register_folders_of_markers(context, specs, found, via)
    exist = {(obj.bucket, obj.key) for obj in found}
    ignored = sum((one.object.bucket, one.object.key) not in exist for one in notified)
    repeated = Registered(known=len(notified) - ignored - len(found), ignored=ignored)
    return sum(register_listed(context, specs, found, via), repeated)


def _register_folders_of_markers(
    context: Context, specs: Sequence[DatasetSpec], found: Sequence[StoredObject], via: str
) -> None:
    """List the folder of each marker: its notification may arrive before those of the files written earlier."""
    for spec in specs:
        for marker in (obj for obj in found if spec.is_marker(obj.bucket, obj.key)):
            source = next(source for source in spec.sources if source.overlaps(marker.bucket, marker.key))
            folder = max(source.prefix, folder_of(marker.key), key=len)  # the key begins with both
            for _ in register_listed(context, [spec], context.store.list(marker.bucket, folder), via):
                pass  # no notification reported these, so the result does not count them


def register_deletions(context: Context, notified: Sequence[NotifiedObject], via: str) -> int:
    """Mark objects as deleted; return how many the ledger had. They are committed when this returns.

    Only the store knows whether a key is deleted: another version may exist, or the object may have been written again.
    Raises StoreUnreachable or LedgerUnreachable: nothing may be acknowledged then.
    """
    specs = _current_specs(context)
    with context.ledger.read_only() as tx:
        keys = {(one.object.bucket, one.object.key) for one in notified if _datasets_of(specs, one.object)}
        known = [StoredObject(bucket, key, "") for bucket, key in objects.not_deleted(tx, keys)]
    missing = missing_objects(context.store, known)
    count = sum(_mark_deleted(context, spec, missing) for spec in specs) if missing else 0
    if count:
        _log.info("%d objects were deleted in the bucket, reported by %s", count, via)
    return count


def _mark_deleted(context: Context, spec: DatasetSpec, missing: Sequence[StoredObject]) -> int:
    with context.ledger.transaction() as tx:
        count = sum(objects.mark_deleted(tx, spec, obj.bucket, obj.key) for obj in missing if _has(spec, obj))
        failpoint("register_objects.deletions_written")
    return count


def sweep_sources(context: Context, dataset: str | None = None) -> SweepResult:
    """List every source of a dataset and register what the ledger lacks; by default of all that have no own schedule.

    A source that fails stops only itself. Sources are not listed while the store's breaker is open; `probe` closes it.
    Raises NotFound for an unknown dataset; a retired one has nothing to register.
    """
    registered: dict[str, Registered] = {}
    failures = _Failures()
    for spec in _specs_to_sweep(context, dataset):
        found = sum(_sweep_dataset(context, spec, failures), Registered())
        registered[spec.name] = found
        if found.new:
            _log.info("%s: the sweep found %d objects that no notification had reported", spec.name, found.new)
    return SweepResult(registered, failures.all, failures.new, failures.unavailable)


def _specs_to_sweep(context: Context, dataset: str | None) -> list[DatasetSpec]:
    specs = _current_specs(context)
    if dataset is None:
        return [spec for spec in specs if spec.schedule.sweep is None]
    with context.ledger.read_only() as tx:
        datasets.spec(tx, dataset)  # it must be known
    return [spec for spec in specs if spec.name == dataset]


@dataclass
class _Failures:
    """The failures of one sweep; those that a person must fix and that are new; those of the store as a whole."""

    all: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)


def _sweep_dataset(context: Context, spec: DatasetSpec, failures: _Failures) -> Iterator[Registered]:
    for source in spec.sources:
        listed = register_listed(context, [spec], context.store.list(source.bucket, source.prefix), "sweep")
        yield from _sweep_once(context, spec, s3_url(source.bucket, source.prefix), listed, failures)
    with context.ledger.read_only() as tx:
        are_refused = bool(refusals.waiting(tx, spec.name, limit=1))
    if are_refused:
        again = _register_readable_again(context, spec)
        yield from _sweep_once(context, spec, _refused_objects(spec), again, failures)


def _sweep_once(
    context: Context, spec: DatasetSpec, source: str, work: Iterator[Registered], failures: _Failures
) -> Iterator[Registered]:
    """Do one part of a sweep, unless the store's breaker is open, and record whether the store has answered."""
    with context.ledger.read_only() as tx:
        if breakers.STORE in breakers.open_servers(tx, tx.now):
            failures.unavailable.append(f"{source} is not listed while {breakers.STORE} is unavailable")
            return
    failure: StoreError | None = None
    try:
        yield from work
    except StoreError as error:
        _log.warning("%s: %s", spec.name, error)
        failures.all.append(f"{spec.name}: {error}")
        failure = error
    with context.ledger.transaction() as tx:
        if isinstance(failure, STORE_UNAVAILABLE):
            breakers.record_failure(tx, breakers.STORE, failure.happened)
            failures.unavailable.append(failure.happened)
            return
        breakers.record_success(tx, breakers.STORE)
        if failure is None:
            problems.clear(tx, Kind.SOURCE, _problem_name(spec, source))
        elif _is_new(tx, spec, source, failure):
            failures.new.append(f"{spec.name}: {failure}")


def _is_new(tx: Transaction, spec: DatasetSpec, source: str, failure: StoreError) -> bool:
    """Record that a person must fix a source; return whether it is the first time."""
    what, next_step = f"{source} cannot be read: {failure.happened}", failure.next_step or "labelyard doctor"
    return problems.record(tx, Kind.SOURCE, _problem_name(spec, source), what, next_step, dataset=spec.name)


def forget_undeclared_sources(tx: Transaction) -> None:
    """Clear the problems of sources that no sweep reads any more; of the others, a sweep finds when they are over."""
    found = problems.present(tx, Kind.SOURCE)
    if not found:
        return
    specs = list(datasets.current(tx))
    read = {_problem_name(spec, s3_url(one.bucket, one.prefix)) for spec in specs for one in spec.sources}
    read |= {_problem_name(spec, _refused_objects(spec)) for spec in specs if refusals.waiting(tx, spec.name, limit=1)}
    for problem in found:
        if problem.name not in read:
            problems.clear(tx, Kind.SOURCE, problem.name)


def _problem_name(spec: DatasetSpec, source: str) -> str:
    return f"{spec.name}: {source}"


def _refused_objects(spec: DatasetSpec) -> str:
    return f"refused objects of {spec.name}"


def _register_readable_again(context: Context, spec: DatasetSpec) -> Iterator[Registered]:
    """Register objects again that the store refused before and lets be read now."""
    readable = True
    while readable:
        with context.ledger.read_only() as tx:
            waiting = refusals.waiting(tx, spec.name, _ASKED_AT_ONCE)
        asked = readable_objects(context.store, waiting)
        with context.ledger.transaction() as tx:
            found = refusals.record_asked(tx, spec.name, asked)
        readable = bool(found)
        if readable:
            _log.info("%s: the store lets %d objects be read that it refused before", spec.name, len(found))
            yield Registered(new=_register_new(context, spec, found, "sweep"))


def register_listed(
    context: Context, specs: Sequence[DatasetSpec], listed: Iterable[StoredObject], via: str
) -> Iterator[Registered]:
    """Register the datasets' objects among those listed, a page at a time; yield each page's result once committed."""

    def is_marker(obj: StoredObject) -> bool:
        return any(spec.is_marker(obj.bucket, obj.key) for spec in specs)

    for page in pages(markers_last(listed, is_marker)):
        yield _register_page(context, specs, page, via)


def _register_page(
    context: Context, specs: Sequence[DatasetSpec], page: Sequence[StoredObject], via: str
) -> Registered:
    by_dataset: dict[str, list[StoredObject]] = {spec.name: [] for spec in specs}
    ignored = 0
    for obj in page:
        owners = _datasets_of(specs, obj)
        if owners and not _is_storable(obj):
            owners = []
        ignored += not owners
        for spec in owners:
            by_dataset[spec.name].append(obj)
    with context.ledger.read_only() as tx:
        unregistered = [(spec, objects.unregistered(tx, spec.name, by_dataset[spec.name])) for spec in specs]
    new = sum(_register_new(context, spec, fresh, via) for spec, fresh in unregistered if fresh)
    return Registered(new, sum(map(len, by_dataset.values())) - new, ignored)


def _register_new(context: Context, spec: DatasetSpec, fresh: Sequence[StoredObject], via: str) -> int:
    failpoint("register_objects.headed")
    markers = [obj for obj in fresh if spec.is_marker(obj.bucket, obj.key)]
    files = [obj for obj in fresh if not spec.is_marker(obj.bucket, obj.key)]
    digests: dict[StoredObject, str | None] = {}
    while True:
        with context.ledger.transaction() as tx:
            uncompared = same_content.uncompared(tx, spec.name, files, digests)
            if not uncompared:
                # Files first: a marker closes the batch that they have just joined.
                history, arriving = _divide(files, via, datasets.first_applied_at(tx, spec.name))
                registered = [
                    *objects.register(tx, spec, history, via, digests, backfill=True),
                    *objects.register(tx, spec, arriving, via, digests),
                ]
                for marker in markers:
                    objects.register_marker(tx, spec, marker, via)
                failpoint("register_objects.written")
                break
        # Read outside of the transaction: a whole folder may have been encrypted again.
        digests |= content_digests(context.store, uncompared)
    failpoint("register_objects.registered")
    _log_registered(spec, registered, via)
    return len(registered)


def _log_registered(spec: DatasetSpec, registered: Sequence[Object], via: str) -> None:
    for batch, rows in groupby(registered, key=lambda row: row.batch_id or ""):
        with log_about(dataset=spec.name, batch=batch):
            ids = [row.id for row in rows]
            _log.info("%s: %d registered by %s", batch or spec.name, len(ids), via, extra={"objects": ids})


def _divide(
    files: Sequence[StoredObject], via: str, applied_at: datetime
) -> tuple[list[StoredObject], list[StoredObject]]:
    """Return the files that are history, and those that arrive now."""
    history: list[StoredObject] = []
    arriving: list[StoredObject] = []
    for obj in files:
        is_old = obj.modified is not None and obj.modified < applied_at - _HISTORY
        (history if is_old or via == BACKFILL else arriving).append(obj)
    return history, arriving


def _current_specs(context: Context) -> list[DatasetSpec]:
    with context.ledger.read_only() as tx:
        return list(datasets.current(tx))


def _datasets_of(specs: Sequence[DatasetSpec], obj: StoredObject) -> list[DatasetSpec]:
    return [spec for spec in specs if _has(spec, obj)]


def _has(spec: DatasetSpec, obj: StoredObject) -> bool:
    """Return whether an object is a file or a marker of the dataset."""
    return spec.is_marker(obj.bucket, obj.key) or spec.refusal(obj.bucket, obj.key) is None


def _is_storable(obj: StoredObject) -> bool:
    if "\0" not in obj.key:
        return True
    text = "s3://%s/%r is ignored: no database accepts the NUL in its key; copy it to another key"
    _log.warning(text, obj.bucket, obj.key)
    return False
