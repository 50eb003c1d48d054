"""Explaining an object or a batch: its history, how it stands now, and what a person may do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from labelyard.errors import NotKnown, ObjectGone, StoreError
from labelyard.ledger import batches, breakers, datasets, history, objects
from labelyard.ledger.overview import overview
from labelyard.ledger.tables import Batch, Object
from labelyard.ledger.telling import hindrances, jobs_told, remarks
from labelyard.plan.batching import next_look
from labelyard.plan.lifecycle import BatchState
from labelyard.spec import DatasetSpec
from labelyard.steps.by_hand import BY_HAND, bucket_and_key
from labelyard.storage import ARCHIVED
from labelyard.workplace import Workplace


@dataclass(frozen=True)
class Story:
    """What is told of one object or batch; `now` is how it stands, each with the next command where there is one."""

    about: str
    history: Sequence[history.Entry]
    now: Sequence[str]


def explain(place: Workplace, what: str) -> list[Story]:
    """The story of a batch, or of each content of s3://bucket/key.

    Raises NotKnown, with the reason why, for what never landed.
    """
    if not what.startswith("s3://"):
        with place.ledger.read() as session:
            batch = batches.get(session, what)
            now = tuple(_batch_now(place, session, batch))
            return [Story(f"{batch.id}: {batch.state}", history.of_batch(session, batch.id), now)]
    bucket, key = bucket_and_key(what)
    with place.ledger.read() as session:
        found = objects.named(session, bucket, key)
        stories = [
            Story(
                _about(obj),
                history.of_object(session, obj),
                tuple(_object_now(place, session, obj, newest=obj is found[-1])),
            )
            for obj in found
        ]
    if not stories:
        raise _never_landed(place, bucket, key, what)
    return stories


def _about(obj: Object) -> str:
    place = f"set aside: {obj.refused}" if obj.refused else f"in {obj.batch_id}" if obj.batch_id else "a marker"
    name = f" as {obj.upload_name}" if obj.upload_name else ""
    return f"{obj.stored.url} ({obj.etag}): {place}{name}"


def _object_now(place: Workplace, session: Session, obj: Object, *, newest: bool) -> Iterator[str]:
    if obj.gone_at is not None:
        yield f"deleted or overwritten in the bucket at {obj.gone_at:%Y-%m-%d %H:%M:%S}"
    if obj.refused is not None:
        yield f"set aside: {obj.refused}" + (f"\n  next: {_mended(obj)}" if newest else "")
    elif obj.batch_id is not None:
        yield from _batch_now(place, session, batches.get(session, obj.batch_id))


def _mended(obj: Object) -> str:
    reason = obj.refused or ""
    if reason.startswith(BY_HAND):
        return f"labelyard restore {obj.stored.url}"
    if reason.startswith(ARCHIVED):
        return f"bring it back from the archive, then: labelyard restore {obj.stored.url}"
    return "put the right file under the same key: it lands automatically"


def _batch_now(place: Workplace, session: Session, batch: Batch) -> Iterator[str]:
    seen = overview(session, place.ledger.now(session), batch=batch.id)
    (line,) = seen.batches
    facts = [line.task_url, jobs_told(line) if line.jobs else None, line.exports[-1] if line.exports else None]
    rest = ", ".join(fact for fact in facts if fact)
    yield f"{batch.id} is {batch.state}{' (working)' if line.working else ''}" + (f": {rest}" if rest else "")
    if batch.state is BatchState.OPEN:
        yield _filling(datasets.spec(session, batch.dataset), batch)
    yield from remarks(replace(line, set_aside={}))
    if batch.state in batches.ANNOUNCED_BY:
        paused = {name: why for name, why in seen.paused.items() if name == batch.dataset}
        away = {server: error for server, error in seen.away.items() if server in (batch.cvat, breakers.STORE)}
        yield from hindrances(replace(seen, paused=paused, away=away))
    if batch.state is BatchState.ABANDONED:
        yield "its objects no longer count\n  next: labelyard restore s3://bucket/key, for each that should"


def _filling(spec: DatasetSpec, batch: Batch) -> str:
    at = next_look(spec.batch, batches.filling(batch))
    when = f"closes at {at:%H:%M:%S} UTC if nothing more comes" if at else "waits for more objects or its marker"
    return (
        f"it holds {batch.objects} of {spec.batch.max_objects} objects and {when}\n  next: labelyard close {spec.name}"
    )


def _never_landed(place: Workplace, bucket: str, key: str, address: str) -> NotKnown:
    """Why nothing is known of a key: no dataset takes it, or it does not exist, or nobody has told of it yet."""
    with place.ledger.read() as session:
        refusals = {spec.name: spec.refusal(bucket, key) for spec, _ in datasets.current(session)}
    takers = [name for name, refusal in refusals.items() if refusal is None]
    what, next_step = _untold(place, bucket, key, takers) if takers else _untaken(refusals)
    return NotKnown(what, where=address, next_step=next_step)


def _untaken(refusals: dict[str, str | None]) -> tuple[str, str]:
    if not refusals:
        return "never landed: there are no datasets", "labelyard apply FILE"
    reasons = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items())
    return (
        f"never landed, no dataset takes it ({reasons})",
        "if one should: widen its sources, then labelyard apply FILE, and labelyard backfill DATASET",
    )


def _untold(place: Workplace, bucket: str, key: str, takers: Sequence[str]) -> tuple[str, str]:
    whose = f"{', '.join(takers)} would take it"
    try:
        place.store.head(bucket, key)
    except ObjectGone:
        return (
            f"never landed: there is no such object ({whose})",
            "put it; keys differ by case and accent, too",
        )
    except StoreError as error:
        return f"never landed ({whose}), and the store does not answer: {error.what}", "labelyard doctor"
    told = f"it exists and {whose}, but no notification of it has come: the next sweep will land it"
    return told, f"labelyard backfill {takers[0]} lands it now; labelyard doctor checks the notifications"
