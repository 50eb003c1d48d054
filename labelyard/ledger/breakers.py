"""Servers that fail again and again: left alone for a while, so that work waits in the ledger, not in failing runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, Select, delete, select, update
from sqlalchemy.orm import Session

from labelyard.ledger import Ledger, insert_unless_there
from labelyard.ledger.tables import Breaker

PATIENCE = 3
"""Failures in a row before a server is left alone."""
_FIRST_WAIT = timedelta(seconds=15)
_LONGEST_WAIT = timedelta(minutes=5)
_TRIAL = timedelta(seconds=30)


def failed(ledger: Ledger, session: Session, cvat: str, error: str) -> bool:
    """Count a failure that lies with the server, whoever met it; true when the server is left alone from now on."""
    now = ledger.now(session)
    first = insert_unless_there(session, Breaker).values(cvat=cvat, failures=0, since=now, error=error)
    session.execute(first.on_conflict_do_nothing())
    row = session.get_one(Breaker, cvat, with_for_update=True, populate_existing=True)
    row.failures, row.error = row.failures + 1, error
    beyond = row.failures - PATIENCE
    if beyond >= 0:
        row.open_until = now + min(_FIRST_WAIT * 2**beyond, _LONGEST_WAIT)
    return beyond == 0


def worked(session: Session, cvat: str) -> None:
    """The server has answered: all is well again."""
    session.execute(delete(Breaker).where(Breaker.cvat == cvat))


def may_try(ledger: Ledger, session: Session, cvat: str) -> Breaker | None:
    """None when a run may begin; else what keeps it from it. After the wait one run may try, and others wait for it."""
    row = session.get(Breaker, cvat, populate_existing=True)
    if row is None or row.open_until is None:
        return None
    now = ledger.now(session)
    trial = session.execute(
        update(Breaker)
        .where(Breaker.cvat == cvat, Breaker.open_until <= now)
        .values(open_until=now + _TRIAL)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(trial, CursorResult)
    return None if trial.rowcount else row


def shut(now: datetime) -> Select[tuple[str]]:
    """The servers that are left alone at this time, as a subquery."""
    return select(Breaker.cvat).where(Breaker.open_until > now)


def troubled(session: Session) -> Sequence[Breaker]:
    """The servers that are left alone, or were just now, with what they said."""
    return session.scalars(select(Breaker).where(Breaker.failures >= PATIENCE).order_by(Breaker.cvat)).all()
