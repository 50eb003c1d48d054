"""The database: one SQLite file, which stays readable when the process is killed at any moment.

Ids come from sequences, as in PostgreSQL: an insert that is rolled back has used its id up. A row that is written with
an id of its own does not advance the sequence, so a later insert fails when the sequence reaches that id.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.events import Events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA = """
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS user (
  id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, password TEXT NOT NULL, first_name TEXT NOT NULL,
  last_name TEXT NOT NULL, email TEXT NOT NULL, groups TEXT NOT NULL, is_staff INTEGER NOT NULL,
  is_superuser INTEGER NOT NULL, is_active INTEGER NOT NULL, last_login TEXT, date_joined TEXT NOT NULL,
  token TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS access_token (
  id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL UNIQUE,
  read_only INTEGER NOT NULL DEFAULT 1, expiry_date TEXT, last_used_date TEXT, created_date TEXT NOT NULL,
  updated_date TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS organization (
  id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
  contact TEXT NOT NULL DEFAULT '{}', owner INTEGER, created_date TEXT NOT NULL, updated_date TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS membership (
  id INTEGER PRIMARY KEY, organization_id INTEGER NOT NULL, user_id INTEGER, role TEXT NOT NULL,
  is_active INTEGER NOT NULL DEFAULT 0, joined_date TEXT, UNIQUE (user_id, organization_id));
CREATE INDEX IF NOT EXISTS membership_organization ON membership (organization_id);
CREATE TABLE IF NOT EXISTS invitation (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, membership_id INTEGER NOT NULL, owner INTEGER,
  created_date TEXT NOT NULL, sent_date TEXT);
CREATE INDEX IF NOT EXISTS invitation_membership ON invitation (membership_id);

CREATE TABLE IF NOT EXISTS project (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner INTEGER, assignee INTEGER, assignee_updated_date TEXT,
  bug_tracker TEXT NOT NULL DEFAULT '', status TEXT NOT NULL DEFAULT 'annotation', organization_id INTEGER,
  source_storage TEXT, target_storage TEXT, created_date TEXT NOT NULL, updated_date TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, mode TEXT NOT NULL DEFAULT '', owner INTEGER, assignee INTEGER,
  bug_tracker TEXT NOT NULL DEFAULT '', created_date TEXT NOT NULL, updated_date TEXT NOT NULL, overlap INTEGER,
  segment_size INTEGER NOT NULL DEFAULT 0, z_order INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'annotation', data_id INTEGER,
  project_id INTEGER, organization_id INTEGER, subset TEXT NOT NULL DEFAULT '', dimension TEXT NOT NULL DEFAULT '',
  assignee_updated_date TEXT, source_storage TEXT, target_storage TEXT,
  consensus_replicas INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS task_owner ON task (owner);
CREATE INDEX IF NOT EXISTS task_assignee ON task (assignee);
CREATE INDEX IF NOT EXISTS task_project ON task (project_id);
CREATE INDEX IF NOT EXISTS task_organization ON task (organization_id);
CREATE TABLE IF NOT EXISTS label (
  id INTEGER PRIMARY KEY, task_id INTEGER, name TEXT NOT NULL,
  project_id INTEGER, parent_id INTEGER NOT NULL DEFAULT 0, color TEXT NOT NULL DEFAULT '',
  type TEXT NOT NULL DEFAULT 'any', svg TEXT NOT NULL DEFAULT '', UNIQUE (task_id, name, parent_id));
CREATE INDEX IF NOT EXISTS label_project ON label (project_id);
CREATE INDEX IF NOT EXISTS label_parent ON label (parent_id);
CREATE TABLE IF NOT EXISTS attribute (
  id INTEGER PRIMARY KEY, label_id INTEGER NOT NULL, name TEXT NOT NULL, mutable INTEGER NOT NULL,
  input_type TEXT NOT NULL, default_value TEXT NOT NULL, "values" TEXT NOT NULL, UNIQUE (label_id, name));
CREATE TABLE IF NOT EXISTS data (
  id INTEGER PRIMARY KEY, chunk_size INTEGER, size INTEGER NOT NULL DEFAULT 0, image_quality INTEGER NOT NULL,
  start_frame INTEGER NOT NULL, stop_frame INTEGER NOT NULL, frame_filter TEXT NOT NULL,
  sorting_method TEXT NOT NULL DEFAULT 'lexicographical', storage TEXT NOT NULL DEFAULT 'local',
  storage_method TEXT NOT NULL DEFAULT 'cache', cloud_storage_id INTEGER, deleted_frames TEXT NOT NULL DEFAULT '[]',
  chunks_updated_date TEXT, validation_mode TEXT, validation TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS frame (
  data_id INTEGER NOT NULL, frame INTEGER NOT NULL, path TEXT NOT NULL, file TEXT NOT NULL,
  width INTEGER NOT NULL, height INTEGER NOT NULL, real_frame INTEGER, PRIMARY KEY (data_id, frame)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload (
  id INTEGER PRIMARY KEY, data_id INTEGER NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, key TEXT UNIQUE,
  length INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS upload_name ON upload (data_id, name);
CREATE TABLE IF NOT EXISTS server_file (
  id INTEGER PRIMARY KEY, data_id INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (data_id, name));
CREATE TABLE IF NOT EXISTS segment (
  id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, start_frame INTEGER NOT NULL, stop_frame INTEGER NOT NULL,
  type TEXT NOT NULL DEFAULT 'range', frames TEXT);
CREATE INDEX IF NOT EXISTS segment_task ON segment (task_id);
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY, segment_id INTEGER NOT NULL, task_id INTEGER NOT NULL, assignee INTEGER,
  status TEXT NOT NULL DEFAULT 'annotation', version INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL,
  type TEXT NOT NULL DEFAULT 'annotation', stage TEXT NOT NULL DEFAULT 'annotation', state TEXT NOT NULL DEFAULT 'new',
  parent_job_id INTEGER, created_date TEXT, updated_date TEXT, assignee_updated_date TEXT, source_storage TEXT,
  target_storage TEXT);
CREATE INDEX IF NOT EXISTS job_segment ON job (segment_id);
CREATE INDEX IF NOT EXISTS job_task ON job (task_id);
CREATE INDEX IF NOT EXISTS job_assignee ON job (assignee);
CREATE INDEX IF NOT EXISTS job_parent ON job (parent_job_id);
CREATE TABLE IF NOT EXISTS tag (
  id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL, position INTEGER);
CREATE INDEX IF NOT EXISTS tag_job ON tag (job_id);
CREATE TABLE IF NOT EXISTS shape (
  id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL, position INTEGER);
CREATE INDEX IF NOT EXISTS shape_job ON shape (job_id);
CREATE TABLE IF NOT EXISTS track (
  id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL, position INTEGER);
CREATE INDEX IF NOT EXISTS track_job ON track (job_id);
CREATE TABLE IF NOT EXISTS interval (
  id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL, position INTEGER);
CREATE INDEX IF NOT EXISTS interval_job ON interval (job_id);
CREATE TABLE IF NOT EXISTS creation (
  task_id INTEGER PRIMARY KEY, data_id INTEGER NOT NULL, state TEXT NOT NULL, message TEXT, request TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS request (
  id INTEGER PRIMARY KEY, rq_id TEXT NOT NULL UNIQUE, owner INTEGER, action TEXT NOT NULL, target TEXT NOT NULL,
  target_id INTEGER, subresource TEXT, format TEXT, project_id INTEGER, task_id INTEGER, job_id INTEGER,
  organization_id INTEGER, state TEXT NOT NULL DEFAULT 'queued', message TEXT NOT NULL DEFAULT '',
  result_url TEXT, result_id INTEGER, file TEXT, arguments TEXT NOT NULL DEFAULT '{}', created_date TEXT NOT NULL,
  started_date TEXT, finished_date TEXT, expiry_date TEXT);
CREATE INDEX IF NOT EXISTS request_owner ON request (owner);

CREATE TABLE IF NOT EXISTS cloud_storage (
  id INTEGER PRIMARY KEY, provider_type TEXT NOT NULL, resource TEXT NOT NULL, display_name TEXT NOT NULL,
  owner INTEGER, organization_id INTEGER, credentials_type TEXT NOT NULL, credentials TEXT NOT NULL DEFAULT '{}',
  specific_attributes TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '',
  manifests TEXT NOT NULL DEFAULT '[]', created_date TEXT NOT NULL, updated_date TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS webhook (
  id INTEGER PRIMARY KEY, type TEXT NOT NULL, target_url TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
  secret TEXT NOT NULL DEFAULT '', content_type TEXT NOT NULL DEFAULT 'application/json',
  events TEXT NOT NULL DEFAULT '[]', is_active INTEGER NOT NULL DEFAULT 1, enable_ssl INTEGER NOT NULL DEFAULT 1,
  owner INTEGER, project_id INTEGER, organization_id INTEGER, created_date TEXT NOT NULL, updated_date TEXT NOT NULL,
  CHECK (type = 'project' AND project_id IS NOT NULL
    OR type = 'organization' AND project_id IS NULL AND organization_id IS NOT NULL));
CREATE INDEX IF NOT EXISTS webhook_project ON webhook (project_id);
CREATE INDEX IF NOT EXISTS webhook_organization ON webhook (organization_id);
CREATE TABLE IF NOT EXISTS webhook_delivery (
  id INTEGER PRIMARY KEY, webhook_id INTEGER NOT NULL, event TEXT NOT NULL, status_code INTEGER,
  redelivery INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 1, request_duration INTEGER,
  changed_fields TEXT NOT NULL DEFAULT '', request TEXT NOT NULL DEFAULT '{}', response TEXT NOT NULL DEFAULT '',
  created_date TEXT NOT NULL, updated_date TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS webhook_delivery_webhook ON webhook_delivery (webhook_id);
CREATE TABLE IF NOT EXISTS webhook_queue (
  id INTEGER PRIMARY KEY, webhook_id INTEGER NOT NULL, payload TEXT NOT NULL, redelivery INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 1, due REAL NOT NULL);
CREATE INDEX IF NOT EXISTS webhook_queue_order ON webhook_queue (webhook_id, due);

CREATE TABLE IF NOT EXISTS issue (
  id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER NOT NULL, position TEXT NOT NULL, owner INTEGER,
  assignee INTEGER, assignee_updated_date TEXT, resolved INTEGER NOT NULL DEFAULT 0, created_date TEXT NOT NULL,
  updated_date TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS issue_job ON issue (job_id);
CREATE TABLE IF NOT EXISTS comment (
  id INTEGER PRIMARY KEY, issue_id INTEGER NOT NULL, owner INTEGER, message TEXT NOT NULL DEFAULT '',
  created_date TEXT NOT NULL, updated_date TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS comment_issue ON comment (issue_id);

CREATE TABLE IF NOT EXISTS quality_settings (
  id INTEGER PRIMARY KEY, task_id INTEGER, project_id INTEGER, "values" TEXT NOT NULL DEFAULT '{}',
  created_date TEXT NOT NULL, updated_date TEXT NOT NULL, UNIQUE (task_id), UNIQUE (project_id));
CREATE TABLE IF NOT EXISTS quality_report (
  id INTEGER PRIMARY KEY, parent_id INTEGER, project_id INTEGER, task_id INTEGER, job_id INTEGER,
  target TEXT NOT NULL, assignee INTEGER, gt_last_updated TEXT, target_last_updated TEXT,
  summary TEXT NOT NULL DEFAULT '{}', body TEXT NOT NULL DEFAULT '{}', created_date TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS quality_report_part (
  parent_id INTEGER NOT NULL, child_id INTEGER NOT NULL, PRIMARY KEY (parent_id, child_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS quality_report_task ON quality_report (task_id);
CREATE INDEX IF NOT EXISTS quality_report_project ON quality_report (project_id);
CREATE INDEX IF NOT EXISTS quality_report_parent ON quality_report (parent_id);
CREATE TABLE IF NOT EXISTS quality_conflict (
  id INTEGER PRIMARY KEY, report_id INTEGER NOT NULL, frame INTEGER NOT NULL, type TEXT NOT NULL,
  severity TEXT NOT NULL, annotations TEXT NOT NULL DEFAULT '[]');
CREATE INDEX IF NOT EXISTS quality_conflict_report ON quality_conflict (report_id);
CREATE TABLE IF NOT EXISTS consensus_settings (
  id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL UNIQUE, "values" TEXT NOT NULL DEFAULT '{}');
"""
"""The tables of both API families. A column that only 2.x uses has a default, so that 1.0.0 need not know it."""


LARGEST_ID = 2**31 - 1
"""The largest integer of PostgreSQL's type: no row has a larger id, and writing one fails."""
LARGEST_BIG_ID = 2**63 - 1
"""The same for the tables with big ids: those of annotations."""


class DuplicateKey(Exception):
    """A row with this id exists already."""

    def __init__(self, table: str, key: int) -> None:
        self.table, self.key = table, key
        super().__init__(f"{table} {key}")


class BrokenConstraint(Exception):
    """A row breaks another constraint than its id: a duplicate name, a missing value."""


def now() -> str:
    """Return the current time as Django writes it into JSON."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def timestamp(date: str) -> float:
    """Return the seconds since the epoch of a date that `now` wrote."""
    return dt.datetime.fromisoformat(date).timestamp()


class Database:
    """Tables with sequences. Its methods may be called from any thread; a transaction blocks all other threads."""

    def __init__(self, file: Path, *, durable: bool) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=512)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("icontains", 2, _icontains, deterministic=True)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
        self._add_missing_columns()
        self._connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        self.events = Events()
        self._sequences: dict[str, int] = {row["name"]: row["value"] for row in self.all("SELECT * FROM sequence")}
        self._changed: set[str] = set()

    def _add_missing_columns(self) -> None:
        """Add the columns that the file of an older sandbox lacks."""
        tables = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if not tables:
            return
        current = sqlite3.connect(":memory:")
        current.executescript(SCHEMA)
        for (table,) in tables:
            present = {row[1] for row in self._connection.execute(f'PRAGMA table_info("{table}")')}
            for _, name, kind, not_null, default, _ in current.execute(f'PRAGMA table_info("{table}")'):
                if name not in present:
                    rest = f"{'NOT NULL ' if not_null else ''}{f'DEFAULT {default}' if default is not None else ''}"
                    self._connection.execute(f'ALTER TABLE "{table}" ADD COLUMN "{name}" {kind} {rest}')
        current.close()

    def close(self) -> None:
        """Close the file; later calls fail."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes of the block, or none but those of sequences. A nested transaction joins the outer one."""
        with self._lock:
            if self._depth:
                yield
                return
            self._depth = 1
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._save_sequences()
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                self._save_sequences()
                raise
            finally:
                self._depth = 0

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def count(self, sql: str, *values: Any) -> int:
        """Return the number in the first column of the first row; 0 without a row."""
        row = self.one(sql, *values)
        return int(row[0]) if row else 0

    def execute(self, sql: str, *values: Any) -> int:
        """Change rows and return their number; raises BrokenConstraint."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).rowcount
            except sqlite3.IntegrityError as error:
                raise BrokenConstraint(str(error)) from error

    def execute_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a statement once for each row of values."""
        with self._lock:
            self._connection.executemany(sql, rows)

    def update(self, table: str, key: int, values: Mapping[str, Any]) -> None:
        """Change columns of the row with an id; raises BrokenConstraint."""
        if values:
            changes = ", ".join(f'"{name}" = ?' for name in values)
            self.execute(f"UPDATE {table} SET {changes} WHERE id = ?", *values.values(), key)  # noqa: S608 - the names are constants

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row and return its id, which is the next of the table's sequence unless `values` has an `id`.

        Raises DuplicateKey for an id that exists, BrokenConstraint for any other constraint.
        """
        with self.transaction():
            key = values.pop("id", None)
            key = self.next_id(table) if key is None else key
            columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
            try:
                self._connection.execute(
                    f"INSERT INTO {table} (id, {columns}) VALUES (?, {marks})",  # noqa: S608 - the names are constants
                    (key, *values.values()),
                )
            except sqlite3.IntegrityError as error:
                if re.search(rf"UNIQUE constraint failed: {table}\.id\b", str(error)):
                    raise DuplicateKey(table, key) from error
                raise BrokenConstraint(str(error)) from error
            return int(key)

    def next_id(self, sequence: str) -> int:
        """Return the next number of a sequence. A rollback does not give it back."""
        with self._lock:
            self._sequences[sequence] = self._sequences.get(sequence, 0) + 1
            self._changed.add(sequence)
            return self._sequences[sequence]

    def _save_sequences(self) -> None:
        for name in self._changed:
            self._connection.execute("INSERT OR REPLACE INTO sequence VALUES (?, ?)", (name, self._sequences[name]))
        self._changed.clear()


def _icontains(text: str | None, part: str) -> bool:
    return text is not None and part.upper() in text.upper()
