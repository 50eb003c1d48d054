"""The progress of the work, read from a ledger."""

from __future__ import annotations

from labelyard.ledger import Ledger, history
from labelyard.supervisor.progress import Observer


def test_only_new_events_are_shown_and_each_once(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    _record(ledger, "old")
    observer = Observer(ledger, only_new=True)
    assert observer.snapshot().events == []
    _record(ledger, "new")
    assert [(event.about, event.what) for event in observer.snapshot().events] == [("street", "new")]
    assert observer.snapshot().events == []
    ledger.close()


def test_without_only_new_the_history_is_shown_from_its_beginning(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    _record(ledger, "old")
    assert [event.what for event in Observer(ledger).snapshot().events] == ["old"]
    ledger.close()


def _record(ledger: Ledger, what: str) -> None:
    with ledger.transaction() as tx:
        history.record(tx, what, "a reason", dataset="street")
