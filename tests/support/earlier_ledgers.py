"""Ledgers as earlier revisions of the schema left them, with rows in every table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Integer, MetaData, Table, func, select

from labelyard.ledger.engine import open_engine, parse_url
from labelyard.ledger.migration import alembic_config

Row = dict[str, Any]
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEDGER_ID = "0123456789abcdef0123456789abcdef"

STATES = {
    "open": "open", "closed": "closed", "created": "created", "uploaded": "uploaded", "ready": "ready",
    "assigned": "assigned", "completed": "completed", "exported": "exported", "released": "archived",
    "failed": "failed", "set_aside": "quarantined", "abandoned": "cancelled",
}  # fmt: skip
"""The states of a batch at revision 0001, and today."""


def revisions() -> list[str]:
    """Return all revisions, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]


def create_ledger(url: str, revision: str) -> dict[str, int]:
    """Create a ledger at a revision with rows in every table; return the number of rows by table."""
    engine = open_engine(parse_url(url))
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), revision)
            return insert_rows(connection, revision, sample_rows())
    finally:
        engine.dispose()


def insert_rows(connection: Connection, revision: str, rows: dict[str, list[Row]]) -> dict[str, int]:
    """Insert rows of revision 0001 as this revision would have written them."""
    found = MetaData()
    found.reflect(connection)
    counts = {}
    for name, of_table in rows.items():
        table = found.tables.get("circuit_breaker" if name == "breaker" and revision >= "0005" else name)
        if table is not None:
            written = [_as_written(row, name, revision, set(table.columns.keys())) for row in of_table]
            connection.execute(table.insert(), written)
            counts[table.name] = len(written)
            if "id" in table.columns and isinstance(table.c.id.type, Integer):
                _advance_sequence(connection, table)
    return counts


def _advance_sequence(connection: Connection, table: Table) -> None:
    """Let the next id that PostgreSQL gives follow those that were written."""
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, "id")
        connection.execute(select(func.setval(sequence, select(func.max(table.c.id)).scalar_subquery())))


def _as_written(row: Row, table: str, revision: str, columns: set[str]) -> Row:
    terms: Any = ScriptDirectory.from_config(alembic_config()).get_revision("0005")
    if revision >= terms.revision:
        values = {(t, column, old): new for t, column, old, new in terms.module.STATES}
        row = {name: values.get((table, name, value), value) if isinstance(value, str) else value
               for name, value in row.items()}  # fmt: skip
        names = {(t, old): new for t, old, new in terms.module.COLUMNS}
        row = {names.get((table, name), name): value for name, value in row.items()}
        reasons = {column for of_table, column in terms.module.REASONS if of_table == table}
        row |= {name: row[name].replace(*terms.module.MANUALLY) for name in reasons if row[name]}
        if table == "dataset_version":
            row |= _version(row["dataset"], row["number"], _with_new_overwrites(row["document"]))
    if revision >= "0011" and table == "dataset_version":
        row |= _version(row["dataset"], row["number"], _without_export_format(row["document"]))
    return {name: value for name, value in row.items() if name in columns}


def _with_new_overwrites(document: Row) -> Row:
    return document | {"overwrites": document["overwrites"].replace("set_aside", "quarantine")}


def _without_export_format(document: Row) -> Row:
    return document | {"export": {name: value for name, value in document["export"].items() if name != "format"}}


def document(name: str, overwrites: str, labels: tuple[str, ...] = ("car",)) -> Row:
    """Return the document of a dataset file as revision 0001 stored it."""
    label: Row = {"color": None, "attributes": []}
    return {
        "name": name, "description": "", "cvat": "default", "annotators": ["ann", "bob"],
        "sources": [{"bucket": "incoming", "prefix": f"{name}/", "include": ["*.jpg", "*.png"], "exclude": []}],
        "batch": {"max_objects": 3, "max_bytes": 2147483648, "quiet": "1m", "max_age": "1h", "marker": "_SUCCESS"},
        "task": {
            "labels": [{"name": one, **label} for one in labels], "segment_size": 0, "overlap": None,
            "image_quality": 70, "chunk_size": None, "z_order": False, "bug_tracker": "", "upload": "stream",
            "inspect": True, "share_prefix": "",
        },
        "export": {"format": "COCO 1.0", "bucket": None, "prefix": f"datasets/{name}/"},
        "overwrites": overwrites, "deletions": "keep",
    }  # fmt: skip


