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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA = """
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS user (
  id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, password TEXT NOT NULL, first_name TEXT NOT NULL,
  last_name TEXT NOT NULL, email TEXT NOT NULL, groups TEXT NOT NULL, is_staff INTEGER NOT NULL,
  is_superuser INTEGER NOT NULL, is_active INTEGER NOT NULL, last_login TEXT, date_joined TEXT NOT NULL,
  token TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS task (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, mode TEXT NOT NULL DEFAULT '', owner INTEGER, assignee INTEGER,
  bug_tracker TEXT NOT NULL DEFAULT '', created_date TEXT NOT NULL, updated_date TEXT NOT NULL, overlap INTEGER,
  segment_size INTEGER NOT NULL DEFAULT 0, z_order INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'annotation', data_id INTEGER);
CREATE INDEX IF NOT EXISTS task_owner ON task (owner);
CREATE INDEX IF NOT EXISTS task_assignee ON task (assignee);
CREATE TABLE IF NOT EXISTS label (
  id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (task_id, name));
CREATE TABLE IF NOT EXISTS attribute (
  id INTEGER PRIMARY KEY, label_id INTEGER NOT NULL, name TEXT NOT NULL, mutable INTEGER NOT NULL,
  input_type TEXT NOT NULL, default_value TEXT NOT NULL, "values" TEXT NOT NULL, UNIQUE (label_id, name));
CREATE TABLE IF NOT EXISTS data (
  id INTEGER PRIMARY KEY, chunk_size INTEGER, size INTEGER NOT NULL DEFAULT 0, image_quality INTEGER NOT NULL,
  start_frame INTEGER NOT NULL, stop_frame INTEGER NOT NULL, frame_filter TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frame (
  data_id INTEGER NOT NULL, frame INTEGER NOT NULL, path TEXT NOT NULL, file TEXT NOT NULL,
  width INTEGER NOT NULL, height INTEGER NOT NULL, PRIMARY KEY (data_id, frame)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segment (
  id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL, start_frame INTEGER NOT NULL, stop_frame INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS segment_task ON segment (task_id);
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY, segment_id INTEGER NOT NULL, task_id INTEGER NOT NULL, assignee INTEGER,
  status TEXT NOT NULL DEFAULT 'annotation', version INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS job_segment ON job (segment_id);
CREATE INDEX IF NOT EXISTS job_task ON job (task_id);
CREATE INDEX IF NOT EXISTS job_assignee ON job (assignee);
CREATE TABLE IF NOT EXISTS tag (id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS tag_job ON tag (job_id);
CREATE TABLE IF NOT EXISTS shape (id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS shape_job ON shape (job_id);
CREATE TABLE IF NOT EXISTS track (id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, frame INTEGER, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS track_job ON track (job_id);
CREATE TABLE IF NOT EXISTS creation (
  task_id INTEGER PRIMARY KEY, data_id INTEGER NOT NULL, state TEXT NOT NULL, message TEXT, request TEXT NOT NULL);
"""


LARGEST_ID = 2**31 - 1
"""The largest integer of PostgreSQL's type: no row has a larger id, and writing one fails."""


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
        self._connection.executescript(SCHEMA)
        self._sequences: dict[str, int] = {row["name"]: row["value"] for row in self.all("SELECT * FROM sequence")}
        self._changed: set[str] = set()

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
