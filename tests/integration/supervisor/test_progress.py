"""The progress of the work, read from a ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labelyard.ledger import Ledger, history
from labelyard.supervisor.progress import Observer


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def test_only_new_events_are_shown_and_each_once(ledger: Ledger) -> None:
    _record(ledger, "old")
    observer = Observer(ledger, only_new=True)
    assert observer.snapshot().events == []
    _record(ledger, "new")
    assert [(event.about, event.what) for event in observer.snapshot().events] == [("street", "new")]
    assert observer.snapshot().events == []


def test_without_only_new_the_history_is_shown_from_its_beginning(ledger: Ledger) -> None:
    _record(ledger, "old")
    assert [event.what for event in Observer(ledger).snapshot().events] == ["old"]


def _record(ledger: Ledger, what: str) -> None:
    with ledger.transaction() as tx:
        history.record(tx, what, "a reason", dataset="street")
