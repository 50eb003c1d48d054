"""Explain an object or a batch: its history, its state now, and the next command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labelyard.config import DatasetSpec, Deletions
from labelyard.context import Context
from labelyard.domain.batching import closes_at
from labelyard.domain.quarantine import what_ends_it
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound, ObjectDeleted, StoreError
from labelyard.escaping import printable
from labelyard.ledger import Transaction, batches, breakers, datasets, history, releases
from labelyard.ledger.overview import overview
from labelyard.ledger.release_tables import Release
from labelyard.ledger.tables import Batch, Object
from labelyard.operations.manual import bucket_and_key, of_address
from labelyard.operations.review_facts import review_facts
from labelyard.operations.status import batch_problems, blockers, jobs_summary, state_and_activity


@dataclass(frozen=True)
class Explanation:
    """An object or a batch (`about`), its history, and its state `now`, each line with the next command if any."""

    about: str
    history: Sequence[history.HistoryEntry]
    now: Sequence[str]


def explain(context: Context, what: str) -> list[Explanation]:
    """Explain a batch, or each content of s3://bucket/key, oldest first.

    Raises NotFound for a batch that does not exist, and, with the reason, for an object that was never registered.
    """
    if not what.startswith("s3://"):
        return [_explain_batch(context, what)]
    bucket, key = bucket_and_key(what)
    with context.ledger.read_only() as tx:
        found = of_address(tx, what)
        explanations = [
            Explanation(_summary(obj), history.of_object(tx, obj), tuple(_object_now(tx, obj, newest=obj is found[-1])))
            for obj in found
        ]
    if not explanations:
        raise _never_registered(context, bucket, key, what)
    return explanations


def _explain_batch(context: Context, batch_id: str) -> Explanation:
    with context.ledger.read_only() as tx:
        batch = batches.get(tx, batch_id)
        folder = f", of {printable(batch.object_group)}" if batch.object_group else ""
        return Explanation(
            f"{batch.id}: {batch.state}{folder}", history.of_batch(tx, batch.id), tuple(_batch_now(tx, batch))
        )


# --- objects ----------------------------------------------------------------------------------------------------------


def _summary(obj: Object) -> str:
    name = f" as {obj.upload_name}" if obj.upload_name else ""
    return f"{obj.stored.url} ({obj.etag}): {_membership(obj)}{name}"


def _membership(obj: Object) -> str:
    if obj.quarantine_reason:
        return f"quarantined: {obj.quarantine_reason}"
    return f"in {obj.batch_id}" if obj.batch_id else "a marker"


def _object_now(tx: Transaction, obj: Object, *, newest: bool) -> Iterator[str]:
    if obj.deleted_at is not None:
        yield f"deleted or overwritten in the bucket at {obj.deleted_at:%Y-%m-%d %H:%M:%S}"
    if obj.quarantine_reason is not None:
        next_step = f"\n  next: {what_ends_it(obj.quarantine_reason, obj.stored.url)}" if newest else ""
        yield f"quarantined: {obj.quarantine_reason}{next_step}"
    elif obj.batch_id is not None:
        yield from _batch_now(tx, batches.get(tx, obj.batch_id))
    if obj.batch_id is not None:
        yield from _in_releases(tx, obj)


def _in_releases(tx: Transaction, obj: Object) -> Iterator[str]:
    """Yield in which releases an object is, and why it is not in the newest one."""
    newest = releases.latest(tx, obj.dataset)
    if newest is None:
        return
    found = releases.image(tx, obj.dataset, releases.identity_of(obj))
    if found is not None and found.last_release == newest.number:
        since = f"since release {found.first_release}" if found.first_release < newest.number else "for the first time"
        with_deleted = datasets.spec(tx, obj.dataset).deletions is not Deletions.DROP
        first = releases.first_of_content(tx, obj, newest, with_deleted=with_deleted)
        other = f" as {first.stored.url}, which has the same content" if first and first.id != obj.id else ""
        yield f"in release {newest.number} ({since}){other}: image {found.image_id}, split {found.split}"
        return
    before = f", last in release {found.last_release}" if found else ""
    yield f"not in release {newest.number}{before}: {_why_not_released(tx, obj, newest)}"


def _why_not_released(tx: Transaction, obj: Object, newest: Release) -> str:
    if obj.quarantine_reason is not None:
        return "it is quarantined"
    if not newest.exports:
        return "the release was read back from the bucket, and the ledger has none of its exports"
    batch = batches.get(tx, obj.batch_id or "")
    if batch.id not in {export.batch_id for export in releases.inputs(tx, newest)}:
        return f"batch {batch.id} was not exported as coco when the release began; it is {batch.state}"
    if obj.deleted_at is not None:
        return "it was deleted from the bucket or overwritten"
    return f"it was added or restored later\n  next: labelyard release {obj.dataset}"


def _never_registered(context: Context, bucket: str, key: str, address: str) -> NotFound:
    """Return the reason: no dataset accepts the key, it does not exist, or no notification of it has come."""
    with context.ledger.read_only() as tx:
        refusals = {spec.name: spec.refusal(bucket, key) for spec in datasets.current(tx)}
    accepting = [name for name, refusal in refusals.items() if refusal is None]
    what, next_step = _not_notified(context, bucket, key, accepting) if accepting else _not_accepted(refusals)
    return NotFound(f"never registered: {what}", where=address, next_step=next_step)


def _not_accepted(refusals: Mapping[str, str | None]) -> tuple[str, str]:
    if not refusals:
        return "there are no datasets", "labelyard apply FILE"
    reasons = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items())
    next_step = "if one should: widen its sources, then labelyard apply FILE, and labelyard backfill DATASET"
    return f"no dataset accepts it ({reasons})", next_step


def _not_notified(context: Context, bucket: str, key: str, accepting: Sequence[str]) -> tuple[str, str]:
    would_accept = f"{', '.join(accepting)} would accept it"
    try:
        context.store.head(bucket, key)
    except ObjectDeleted:
        return f"there is no such object ({would_accept})", "put it; keys differ by case and accent, too"
    except StoreError as error:
        return f"the store does not answer ({would_accept}): {error.what}", "labelyard doctor"
    return (
        f"it exists and {would_accept}, but no notification of it has come; the next sweep registers it",
        f"labelyard backfill {accepting[0]} registers it now; labelyard doctor checks the notifications",
    )


# --- batches ----------------------------------------------------------------------------------------------------------


def _batch_now(tx: Transaction, batch: Batch) -> Iterator[str]:
    seen = overview(tx, batch=batch.id)
    (line,) = seen.batches
    facts = [line.task_url, jobs_summary(line) if line.jobs else None, line.exports[-1] if line.exports else None]
    details = ", ".join(fact for fact in facts if fact)
    yield f"{batch.id} is {state_and_activity(line)}" + (f": {details}" if details else "")
    if batch.state is BatchState.OPEN:
        yield _when_it_closes(datasets.spec(tx, batch.dataset), batch)
    yield from batch_problems(line)
    yield from review_facts(tx, batch.id)
    if batch.state in batches.EVENT_OF_STATE:
        paused = {name: reason for name, reason in seen.paused.items() if name == batch.dataset}
        failing = {
            server: error for server, error in seen.failing_servers.items() if server in (batch.cvat, breakers.STORE)
        }
        yield from blockers(replace(seen, paused=paused, failing_servers=failing))
    if batch.state is BatchState.CANCELLED:
        yield "its objects no longer count\n  next: labelyard restore s3://bucket/key, for each that should"


def _when_it_closes(spec: DatasetSpec, batch: Batch) -> str:
    at = closes_at(spec.batch, batches.contents(batch))
    when = f"closes at {at:%H:%M:%S} UTC if nothing more comes" if at else "waits for more objects or its marker"
    count = f"{batch.objects} of {spec.batch.max_objects} objects" + (" of its folder" if batch.object_group else "")
    return f"it has {count} and {when}\n  next: labelyard close {spec.name}"
