"""Explaining an object or a batch: its history, how it stands now, and what a person may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from labelyard.config import DatasetSpec
from labelyard.context import Context
from labelyard.domain.batching import next_look
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound, ObjectGone, StoreError
from labelyard.ledger import Transaction, batches, breakers, datasets, history, objects
from labelyard.ledger.overview import overview
from labelyard.ledger.tables import Batch, Object
from labelyard.operations.manual import BY_HAND, bucket_and_key
from labelyard.operations.remarks import hindrances, jobs_told, remarks
from labelyard.storage import ARCHIVED


@dataclass(frozen=True)
class Explanation:
    """What is told of one object or batch; `now` is how it stands, each with the next command where there is one."""

    about: str
    history: Sequence[history.Entry]
    now: Sequence[str]


def explain(context: Context, what: str) -> list[Explanation]:
    """The story of a batch, or of each content of s3://bucket/key.

    Raises NotKnown, with the reason why, for what never landed.
    """
    if not what.startswith("s3://"):
        with context.ledger.read_only() as tx:
            batch = batches.get(tx, what)
            now = tuple(_batch_now(tx, batch))
            return [Explanation(f"{batch.id}: {batch.state}", history.of_batch(tx, batch.id), now)]
    bucket, key = bucket_and_key(what)
    with context.ledger.read_only() as tx:
        found = objects.of_key(tx, bucket, key)
        stories = [
            Explanation(
                _about(obj),
                history.of_object(tx, obj),
                tuple(_object_now(tx, obj, newest=obj is found[-1])),
            )
            for obj in found
        ]
    if not stories:
        raise _never_landed(context, bucket, key, what)
    return stories


def _about(obj: Object) -> str:
    membership = (
        f"set aside: {obj.quarantine_reason}"
        if obj.quarantine_reason
        else f"in {obj.batch_id}"
        if obj.batch_id
        else "a marker"
    )
    name = f" as {obj.upload_name}" if obj.upload_name else ""
    return f"{obj.stored.url} ({obj.etag}): {membership}{name}"


def _object_now(tx: Transaction, obj: Object, *, newest: bool) -> Iterator[str]:
    if obj.deleted_at is not None:
        yield f"deleted or overwritten in the bucket at {obj.deleted_at:%Y-%m-%d %H:%M:%S}"
    if obj.quarantine_reason is not None:
        yield f"set aside: {obj.quarantine_reason}" + (f"\n  next: {_mended(obj)}" if newest else "")
    elif obj.batch_id is not None:
        yield from _batch_now(tx, batches.get(tx, obj.batch_id))


def _mended(obj: Object) -> str:
    reason = obj.quarantine_reason or ""
    if reason.startswith(BY_HAND):
        return f"labelyard restore {obj.stored.url}"
    if reason.startswith(ARCHIVED):
        return f"bring it back from the archive, then: labelyard restore {obj.stored.url}"
    return "put the right file under the same key: it lands automatically"


def _batch_now(tx: Transaction, batch: Batch) -> Iterator[str]:
    seen = overview(tx, tx.now, batch=batch.id)
    (line,) = seen.batches
    facts = [line.task_url, jobs_told(line) if line.jobs else None, line.exports[-1] if line.exports else None]
    rest = ", ".join(fact for fact in facts if fact)
    yield f"{batch.id} is {batch.state}{' (working)' if line.working else ''}" + (f": {rest}" if rest else "")
    if batch.state is BatchState.OPEN:
        yield _filling(datasets.spec(tx, batch.dataset), batch)
    yield from remarks(replace(line, set_aside={}))
    if batch.state in batches.EVENT_OF_STATE:
        paused = {name: why for name, why in seen.paused.items() if name == batch.dataset}
        away = {server: error for server, error in seen.away.items() if server in (batch.cvat, breakers.STORE)}
        yield from hindrances(replace(seen, paused=paused, away=away))
    if batch.state is BatchState.CANCELLED:
        yield "its objects no longer count\n  next: labelyard restore s3://bucket/key, for each that should"


def _filling(spec: DatasetSpec, batch: Batch) -> str:
    at = next_look(spec.batch, batches.filling(batch))
    when = f"closes at {at:%H:%M:%S} UTC if nothing more comes" if at else "waits for more objects or its marker"
    return (
        f"it holds {batch.objects} of {spec.batch.max_objects} objects and {when}\n  next: labelyard close {spec.name}"
    )


def _never_landed(context: Context, bucket: str, key: str, address: str) -> NotFound:
    """Why nothing is known of a key: no dataset takes it, or it does not exist, or nobody has told of it yet."""
    with context.ledger.read_only() as tx:
        refusals = {spec.name: spec.refusal(bucket, key) for spec, _ in datasets.current(tx)}
    takers = [name for name, refusal in refusals.items() if refusal is None]
    what, next_step = _untold(context, bucket, key, takers) if takers else _untaken(refusals)
    return NotFound(what, where=address, next_step=next_step)


def _untaken(refusals: dict[str, str | None]) -> tuple[str, str]:
    if not refusals:
        return "never landed: there are no datasets", "labelyard apply FILE"
    reasons = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items())
    return (
        f"never landed, no dataset takes it ({reasons})",
        "if one should: widen its sources, then labelyard apply FILE, and labelyard backfill DATASET",
    )


def _untold(context: Context, bucket: str, key: str, takers: Sequence[str]) -> tuple[str, str]:
    whose = f"{', '.join(takers)} would take it"
    try:
        context.store.head(bucket, key)
    except ObjectGone:
        return (
            f"never landed: there is no such object ({whose})",
            "put it; keys differ by case and accent, too",
        )
    except StoreError as error:
        return f"never landed ({whose}), and the store does not answer: {error.what}", "labelyard doctor"
    told = f"it exists and {whose}, but no notification of it has come: the next sweep will land it"
    return told, f"labelyard backfill {takers[0]} lands it now; labelyard doctor checks the notifications"
