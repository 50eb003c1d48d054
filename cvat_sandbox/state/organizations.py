"""Organizations, the memberships of their members, and invitations.

Every change is published. A member's role counts as long as the membership is active.
"""

from __future__ import annotations

import json
import secrets
import string
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import Rejected
from cvat_sandbox.state import webhooks
from cvat_sandbox.state.database import now
from cvat_sandbox.state.users import UNUSABLE

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.state.users import Users

ROLES = ("owner", "maintainer", "supervisor", "worker")
"""The roles of members, from the most to the least powerful."""
KEY_LENGTH = 64
_LETTERS = string.ascii_letters + string.digits

MEMBERSHIPS = """
SELECT m.*, v.key AS invitation FROM membership m LEFT JOIN invitation v ON v.membership_id = m.id
"""
"""Memberships with the keys of their invitations."""
INVITATIONS = """
SELECT v.*, m.user_id, m.organization_id, m.role, m.is_active, o.slug
FROM invitation v JOIN membership m ON m.id = v.membership_id JOIN organization o ON o.id = m.organization_id
"""
"""Invitations with their memberships."""


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


# -- organizations


def create(db: Database, owner: int, values: dict[str, Any]) -> int:
    """Create an organization with its owner as the first member; return its id. It is named after its slug."""
    created = now()
    named = {**values, "name": values.get("name") or values["slug"], "contact": json.dumps(values.get("contact", {}))}
    with db.transaction():
        key = db.insert("organization", owner=owner, created_date=created, updated_date=now(), **named)
        db.insert(
            "membership", organization_id=key, user_id=owner, role="owner", is_active=True, joined_date=created
        )  # fmt: skip
    return key


def create_with_all(db: Database, slug: str) -> None:
    """Create an organization, unless there is one, that the first user owns and whose workers all others are."""
    if find(db, slug=slug) is not None:
        return
    owner, *others = [row["id"] for row in db.all("SELECT id FROM user ORDER BY id")]
    key = create(db, owner, {"slug": slug})
    for user in others:
        db.insert(
            "membership", organization_id=key, user_id=user, role="worker", is_active=True, joined_date=now()
        )  # fmt: skip


def change(db: Database, organization: sqlite3.Row, values: dict[str, Any]) -> None:
    """Change columns of an organization, and publish the change."""
    changed = {**values, "updated_date": now()}
    if "contact" in changed:
        changed["contact"] = json.dumps(changed["contact"])
    db.update("organization", organization["id"], changed)
    db.events.publish("update", "organization", organization["id"], organization)


def delete(db: Database, organization: sqlite3.Row) -> None:
    """Delete an organization with its memberships and webhooks. Its tasks and projects go to their owners."""
    key = organization["id"]
    with db.transaction():
        db.execute(
            "DELETE FROM invitation WHERE membership_id IN (SELECT id FROM membership WHERE organization_id = ?)", key
        )
        db.execute("DELETE FROM membership WHERE organization_id = ?", key)
        for table in ("task", "project", "cloud_storage"):
            db.execute(f"UPDATE {table} SET organization_id = NULL WHERE organization_id = ?", key)  # noqa: S608 - the names are constants
        webhooks.delete_of_organization(db, key)
        db.execute("DELETE FROM organization WHERE id = ?", key)


# -- memberships


def find_membership(db: Database, key: int) -> sqlite3.Row | None:
    """Return a membership with the columns of `MEMBERSHIPS`, or None."""
    return db.one(f"{MEMBERSHIPS} WHERE m.id = ?", key)


def change_role(db: Database, membership: sqlite3.Row, role: str) -> None:
    """Change the role of a member, and publish the change."""
    db.update("membership", membership["id"], {"role": role})
    db.events.publish("update", "membership", membership["id"], membership)


def delete_membership(db: Database, membership: sqlite3.Row) -> None:
    """Publish the end of a membership and of its invitation, and delete both. The user keeps jobs and tasks."""
    invitation = db.one("SELECT * FROM invitation WHERE membership_id = ?", membership["id"])
    if invitation is not None:
        delete_invitation(db, invitation)
    db.events.publish("delete", "membership", membership["id"], membership)
    db.execute("DELETE FROM membership WHERE id = ?", membership["id"])


# -- invitations


def find_invitation(db: Database, key: str) -> sqlite3.Row | None:
    """Return an invitation with the columns of `INVITATIONS`, or None."""
    return db.one(f"{INVITATIONS} WHERE v.key = ?", key)


def invite(db: Database, users: Users, organization_id: int, owner: int, values: dict[str, str]) -> tuple[str, bool]:
    """Invite the user with an e-mail address; return the key of the invitation, and whether the user was known.

    A known user becomes an active member at once. An unknown one is created, without a password, and has to accept.
    Raises Rejected for a member.
    """
    with db.transaction():
        user = users.find_by_email(values["email"])
        user_id = user.id if user else users.create_without_password(values["email"])
        is_member = "SELECT 1 FROM membership WHERE organization_id = ? AND user_id = ?"
        if db.one(is_member, organization_id, user_id):
            raise Rejected("The user is a member of the organization already.")
        membership = db.insert("membership", organization_id=organization_id, user_id=user_id, role=values["role"])
        db.events.publish("create", "membership", membership)
        key = "".join(secrets.choice(_LETTERS) for _ in range(KEY_LENGTH))
        row = db.insert("invitation", key=key, membership_id=membership, owner=owner, created_date=now())
        db.events.publish("create", "invitation", row)
        is_known = user is not None and not user.password.startswith(UNUSABLE)
        if is_known:
            accept(db, membership)
    return key, is_known


def accept(db: Database, membership_id: int) -> None:
    """Make a membership active, and publish the change."""
    before = db.one("SELECT * FROM membership WHERE id = ?", membership_id)
    db.update("membership", membership_id, {"is_active": True, "joined_date": now()})
    db.events.publish("update", "membership", membership_id, before)


def delete_invitation(db: Database, invitation: sqlite3.Row) -> None:
    """Publish the deletion of an invitation and delete it. Its membership remains."""
    db.events.publish("delete", "invitation", invitation["id"], invitation)
    db.execute("DELETE FROM invitation WHERE id = ?", invitation["id"])
