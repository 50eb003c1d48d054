"""Organizations and the roles of their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database

ROLES = ("owner", "maintainer", "supervisor", "worker")
"""The roles of members, from the most to the least powerful."""


def find(db: Database, *, slug: str | None = None, key: int | None = None) -> sqlite3.Row | None:
    """Return the organization with this slug or id, or None."""
    if slug is not None:
        return db.one("SELECT * FROM organization WHERE slug = ?", slug)
    return db.one("SELECT * FROM organization WHERE id = ?", key)


def role_of(db: Database, organization_id: int, user_id: int) -> str | None:
    """Return the role of an active member; None for everyone else."""
    row = db.one(
        "SELECT role FROM membership WHERE organization_id = ? AND user_id = ? AND is_active", organization_id, user_id
    )
    return row["role"] if row else None
