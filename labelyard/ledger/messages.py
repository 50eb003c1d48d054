"""Messages to people: who was told what about their work, and who has to be told.

     read ──▶ acquire ──▶ (send) ──▶ record_sent | record_failure

A look reads everything once, decides, and writes nothing if nothing has changed. Whatever it writes about a person it
writes together with a lease of their channel, and only if nobody has had one since it read. So each transaction locks
the channel first, then notices of that person alone, and of several processes one sends. One that dies leaves a lease
that expires, and the message is sent again: rather twice than never.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, insert, select

from labelyard.domain.alerts import Message
from labelyard.domain.messages import (
    REFUSED_OFTEN,
    Decision,
    JobKey,
    Notice,
    after_message,
    compose,
    decide,
    works_now,
)
from labelyard.domain.working_hours import WorkingHours
from labelyard.ledger import absences, datasets
from labelyard.ledger.channel_state import LEASE
from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.open_jobs import open_jobs
from labelyard.ledger.people_tables import JobNotice, PersonChannel

_FORGOTTEN_AFTER = timedelta(days=1)
"""After so long without the person in any settings, what they were told is deleted. One machine may have other ones."""


@dataclass(frozen=True)
class DuePerson:
    """What a look has decided about a person."""

    person: str
    version: int
    """Of the channel when it was read; after `acquire` that of the lease."""
    changes: Mapping[JobKey, Notice | None] = field(default_factory=dict)
    message: Message | None = None
    """None: nothing is sent now."""
    said: Mapping[JobKey, Notice] = field(default_factory=dict)
    """What the message says."""
    is_absent: bool = False
    """Whether the settings do not name the person any more."""
    is_over: bool = False
    """Whether the failures of the channel count no more: there is nothing to tell."""


def read(tx: Transaction, quiet: Mapping[str, bool], bundle: timedelta) -> Sequence[DuePerson]:
    """Return the people about whom there is something to write or to send; those without a message come first.

    `quiet` says of everybody with a channel in the settings whether the quiet hours count for it now. Who is away, who
    does not work now, and whose channel failed a short time ago, waits.
    """
    now = tx.now
    known = channels(tx)  # first: what is read after them is as new as their version, or newer
    if not quiet and not known:
        return []
    notices: dict[str, dict[JobKey, Notice]] = {}
    for row in tx.scalars(select(JobNotice).where(JobNotice.person.in_(quiet))):
        notices.setdefault(row.person, {})[row.batch_id, row.job] = row.to_domain()
    jobs = {job.key: job for job in open_jobs(tx)} if quiet else {}
    own: dict[str, list[JobKey]] = {}
    for key, job in jobs.items():
        own.setdefault(job.person, []).append(key)
    decisions = {
        person: decide(person, notices.get(person, {}), [jobs[key] for key in own.get(person, ())], jobs, now, bundle)
        for person in sorted(quiet)
    }
    reached = _reached(tx, known, decisions, quiet, now)
    found = list(_absent(known, quiet, now))
    for person, decision in decisions.items():
        channel = known.get(person)
        said = decision.due if person in reached else {}
        is_over = channel is not None and channel.error is not None and decision.is_done
        returns = channel is not None and channel.absent_since is not None
        if _is_free(channel, now) and (decision.changes or said or is_over or returns):
            message = compose(person, [jobs[key] for key in said]) if said else None
            version = channel.version if channel else 0
            found.append(DuePerson(person, version, decision.changes, message, said, is_over=is_over))
    return sorted(found, key=lambda one: one.message is not None)


def acquire(tx: Transaction, due: DuePerson) -> DuePerson | None:
    """Write what was decided, and lease the person if there is a message; None: another process was faster."""
    now = tx.now
    if not due.version:
        new = dialect_insert(tx, PersonChannel).values(person=due.person, version=0, failures=0)
        tx.execute(new.on_conflict_do_nothing())
    channel = _locked(tx, due)
    if channel is None or not _is_free(channel, now):
        return None
    if due.is_absent and channel.absent_since is not None:
        tx.execute(delete(JobNotice).where(JobNotice.person == due.person))
        tx.delete(channel)
        return None
    channel.version += 1
    channel.absent_since = now if due.is_absent else None
    channel.leased_until = now + LEASE if due.message is not None else None
    if due.is_over:
        channel.forget_failures()
        channel.failing_since = None
    _store(tx, due.person, due.changes)
    return DuePerson(due.person, channel.version, {}, due.message, due.said)


def record_sent(tx: Transaction, due: DuePerson) -> None:
    """Record that the person's channel has accepted a message; do nothing if the lease is another process's now."""
    channel = _locked(tx, due)
    if channel is not None:
        channel.record_accepted(tx.now)
        channel.leased_until = channel.failing_since = None
        channel.version += 1
        _store(tx, due.person, {key: after_message(notice) for key, notice in due.said.items()})


def record_failure(tx: Transaction, due: DuePerson, error: str) -> None:
    """Record that the channel did not accept a message: it is sent again later."""
    channel = _locked(tx, due)
    if channel is not None:
        channel.record_refused(tx.now, error)
        channel.failing_since = channel.failing_since or tx.now
        channel.leased_until = None
        channel.version += 1


def channels(tx: Transaction) -> Mapping[str, PersonChannel]:
    """Return how sending to each person last went, by name."""
    return {row.person: row for row in tx.scalars(select(PersonChannel).order_by(PersonChannel.person))}


def not_reached(tx: Transaction) -> Sequence[PersonChannel]:
    """Return the channels that settings name and that refused several messages in a row, by name."""
    often = select(PersonChannel).where(PersonChannel.failures >= REFUSED_OFTEN, PersonChannel.absent_since.is_(None))
    return tx.scalars(often.order_by(PersonChannel.person)).all()


def _locked(tx: Transaction, due: DuePerson) -> PersonChannel | None:
    """Lock and return a channel if nobody has had a lease of it since."""
    query = select(PersonChannel).where(PersonChannel.person == due.person, PersonChannel.version == due.version)
    return tx.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()


def _is_free(channel: PersonChannel | None, now: datetime) -> bool:
    return channel is None or channel.leased_until is None or channel.leased_until <= now


def _absent(known: Mapping[str, PersonChannel], people: Collection[str], now: datetime) -> Iterator[DuePerson]:
    """Yield the people whom the settings do not name: to be marked so, or to be forgotten a day later."""
    for person, channel in known.items():
        since = channel.absent_since
        if person not in people and _is_free(channel, now) and (since is None or now - since > _FORGOTTEN_AFTER):
            yield DuePerson(person, channel.version, is_absent=True)


def _reached(
    tx: Transaction,
    known: Mapping[str, PersonChannel],
    decisions: Mapping[str, Decision],
    quiet: Mapping[str, bool],
    now: datetime,
) -> Collection[str]:
    """Return who gets a message now."""
    ready = [person for person, decision in decisions.items() if decision.is_time]
    if not ready:
        return ()
    away, hours = absences.current(tx), _hours(tx)
    waits = {person for person, row in known.items() if row.not_before is not None and row.not_before > now}
    return {
        person
        for person in ready
        if person not in away and person not in waits and works_now(hours.get(person, ()), now, is_quiet=quiet[person])
    }


def _hours(tx: Transaction) -> Mapping[str, Sequence[WorkingHours]]:
    """Return the working hours of everybody in the datasets that name them; the work of retired ones continues."""
    found: dict[str, list[WorkingHours]] = {}
    for spec in datasets.current(tx, retired=True):
        rules = spec.assignment.rules()
        truth = spec.quality.ground_truth
        named = {*spec.annotators, *spec.reviewers, *([truth.annotator] if truth else [])}
        for person in named:
            if (hours := rules.of(person).hours) is not None:
                found.setdefault(person, []).append(hours)
    return found


def _store(tx: Transaction, person: str, notices: Mapping[JobKey, Notice | None]) -> None:
    if not notices:
        return
    connection = tx.connection()
    # In one order: a foreign key locks the batches of the rows that are inserted.
    keys = [{"of_person": person, "of_batch": batch, "of_job": job} for batch, job in sorted(notices)]
    connection.execute(
        delete(JobNotice).where(
            JobNotice.person == bindparam("of_person"),
            JobNotice.batch_id == bindparam("of_batch"),
            JobNotice.job == bindparam("of_job"),
        ),
        keys,
    )
    rows = [
        {
            "person": person, "batch_id": batch, "job": job, "kind": one.kind, "turn": one.turn, "since": one.since,
            "notified": one.notified, "named": one.named, "taken_by": one.taken_by,
        }
        for (batch, job), one in sorted(notices.items()) if one is not None
    ]  # fmt: skip
    if rows:
        connection.execute(insert(JobNotice), rows)
