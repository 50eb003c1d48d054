"""Personal access tokens of 2.x: a user may have several, with a name, an expiry date and perhaps read-only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from cvat_sandbox.state.database import Database, now, timestamp

if TYPE_CHECKING:
    import sqlite3


def create(db: Database, owner: int, values: dict[str, Any]) -> tuple[int, str]:
    """Insert a token and return its id and its value, which is shown once."""
    value, created = f"{secrets.token_urlsafe(6)[:8]}.{secrets.token_urlsafe(24)}", now()
    key = db.insert(
        "access_token", owner=owner, value=value, created_date=created, updated_date=now(),
        **{"read_only": True, "expiry_date": None, **values},
    )  # fmt: skip
    return key, value


def find(db: Database, value: str) -> sqlite3.Row | None:
    """Return the token with this value that has not expired, or None; note that it was used."""
    row = db.one("SELECT * FROM access_token WHERE value = ?", value)
    if row is None or is_expired(row):
        return None
    db.execute("UPDATE access_token SET last_used_date = ? WHERE id = ?", now(), row["id"])
    return row


def is_expired(row: sqlite3.Row) -> bool:
    """Return whether the expiry date of a token has passed."""
    return row["expiry_date"] is not None and timestamp(row["expiry_date"]) < timestamp(now())
