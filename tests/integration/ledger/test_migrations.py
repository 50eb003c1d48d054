"""Ledgers of every earlier revision, with rows in every table, become ledgers of today."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select, text

from labelyard.config import DatasetSpec, TaskSection
from labelyard.domain.states import BatchState, Event
from labelyard.errors import LedgerBehind, LedgerError
from labelyard.ledger import (
    Ledger,
    Transaction,
    batches,
    datasets,
    dead_letters,
    history,
    objects,
    outbox,
    upgrade,
)
from labelyard.ledger.declarative import Table
from labelyard.ledger.engine import open_engine, parse_url
from labelyard.ledger.migration import alembic_config
from labelyard.ledger.overview import overview
from labelyard.ledger.server_tables import CircuitBreaker
from labelyard.ledger.tables import Batch, Dataset, DatasetVersion, History, Job, Object, Task
from tests.support import earlier_ledgers
from tests.support.earlier_ledgers import STATES, batch_of, create_ledger, insert_rows, revisions, sample_batch
from tests.support.ledger_samples import apply, dataset_spec

EARLIER = revisions()[:-1]
QUICK = {EARLIER[0], EARLIER[-1]}


@pytest.mark.parametrize(
    "revision", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in EARLIER]
)
def test_a_ledger_of_an_earlier_revision_is_upgraded_and_all_of_it_is_read(empty_database: str, revision: str) -> None:
    written = create_ledger(empty_database, revision)
    with pytest.raises(LedgerBehind, match=f"has schema {revision}, this labelyard needs"):
        Ledger(empty_database)
    upgrade(empty_database)
    ledger = Ledger(empty_database)
    with ledger.transaction() as tx:
        check_rows(tx, written)
        check_batches(tx)
        check_objects_tasks_and_jobs(tx)
        check_datasets(tx)
        check_the_rest(tx)
    with ledger.transaction() as tx:
        [spec] = [one for one in datasets.current(tx) if one.name == "street"]
        assert spec.overwrites == "quarantine"
        assert datasets.apply(tx, spec) == (2, False), "the unchanged file in the new terms is no new version"
        assert batches.retry(tx, batches.get(tx, batch_of("failed"), lock=True)) is Event.BATCH_CLOSED
        assert batches.get(tx, batch_of("failed")).event_count == 2
    ledger.close()


def check_rows(tx: Transaction, written: dict[str, int]) -> None:
    read = {
        mapper.class_.__tablename__: len(tx.scalars(select(mapper.class_)).all()) for mapper in Table.registry.mappers
    }
    renamed = {"circuit_breaker": written.get("breaker", 1), "category": 5}  # 0002 derives categories from documents
    of_alerts = ("problem", "alert", "alert_channel", "sign_of_life", "running_process")
    of_checks = ("review", "review_verdict", "quality_job", "quality_report", "preannotation", "absence")
    of_people = ("job_notice", "person_channel")
    later = dict.fromkeys(
        ("release", "released_image", "outage", *of_alerts, *of_checks, *of_people), 0
    )  # from 0012 on
    assert read == later | {name: number for name, number in written.items() if name != "breaker"} | renamed


def check_batches(tx: Transaction) -> None:
    rows = {row.id: row for row in tx.scalars(select(Batch))}
    assert {batch_of(old): rows[batch_of(old)].state for old in STATES} == {
        batch_of(old): BatchState(new) for old, new in STATES.items()
    }
    assert rows[batch_of("failed")].resume_state is BatchState.UPLOADED
    assert rows["street-00013"].resume_state is BatchState.ARCHIVED
    uploaded = rows[batch_of("uploaded")]
    assert (uploaded.leased_by, uploaded.leased_until) == ("host:1:run", earlier_ledgers.START)
    assert (uploaded.event_count, uploaded.last_event_at) == (1, earlier_ledgers.START)
    seen = overview(tx)
    assert len(seen.batches) == len(rows)
    assert seen.failing_servers == {"other": "no answer"}
    assert seen.paused == {"alley": "holidays"}
    assert seen.dead_letters == 1
    assert seen.quarantined == {}, "it is deleted in the bucket"
    [deleted] = objects.of_key(tx, "incoming", "street/c.jpg")
    assert deleted.quarantine_reason == "a new content of what is labelled"
    [quarantined] = [one for one in seen.batches if one.state is BatchState.QUARANTINED]
    assert quarantined.quarantined == {
        "s3://incoming/street/b.jpg": "no image",
        "s3://incoming/street/d.jpg": "manually: blurred",
    }


def check_objects_tasks_and_jobs(tx: Transaction) -> None:
    marker, moved = tx.get_one(Object, 91), tx.get_one(Object, 93)
    assert (marker.registered_via, marker.batch_id, marker.registered_at) == ("sweep", None, earlier_ledgers.START)
    assert moved.deleted_at is not None
    found = {(row.batch_id, row.attempt): (row.state, row.abandon_reason) for row in tx.scalars(select(Task))}
    assert found[batch_of("assigned"), 2] == ("verified", None)
    assert found[batch_of("uploaded"), 2] == ("uploading", None)
    assert found[batch_of("assigned"), 1] == ("abandoned", "forgotten by the server")
    job = tx.get_one(Job, 1)
    assert (job.chosen_assignee, job.choice_reason) == ("ann", "round robin, turn 1 over 2")
    assert (job.assignee, job.manual) == ("bob", True)


def check_datasets(tx: Transaction) -> None:
    street = tx.get_one(Dataset, "street")
    assert (street.last_batch_number, street.jobs_assigned) == (13, 4)
    for row in tx.scalars(select(DatasetVersion)):
        assert "set_aside" not in str(row.document)
        assert row.sha256 == earlier_ledgers.sha256(row.document)
        assert datasets.spec(tx, row.dataset, row.number).assignment.policy == "round_robin"
    assert datasets.categories(tx, "street") == {"car": 1, "person": 2, "truck": 3}


def check_the_rest(tx: Transaction) -> None:
    assert tx.get_one(History, 2).reason == "manually: not needed"
    assert [row.batch_id for row, _ in outbox.unpublished(tx)] == [batch_of("closed")]
    assert [letter.first_line for letter in dead_letters.waiting(tx)] == ["\N{REPLACEMENT CHARACTER} one"]
    assert [entry.what for entry in history.of_batch(tx, batch_of("abandoned"))] == ["abandoned"]
    assert tx.get_one(CircuitBreaker, "other").failures == 3


def test_migrations_and_tables_agree(empty_database: str) -> None:
    upgrade(empty_database)
    ledger = Ledger(empty_database)
    with ledger.transaction() as tx:
        context = MigrationContext.configure(tx.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Table.metadata) == []
    ledger.close()


def test_a_downgraded_ledger_keeps_the_ids_of_labels_when_it_is_upgraded_again(empty_database: str) -> None:
    upgrade(empty_database)
    ledger = Ledger(empty_database)
    for name, *versions in (("street", ["car", "person"], ["truck", "person"]), ("alley", ["truck"])):
        for labels in versions:
            task = TaskSection.model_validate({"labels": labels})
            apply(ledger, dataset_spec(name).model_copy(update={"task": task}))
    with ledger.transaction() as tx:
        command.downgrade(alembic_config(tx.connection()), "0001")
    ledger.close()
    upgrade(empty_database)
    ledger = Ledger(empty_database)
    with ledger.read_only() as tx:
        assert datasets.categories(tx, "street") == {"car": 1, "person": 2, "truck": 3}
        assert datasets.categories(tx, "alley") == {"truck": 1}
    ledger.close()


def test_a_dataset_document_without_the_fields_of_today_is_no_new_version(ledger: Ledger, spec: DatasetSpec) -> None:
    with ledger.transaction() as tx:
        row = tx.get_one(DatasetVersion, ("street", 1))
        row.document = {name: value for name, value in row.document.items() if name != "assignment"}
    assert apply(ledger, spec) == (1, False)
    assert apply(ledger, dataset_spec(max_objects=5)) == (2, True)


VIOLATIONS = {
    "several open batches: street-00001, street-00014": {"batch": [sample_batch(14, "open")]},
    "batch street-00006 has several tasks that are not abandoned: the rows 4, 9": {
        "task": [earlier_ledgers.sample_rows()["task"][6] | {"id": 9, "attempt": 3}]
    },
}


@pytest.mark.parametrize("error", VIOLATIONS)
def test_rows_that_violate_a_constraint_stop_the_upgrade_with_their_ids(empty_database: str, error: str) -> None:
    earlier_ledgers.create_ledger(empty_database, "0005")
    engine = open_engine(parse_url(empty_database))
    with engine.begin() as connection:
        insert_rows(connection, "0005", VIOLATIONS[error])
        before = count(connection)
    with pytest.raises(LedgerError, match=error) as caught:
        upgrade(empty_database)
    assert caught.value.next_step
    with engine.begin() as connection:
        assert count(connection) == before
        assert connection.scalar(text("select version_num from alembic_version")) == "0005"
    engine.dispose()


def count(connection: Connection) -> list[int | None]:
    return [connection.scalar(select(func.count()).select_from(text(name))) for name in ("batch", "task", "job")]
