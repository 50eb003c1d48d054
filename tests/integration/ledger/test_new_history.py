"""Reading the history's new entries."""

from __future__ import annotations

from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger
from labelyard.ledger.history import record
from labelyard.ledger.new_history import NewHistory
from labelyard.ledger.tables import History
from tests.support.ledger_samples import Clock


def read(ledger: Ledger, new: NewHistory) -> list[str]:
    with ledger.read_only() as tx:
        entries = new.read(tx)
    new.advance()
    return [entry.what for entry in entries]


def write(ledger: Ledger, *what: str) -> None:
    with ledger.transaction() as tx:
        for one in what:
            record(tx, one, "", dataset="street")


def test_each_new_entry_is_read_once_and_no_older_one(ledger: Ledger, spec: DatasetSpec, clock: Clock) -> None:
    write(ledger, "before")
    new = NewHistory()
    assert read(ledger, new) == []
    write(ledger, "first", "second")
    assert read(ledger, new) == ["first", "second"]
    assert read(ledger, new) == []
    clock.advance(minutes=5)
    write(ledger, "third")
    assert [read(ledger, new) for _ in range(3)] == [["third"], [], []]


def test_entries_whose_reading_was_not_completed_are_read_again(ledger: Ledger, spec: DatasetSpec) -> None:
    new = NewHistory()
    read(ledger, new)
    write(ledger, "first")
    with ledger.read_only() as tx:
        assert [entry.what for entry in new.read(tx)] == ["first"]
    write(ledger, "second")
    assert [read(ledger, new), read(ledger, new)] == [["first", "second"], []]


def test_an_entry_that_becomes_visible_after_one_with_a_larger_number_is_read_too(
    ledger: Ledger, spec: DatasetSpec
) -> None:
    new = NewHistory()
    read(ledger, new)
    with ledger.transaction() as tx:
        tx.add(History(id=1000, at=tx.now, dataset="street", what="committed first", reason=""))
    assert read(ledger, new) == ["committed first"]
    with ledger.transaction() as tx:
        tx.add(History(id=999, at=tx.now, dataset="street", what="committed later", reason=""))
    assert [read(ledger, new), read(ledger, new)] == [["committed later"], []]
