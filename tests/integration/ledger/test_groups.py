"""`batch: {group_by: folder}`: the objects of each folder have an open batch of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st

from labelyard.config import DatasetSpec
from labelyard.domain.batching import GroupBy, group_of, groups_of_marker
from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState
from labelyard.errors import LedgerError
from labelyard.ledger import Ledger, batches, objects
from labelyard.ledger.migration import alembic_config
from tests.support.ledger_samples import Clock, apply, dataset_spec, register


@pytest.fixture
def by_folder(ledger: Ledger) -> DatasetSpec:
    spec = dataset_spec(group_by="folder")
    apply(ledger, spec)
    return spec


def stored(key: str, size: int = 10) -> StoredObject:
    return StoredObject("incoming", f"street/{key}", "e", size)


def members(ledger: Ledger) -> dict[str, tuple[str, list[str]]]:
    with ledger.read_only() as tx:
        return {
            batch.id: (batch.state, [member.key.removeprefix("street/") for member in batches.members(tx, batch.id)])
            for batch in sorted(batches.in_states(tx, BatchState), key=lambda batch: batch.number)
        }


def marker(ledger: Ledger, spec: DatasetSpec, key: str) -> None:
    with ledger.transaction() as tx:
        objects.register_marker(tx, spec, stored(key, 0), "event")


def test_each_folder_has_an_open_batch_of_its_own_which_closes_when_it_is_full(
    ledger: Ledger, by_folder: DatasetSpec
) -> None:
    register(ledger, by_folder, *(stored(f"{drive}/{n}.jpg") for n in range(2) for drive in "ab"))
    register(ledger, by_folder, stored("a/2.jpg"), stored("a/3.jpg"))
    assert members(ledger) == {
        "street-00001": ("closed", ["a/0.jpg", "a/1.jpg", "a/2.jpg"]),
        "street-00002": ("open", ["b/0.jpg", "b/1.jpg"]),
        "street-00003": ("open", ["a/3.jpg"]),
    }


def test_a_marker_closes_the_batches_of_its_folder_and_those_below_it(ledger: Ledger, by_folder: DatasetSpec) -> None:
    register(ledger, by_folder, stored("day1/a/1.jpg"), stored("day1/b/1.jpg"), stored("day10/a/1.jpg"))
    marker(ledger, by_folder, "day1/_SUCCESS")
    assert [state for state, _ in members(ledger).values()] == ["closed", "closed", "open"]


def test_without_group_by_a_marker_in_any_folder_closes_the_open_batch(ledger: Ledger, spec: DatasetSpec) -> None:
    register(ledger, spec, stored("day1/1.jpg"), stored("day2/1.jpg"))
    marker(ledger, spec, "day2/_SUCCESS")
    assert members(ledger) == {"street-00001": ("closed", ["day1/1.jpg", "day2/1.jpg"])}


def test_a_batch_that_was_open_before_group_by_closes_by_its_rules(
    ledger: Ledger, spec: DatasetSpec, clock: Clock
) -> None:
    register(ledger, spec, stored("a/1.jpg"))
    grouped = dataset_spec(group_by="folder")
    apply(ledger, grouped)
    register(ledger, grouped, stored("a/2.jpg"))
    assert [keys for _, keys in members(ledger).values()] == [["a/1.jpg"], ["a/2.jpg"]]
    clock.advance(seconds=61)
    marker(ledger, grouped, "b/_SUCCESS")
    assert [state for state, _ in members(ledger).values()] == ["closed", "open"]


def test_two_open_batches_of_a_dataset_stop_a_downgrade_with_the_next_command(
    ledger: Ledger, by_folder: DatasetSpec
) -> None:
    register(ledger, by_folder, stored("a/1.jpg"), stored("b/1.jpg"))
    several = pytest.raises(LedgerError, match="dataset street has several open batches")
    with several as caught, ledger.transaction() as tx:
        command.downgrade(alembic_config(tx.connection()), "0007")
    assert caught.value.next_step == "labelyard close street"
    assert len(members(ledger)) == 2


names = st.text(st.sampled_from("ab/_"), min_size=1, max_size=6)


@given(names, names)
def test_a_marker_closes_the_group_of_every_object_below_its_folder_and_no_other(key: str, folder: str) -> None:
    rules = dataset_spec(group_by=GroupBy.FOLDER, quiet=timedelta(seconds=1)).batch
    obj, marker = StoredObject("b", key, "e"), StoredObject("b", f"{folder}/_SUCCESS", "e")
    closes = list(groups_of_marker([group_of(rules, obj)], marker))
    assert bool(closes) is key.startswith(f"{folder}/")