def sha256(document: Row) -> str:
    """Return the hash that the ledger stores with a document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _version(dataset: str, number: int, stored: Row) -> Row:
    return {"dataset": dataset, "number": number, "document": stored, "sha256": sha256(stored), "applied_at": START}


def sample_rows() -> dict[str, list[Row]]:
    """Return rows for every table in the terms of revision 0001, and for the columns that came before 0005."""
    later = START + timedelta(hours=1)
    return {
        "ledger": [{"id": LEDGER_ID, "created_at": START}],
        "dataset": [
            {"name": "street", "version": 2, "batches": 13, "turn": 4, "paused_at": None, "paused_why": None},
            {"name": "alley", "version": 1, "batches": 0, "turn": 0, "paused_at": later, "paused_why": "holidays"},
            {"name": "canal", "version": 1, "batches": 0, "turn": 0, "paused_at": None, "paused_why": None,
             "retired_at": later},
        ],
        "dataset_version": [
            _version("street", 1, document("street", "set_aside", ("car", "person"))),
            _version("street", 2, document("street", "set_aside", ("truck", "person"))),
            _version("alley", 1, document("alley", "relabel")),
            _version("canal", 1, document("canal", "ignore")),
        ],
        "category": [
            {"dataset": "street", "name": "car", "number": 1}, {"dataset": "street", "name": "person", "number": 2},
            {"dataset": "street", "name": "truck", "number": 3}, {"dataset": "alley", "name": "car", "number": 1},
            {"dataset": "canal", "name": "car", "number": 1},
        ],
        "batch": [*_batches(later)],
        "object": [*_objects(later)],
        "task": [*_tasks(later)],
        "job": [
            {"id": 1, "batch_id": batch_of("assigned"), "server_id": 70, "start_frame": 0, "stop_frame": 0,
             "status": "annotation", "status_since": START, "chosen": "ann", "reason": "round robin, turn 1 over 2",
             "assignee": "bob", "by_hand": True},
            {"id": 2, "batch_id": batch_of("exported"), "server_id": 71, "start_frame": 0, "stop_frame": 1,
             "status": "completed", "status_since": START, "chosen": "bob", "reason": "round robin, turn 2 over 2",
             "assignee": "bob", "by_hand": False},
        ],
        "export": [
            {"id": generation, "batch_id": batch_of("exported"), "generation": generation, "bucket": "incoming",
             "key": f"datasets/street/street-00008-g{generation}.json", "sha256": "0" * 64, "source": "annotations",
             "images": 1, "annotations": 2, "task_updated": "2026-01-01", "tries": 1, "exported_at": START,
             "current": generation == 2, "format": "coco"}
            for generation in (1, 2)
        ],
        "history": [
            {"id": 1, "at": START, "dataset": "street", "batch_id": batch_of("open"), "object_id": 1, "what": "landed",
             "reason": "told by sqs, into batch street-00001"},
            {"id": 2, "at": START, "dataset": "street", "batch_id": batch_of("abandoned"), "object_id": None,
             "what": "abandoned", "reason": "by hand: not needed"},
        ],
        "outbox": [
            {"id": 1, "event": "labelyard.batch.closed", "batch_id": batch_of("closed"), "attempt": 1,
             "written_at": START, "sent_at": None, "error": None},
            {"id": 2, "event": "labelyard.batch.closed", "batch_id": batch_of("ready"), "attempt": 1,
             "written_at": START, "sent_at": later, "error": None},
        ],
        "dead_letter": [
            {"id": 1, "at": START, "source": "sqs", "reason": "no JSON", "body": b"\xff one\ntwo",
             "sent_again_at": None},
            {"id": 2, "at": START, "source": "sqs", "reason": "no JSON", "body": b"two", "sent_again_at": later},
            {"id": 3, "at": START, "source": "sqs", "reason": "no JSON", "body": b"three", "sent_again_at": later,
             "discarded_at": later},
        ],
        "breaker": [{"cvat": "other", "failures": 3, "since": START, "open_until": later, "error": "no answer"}],
    }  # fmt: skip


def batch_of(state: str) -> str:
    """Return the id of the sample batch in a state of revision 0001."""
    return f"street-{list(STATES).index(state) + 1:05d}"


def sample_batch(number: int, state: str, resume_state: str | None = None) -> Row:
    """Return a batch of the dataset street in the terms of revision 0001."""
    closed = state != "open"
    return {
        "id": f"street-{number:05d}", "dataset": "street", "version": 2, "number": number, "state": state,
        "resume_state": resume_state, "objects": 1, "bytes": 10, "opened_at": START, "last_landed_at": START,
        "closed_at": START if closed else None, "close_reason": "it holds 1 objects" if closed else None,
        "cvat": "default" if closed else None, "task_name": f"street-{number:05d} 0123456789" if closed else None,
        "claimed_by": "host:1:run" if state == "uploaded" else None,
        "lease_until": START if state == "uploaded" else None, "not_before": None,
        "attempts": int(state == "failed"), "announcements": int(closed), "announced_at": START if closed else None,
        "error": "broken" if state == "failed" else None, "next_step": None, "warning": None, "changed_at": START,
    }  # fmt: skip


def _batches(later: datetime) -> Iterator[Row]:
    for number, state in enumerate(STATES, start=1):
        yield sample_batch(number, state, "uploaded" if state == "failed" else None)
    yield sample_batch(len(STATES) + 1, "failed", "released") | {"not_before": later, "warning": "no user eve"}


def _objects(later: datetime) -> Iterator[Row]:
    for number, state in enumerate(STATES, start=1):
        yield {
            "id": number, "dataset": "street", "bucket": "incoming", "key": f"street/{number}.jpg", "etag": "e",
            "version_id": None, "size": 10, "landed_at": START, "via": "sqs", "batch_id": batch_of(state),
            "upload_name": f"{number}.jpg" if state in ("assigned", "exported") else None, "width": 4, "height": 3,
            "exif_orientation": None, "sha256": None, "refused": None, "gone_at": None,
        }  # fmt: skip
    alone = {"dataset": "street", "bucket": "incoming", "etag": "e", "version_id": "v1", "size": 0, "via": "sweep",
             "landed_at": START, "upload_name": None, "width": None, "height": None, "exif_orientation": None,
             "sha256": None}  # fmt: skip
    yield alone | {"id": 91, "key": "street/_SUCCESS", "batch_id": None, "refused": None, "gone_at": None}
    yield alone | {"id": 92, "key": "street/b.jpg", "batch_id": batch_of("set_aside"), "refused": "no image",
                   "gone_at": None}  # fmt: skip
    yield alone | {"id": 94, "key": "street/d.jpg", "batch_id": batch_of("set_aside"), "refused": "by hand: blurred",
                   "gone_at": None}  # fmt: skip
    yield alone | {"id": 93, "key": "street/c.jpg", "batch_id": None, "refused": "a new content of what is labelled",
                   "gone_at": later}  # fmt: skip


def _tasks(later: datetime) -> Iterator[Row]:
    states = {"closed": "planned", "created": "created", "uploaded": "uploading", "assigned": "proved",
              "exported": "proved"}  # fmt: skip
    for number, (batch, state) in enumerate(states.items(), start=1):
        made = state != "planned"
        yield {
            "id": number, "batch_id": batch_of(batch), "attempt": 2, "name": f"{batch_of(batch)} 0123456789 #2",
            "state": state, "cvat": "default", "server_id": 50 + number if made else None,
            "url": "http://cvat/tasks/50" if made else None, "files": 1, "request_id": "",
            "upload_begun_at": later if state == "uploading" else None, "reason": None,
        }  # fmt: skip
        yield {
            "id": 20 + number, "batch_id": batch_of(batch), "attempt": 1, "name": f"{batch_of(batch)} 0123456789",
            "state": "abandoned", "cvat": "default", "server_id": 20 + number, "url": None, "files": None,
            "request_id": None, "upload_begun_at": None, "reason": "forgotten by the server",
        }  # fmt: skip
