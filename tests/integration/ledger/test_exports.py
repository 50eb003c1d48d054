"""Exports in the ledger: generations of each batch and format, one of them current; the database makes sure of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import IntegrityError

from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger, exports
from labelyard.ledger.migration import alembic_config
from labelyard.ledger.tables import Batch, Export
from tests.support.ledger_samples import Clock, closed_batch


@pytest.fixture
def batch(ledger: Ledger, spec: DatasetSpec) -> Batch:
    return closed_batch(ledger, spec)


def an_export(batch: Batch, format_name: str, generation: int) -> Export:
    return Export(
        batch_id=batch.id, format=format_name, generation=generation, bucket="out", key=f"{format_name}-g{generation}",
        sha256="0", other_files={}, source="export", images=1, annotations=1, task_updated="", tries=1, current=False,
    )  # fmt: skip


def add(ledger: Ledger, export: Export) -> None:
    with ledger.transaction() as tx:
        exports.finish(tx, exports.add_unfinished(tx, export).id)


def current_generations(ledger: Ledger, batch: Batch) -> dict[str, int | None]:
    with ledger.read_only() as tx:
        found = {name: exports.current(tx, batch.id, name) for name in ("coco", "yolo")}
    return {name: export.generation if export else None for name, export in found.items()}


def test_the_newest_export_of_each_format_is_current(ledger: Ledger, batch: Batch) -> None:
    add(ledger, an_export(batch, "coco", 1))
    assert current_generations(ledger, batch) == {"coco": 1, "yolo": None}
    add(ledger, an_export(batch, "yolo", 1))
    add(ledger, an_export(batch, "coco", 2))
    assert current_generations(ledger, batch) == {"coco": 2, "yolo": 1}


def test_the_latest_exports_are_those_of_the_newest_state_of_the_task_in_any_format(
    ledger: Ledger, batch: Batch, clock: Clock
) -> None:
    with ledger.read_only() as tx:
        assert exports.latest(tx, batch.id) == []
    for number, (name, updated) in enumerate([("yolo", "1"), ("voc", "1"), ("coco", "2"), ("voc", "2")]):
        row = an_export(batch, name, number + 1)
        row.task_updated = updated
        add(ledger, row)
        clock.advance(seconds=1)
    with ledger.read_only() as tx:
        assert [(one.format, one.task_updated) for one in exports.latest(tx, batch.id)] == [("voc", "2"), ("coco", "2")]


def test_the_formats_of_a_batch_share_their_generations(ledger: Ledger, batch: Batch) -> None:
    add(ledger, an_export(batch, "coco", 1))
    add(ledger, an_export(batch, "yolo", 1))
    with ledger.read_only() as tx:
        assert exports.next_generation(tx, batch.id) == 2


def test_a_file_is_recorded_before_its_export_is_finished(ledger: Ledger, batch: Batch) -> None:
    with ledger.transaction() as tx:
        exports.add_unfinished(tx, an_export(batch, "coco", 1))
    with ledger.transaction() as tx:
        exports.add_unfinished(tx, an_export(batch, "coco", 1))
        other = an_export(batch, "coco", 1)
        other.key = "coco-g1-of-other-bytes"
        exports.finish(tx, exports.add_unfinished(tx, other).id)
    with ledger.read_only() as tx:
        assert [export.key for export in exports.unfinished(tx, batch.id)] == ["coco-g1"]
        assert [export.key for export in exports.of_batch(tx, batch.id)] == ["coco-g1-of-other-bytes"]
        assert exports.next_generation(tx, batch.id) == 2


def test_a_second_current_export_of_a_batch_and_format_is_rejected(ledger: Ledger, batch: Batch) -> None:
    add(ledger, an_export(batch, "coco", 1))
    second = an_export(batch, "coco", 2)
    second.current = True
    with pytest.raises(IntegrityError), ledger.transaction() as tx:
        tx.add(second)


def test_a_second_export_of_the_same_generation_is_rejected(ledger: Ledger, batch: Batch) -> None:
    add(ledger, an_export(batch, "coco", 1))
    second = an_export(batch, "coco", 1)
    second.exported_at = Clock().now
    with pytest.raises(IntegrityError), ledger.transaction() as tx:
        tx.add(second)


# --- migration 0006 ---------------------------------------------------------------------------------------------------


@contextmanager
def connected(empty_database: str) -> Iterator[Connection]:
    url = make_url(empty_database)
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


EXPORT_AT_0005 = (
    "INSERT INTO export (id, batch_id, generation, bucket, key, sha256, source, images, annotations, task_updated,"
    " tries, exported_at, current) VALUES (:id, 'street-00001', :generation, 'out', 'k', '0', 'export', 1, 1, '', 1,"
    " '2026-01-01 12:00:00', :current)"
)


def fill_at_0005(connection: Connection, *current: bool) -> None:
    """Migrate to revision 0005 and add a batch with as many exports."""
    command.upgrade(alembic_config(connection), "0005")
    now = "'2026-01-01 12:00:00'"
    dataset = "INSERT INTO dataset (name, version, last_batch_number, jobs_assigned) VALUES ('street', 1, 1, 0)"
    connection.execute(text(dataset))
    connection.execute(
        text(
            "INSERT INTO batch (id, dataset, version, number, state, objects, bytes, opened_at, last_registered_at,"
            " attempts, event_count, changed_at)"
            f" VALUES ('street-00001', 'street', 1, 1, 'exported', 1, 1, {now}, {now}, 0, 0, {now})"
        )
    )
    for number, is_current in enumerate(current, 1):
        connection.execute(text(EXPORT_AT_0005), {"id": number, "generation": number, "current": is_current})


def rows(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM export ORDER BY id"))]


def test_existing_exports_become_coco_and_stay_current(empty_database: str) -> None:
    with connected(empty_database) as connection:
        fill_at_0005(connection, False, True)
        command.upgrade(alembic_config(connection), "0006")
        assert rows(connection, "generation, format, current") == [(1, "coco", False), (2, "coco", True)]


def test_of_two_current_exports_only_the_newer_stays_current(empty_database: str) -> None:
    with connected(empty_database) as connection:
        fill_at_0005(connection, True, True)
        command.upgrade(alembic_config(connection), "0006")
        assert rows(connection, "generation, current") == [(1, False), (2, True)]


def test_a_downgrade_keeps_the_coco_exports_alone(empty_database: str) -> None:
    with connected(empty_database) as connection:
        fill_at_0005(connection, False, True)
        command.upgrade(alembic_config(connection), "0006")
        added = EXPORT_AT_0005.replace("(id,", "(format, id,").replace("(:id", "('yolo', :id")
        connection.execute(text(added), {"id": 3, "generation": 1, "current": True})
        command.downgrade(alembic_config(connection), "0005")
        assert rows(connection, "generation, current") == [(1, False), (2, True)]
