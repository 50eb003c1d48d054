"""Messages to people: who was told what about their work, and who has to be told.

     update ──▶ acquire_due ──▶ (send) ──▶ record_sent | record_failure

A person is leased by a conditional update before their message is sent, so that of several processes one sends it. A
process that dies in between leaves a lease that expires, and the message is sent again: rather twice than never.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, or_, select
from sqlalchemy import update as update_rows

from labelyard.domain.alerts import Message
from labelyard.domain.backoff import exponential_backoff
from labelyard.domain.messages import News, OpenJob, after_message, compose, is_time, next_news, works_now
from labelyard.domain.working_hours import WorkingHours
from labelyard.ledger import absences, datasets
from labelyard.ledger.database import Transaction, dialect_insert
from labelyard.ledger.people_tables import PersonChannel, WorkNews

_LEASE = timedelta(minutes=2)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_UNKNOWN_FOR = timedelta(hours=2)
"""A channel that failed and would have been tried since, is in no settings any more."""

_JobKey = tuple[str, int]
"""A batch, and CVAT's id of a job."""


@dataclass(frozen=True)
class DuePerson:
    """A message that this process has the right to send, and the news in it, by row."""

    person: str
    message: Message
    news: Mapping[int, News]


def update(tx: Transaction, jobs: Iterable[OpenJob], people: Collection[str]) -> None:
    """Compare what people have to do with what they were told; `people` have a channel in the settings.

    News of somebody whom this machine's settings do not name stay as they are.
    """
    now, by_place = tx.now, {(job.batch, job.job): job for job in jobs}
    known = set()
    for row in tx.scalars(select(WorkNews).order_by(WorkNews.id).with_for_update()):
        known.add((row.person, row.batch_id, row.job))
        if row.person not in people:
            continue
        job = by_place.get((row.batch_id, row.job))
        own = job if job is not None and job.person == row.person else None
        _keep(tx, row, next_news(row.to_domain(), own, job, now))
    for job in by_place.values():
        if job.person in people and (job.person, job.batch, job.job) not in known:
            news = next_news(None, job, job, now)
            if news is not None:
                _insert(tx, job, news)
    tx.flush()
    _forget_channels(tx, people)


def acquire_due(
    tx: Transaction,
    jobs: Iterable[OpenJob],
    quiet: Mapping[str, bool],
    bundle: timedelta,
    *,
    leave_out: Collection[str] = (),
) -> DuePerson | None:
    """Lease a person to whom a message is due, None if there is none.

    `quiet` says of everybody with a channel whether the quiet hours count for it now. Who is away, who does not work
    now, and whose channel failed a short time ago, waits.
    """
    now, by_place = tx.now, {(job.batch, job.job): job for job in jobs}
    rows: dict[str, list[WorkNews]] = {}
    for row in tx.scalars(select(WorkNews).order_by(WorkNews.id)):
        rows.setdefault(row.person, []).append(row)
    ready = {
        person: mine
        for person, mine in rows.items()
        if person in quiet and person not in leave_out and is_time([one.to_domain() for one in mine], now, bundle)
    }
    if not ready:
        return None
    away, known, hours = absences.current(tx), channels(tx), _hours(tx)
    for person, mine in sorted(ready.items()):
        channel = known.get(person)
        waits = channel is not None and channel.not_before is not None and channel.not_before > now
        if person in away or waits or not works_now(hours.get(person, ()), now, is_quiet=quiet[person]):
            continue
        due = _compose(person, mine, by_place)
        if due.news and _lease(tx, person, now):
            return due
    return None


def record_sent(tx: Transaction, due: DuePerson) -> None:
    """Record that the person's channel has accepted a message."""
    channel = tx.get_one(PersonChannel, due.person, with_for_update=True, populate_existing=True)
    channel.leased_until = channel.not_before = channel.error = channel.failing_since = channel.failed_at = None
    channel.failures, channel.sent_at = 0, tx.now
    for row in tx.scalars(select(WorkNews).where(WorkNews.id.in_(due.news)).with_for_update()):
        _keep(tx, row, after_message(due.news[row.id], row.to_domain()))


def record_failure(tx: Transaction, due: DuePerson, error: str) -> None:
    """Record that the channel did not accept a message: it is sent again later."""
    channel = tx.get_one(PersonChannel, due.person, with_for_update=True, populate_existing=True)
    channel.not_before = tx.now + exponential_backoff(_FIRST_WAIT, channel.failures, _LONGEST_WAIT)
    channel.failing_since = channel.failing_since or tx.now
    channel.leased_until, channel.failed_at = None, tx.now
    channel.failures, channel.error = channel.failures + 1, error


def channels(tx: Transaction) -> Mapping[str, PersonChannel]:
    """Return how sending to each person last went, by name."""
    return {row.person: row for row in tx.scalars(select(PersonChannel).order_by(PersonChannel.person))}


def _keep(tx: Transaction, row: WorkNews, news: News | None) -> None:
    if news is None:
        tx.delete(row)
    else:
        row.store(news)


def _insert(tx: Transaction, job: OpenJob, news: News) -> None:
    values = {
        "person": job.person, "batch_id": job.batch, "job": job.job, "kind": news.kind, "turn": news.turn,
        "since": news.since, "notified": news.notified, "times_notified": news.times_notified,
    }  # fmt: skip
    tx.execute(dialect_insert(tx, WorkNews).values(**values).on_conflict_do_nothing())


def _compose(person: str, rows: Sequence[WorkNews], by_place: Mapping[_JobKey, OpenJob]) -> DuePerson:
    """Return one message about all that is due, but for jobs that have changed since `update`."""
    said: dict[int, News] = {}
    own, taken = list[OpenJob](), list[OpenJob]()
    for row in rows:
        news, job = row.to_domain(), by_place.get((row.batch_id, row.job))
        if news.is_due and job is not None and (news.taken_by is None) == (job.person == person):
            said[row.id] = news
            (own if news.taken_by is None else taken).append(job)
    return DuePerson(person, compose(own, taken), said)


def _hours(tx: Transaction) -> Mapping[str, Sequence[WorkingHours]]:
    """Return the working hours of everybody in the datasets that name them and say when people work."""
    found: dict[str, list[WorkingHours]] = {}
    for spec in datasets.current(tx):
        rules = spec.assignment.rules()
        truth = spec.quality.ground_truth
        named = {*spec.annotators, *spec.reviewers, *([truth.annotator] if truth else [])}
        for person in named:
            if (hours := rules.of(person).hours) is not None:
                found.setdefault(person, []).append(hours)
    return found


def _lease(tx: Transaction, person: str, now: datetime) -> bool:
    tx.execute(dialect_insert(tx, PersonChannel).values(person=person, failures=0).on_conflict_do_nothing())
    leased = tx.execute(
        update_rows(PersonChannel)
        .where(
            PersonChannel.person == person, or_(PersonChannel.leased_until.is_(None), PersonChannel.leased_until <= now)
        )
        .values(leased_until=now + _LEASE)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(leased, CursorResult)
    return leased.rowcount == 1


def _forget_channels(tx: Transaction, people: Collection[str]) -> None:
    """Forget the failures of channels that nothing is sent to any more: nothing is due, or no settings name them."""
    waiting = {row.person for row in tx.scalars(select(WorkNews)) if row.to_domain().is_due}
    for person, row in channels(tx).items():
        if row.error is None or (person in people and person in waiting):
            continue
        if person in people or (row.failed_at is not None and tx.now - row.failed_at > _UNKNOWN_FOR):
            tx.execute(delete(PersonChannel).where(PersonChannel.person == person))
