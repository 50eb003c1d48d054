"""Alerts: which channel has got which message about which cause.

     update ──▶ acquire_due ──▶ (send) ──▶ record_sent | record_failure

A message is leased by a conditional update before it is sent, so that of several processes one sends it. A process that
dies in between leaves a lease that expires, and the message is sent again: rather twice than never.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, or_, select
from sqlalchemy import update as update_rows

from labelyard.domain.alerts import AlertState, Message, MessageKind, compose, due_message, is_forgettable
from labelyard.domain.causes import Cause, Kind
from labelyard.ledger.alert_tables import Alert, AlertChannel
from labelyard.ledger.channel_state import LEASE
from labelyard.ledger.database import Transaction, dialect_insert

_OUTDATED = timedelta(days=7)
"""After so long without its cause an alert is deleted, though its channel did not accept the last message."""
_STORED_AS = {Kind.NOT_REACHED: Kind.WARNING}
"""Kinds that the labelyard before does not know, which may run beside this one and read the table. Drop it later."""


@dataclass(frozen=True)
class DueMessage:
    """A message that this process has the right to send."""

    alert: int
    channel: str
    kind: MessageKind
    message: Message
    leased_until: datetime


def update(tx: Transaction, causes: Iterable[Cause], channels: Collection[str]) -> None:
    """Let every channel have an alert for each cause, and mark those whose cause is absent.

    Alerts that ended before anything was sent are deleted. Those of a channel that this machine does not know stay for
    some days: if it has other settings than the rest, nothing must be sent again.
    """
    now, present = tx.now, {cause.key: cause for cause in causes}
    known = set()
    for row in _locked(tx):
        known.add((row.key, row.channel))
        if cause := present.get(row.key):
            row.what, row.next_step, row.over_at = cause.what, cause.next_step, None
        else:
            row.over_at = row.over_at or now
            if is_forgettable(_state(row), now) or now - row.over_at > _OUTDATED:
                tx.delete(row)
    for cause in present.values():
        for channel in sorted(channels):
            if (cause.key, channel) not in known:
                _insert(tx, cause, channel)


def acquire_due(tx: Transaction, quiet: Mapping[str, bool], remind: timedelta) -> DueMessage | None:
    """Lease the oldest message that is due, None if there is none; `quiet` says of each channel whether it is night.

    Channels that failed wait, longer each time.
    """
    now = tx.now
    waiting = {row.name for row in tx.scalars(select(AlertChannel)) if row.not_before and row.not_before > now}
    free = or_(Alert.leased_until.is_(None), Alert.leased_until <= now)
    for row in tx.scalars(select(Alert).where(free).order_by(Alert.id)).all():
        if row.channel not in quiet or row.channel in waiting:
            continue
        kind = due_message(_state(row), now, remind, quiet=quiet[row.channel])
        if kind is not None and _lease(tx, row, now):
            return DueMessage(row.id, row.channel, kind, _compose(row, kind, now), now + LEASE)
    return None


def record_sent(tx: Transaction, due: DueMessage) -> None:
    """Record that the channel has accepted a message. After the last one the alert is deleted."""
    now = tx.now
    _channel(tx, due.channel).record_accepted(now)
    row = _leased(tx, due)
    if row is None:
        return
    if due.kind is MessageKind.OVER and row.over_at is not None:
        tx.delete(row)
        return
    # A cause that returned while its end was sent is a new one.
    row.sent, row.sent_at = (0, None) if due.kind is MessageKind.OVER else (row.sent + 1, now)
    row.leased_until = None


def record_failure(tx: Transaction, due: DueMessage, error: str) -> None:
    """Record that the channel did not accept a message: it is sent again later."""
    _channel(tx, due.channel).record_refused(tx.now, error)
    row = _leased(tx, due)
    if row is not None:
        row.leased_until = None


def channels(tx: Transaction) -> Mapping[str, AlertChannel]:
    """Return how sending to each channel last went, by name."""
    return {row.name: row for row in tx.scalars(select(AlertChannel))}


def all_alerts(tx: Transaction) -> Sequence[Alert]:
    """Return every alert, the oldest first."""
    return tx.scalars(select(Alert).order_by(Alert.id)).all()


def _locked(tx: Transaction) -> Sequence[Alert]:
    return tx.scalars(select(Alert).order_by(Alert.id).with_for_update()).all()


def _insert(tx: Transaction, cause: Cause, channel: str) -> None:
    kind = _STORED_AS.get(cause.kind, cause.kind)
    values = {
        "key": cause.key, "channel": channel, "kind": kind, "dataset": cause.dataset, "what": cause.what,
        "next_step": cause.next_step, "since": cause.since, "sent": 0,
    }  # fmt: skip
    tx.execute(dialect_insert(tx, Alert).values(**values).on_conflict_do_nothing())


def _lease(tx: Transaction, row: Alert, now: datetime) -> bool:
    leased = tx.execute(
        update_rows(Alert)
        .where(Alert.id == row.id, Alert.sent == row.sent, or_(Alert.leased_until.is_(None), Alert.leased_until <= now))
        .values(leased_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(leased, CursorResult)
    return leased.rowcount == 1


def _leased(tx: Transaction, due: DueMessage) -> Alert | None:
    """Lock and return the alert of a message; None if the lease is another process's now, or the alert is deleted."""
    query = select(Alert).where(Alert.id == due.alert, Alert.leased_until == due.leased_until)
    return tx.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()


def _channel(tx: Transaction, name: str) -> AlertChannel:
    tx.execute(dialect_insert(tx, AlertChannel).values(name=name, failures=0).on_conflict_do_nothing())
    return tx.get_one(AlertChannel, name, with_for_update=True, populate_existing=True)


def _state(row: Alert) -> AlertState:
    return AlertState(row.sent, row.sent_at, row.over_at)


def _compose(row: Alert, kind: MessageKind, now: datetime) -> Message:
    return compose(
        kind,
        cause_kind=row.kind,
        dataset=row.dataset,
        what=row.what,
        next_command=row.next_step,
        since=row.since,
        now=now,
    )
