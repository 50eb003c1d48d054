"""Changes: a transaction that publishes the updated objects after its end."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from cvat_sandbox.state.database import now

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database


class Changes:
    """A transaction. It publishes updates in order when it has been committed, and none when it fails."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._stack = ExitStack()
        self._updates: list[tuple[str, int, sqlite3.Row | None]] = []

    def __enter__(self) -> Self:
        """Begin the transaction."""
        self._stack.enter_context(self._db.transaction())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit and publish, or roll back."""
        self._stack.__exit__(kind, error, trace)
        if error is None:
            for table, key, before in self._updates:
                self._db.events.publish("update", table, key, before)

    def touch(self, table: Literal["job", "task", "project"], key: int) -> None:
        """Set the `updated_date` of a row, and publish it."""
        before = self._db.one(f"SELECT * FROM {table} WHERE id = ?", key)  # noqa: S608 - the names are constants
        self._db.update(table, key, {"updated_date": now()})
        self._updates.append((table, key, before))
