"""Cloud storages: which bucket, with which credentials, and which of its files are manifests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from cvat_sandbox.errors import Rejected
from cvat_sandbox.state.database import Database, now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

S3 = "AWS_S3_BUCKET"
PROVIDERS = (S3, "AZURE_CONTAINER", "GOOGLE_CLOUD_STORAGE")
CREDENTIALS_TYPES = ("KEY_SECRET_KEY_PAIR", "ACCOUNT_NAME_TOKEN_PAIR", "KEY_FILE_PATH", "ANONYMOUS_ACCESS",
                     "CONNECTION_STRING")  # fmt: skip
SECRETS = ("key", "secret_key", "session_token", "account_name", "connection_string")
"""The fields of the body that are kept together, and never shown."""


def columns(values: Mapping[str, Any], known: sqlite3.Row | None = None) -> dict[str, Any]:
    """Return the columns for the fields of a body. known: the row to change."""
    secrets = {name: values[name] for name in SECRETS if name in values}
    found = {name: value for name, value in values.items() if name not in {*SECRETS, "manifests", "key_file"}}
    if secrets or known is None:
        found["credentials"] = json.dumps({**(json.loads(known["credentials"]) if known else {}), **secrets})
    if "manifests" in values:
        found["manifests"] = json.dumps(list(values["manifests"]))
    return found


def create(db: Database, values: Mapping[str, Any]) -> int:
    """Insert a storage and return its id. values: columns."""
    return db.insert("cloud_storage", created_date=now(), updated_date=now(), **values)


def change(db: Database, key: int, values: Mapping[str, Any]) -> None:
    """Change columns of a storage."""
    db.update("cloud_storage", key, {**values, "updated_date": now()})


def delete(db: Database, key: int) -> None:
    """Delete a storage. The tasks that use it remain, without a way to read their images."""
    with db.transaction():
        db.execute("UPDATE data SET cloud_storage_id = NULL WHERE cloud_storage_id = ?", key)
        db.execute("DELETE FROM cloud_storage WHERE id = ?", key)


def attributes_of(storage: Mapping[str, Any] | sqlite3.Row) -> dict[str, str]:
    """Return the specific attributes, such as `region`, `endpoint_url` and `prefix`."""
    return dict(parse_qsl(storage["specific_attributes"]))


def location(db: Database, values: Mapping[str, Any]) -> str:
    """Return a source or target storage as JSON, with an id of its own. Raises Rejected for an unknown storage."""
    key = values.get("cloud_storage_id")
    if key is not None and db.one("SELECT 1 FROM cloud_storage WHERE id = ?", key) is None:
        raise Rejected(f"The specified cloud storage {key} does not exist.")
    shown = {"id": db.next_id("storage"), "location": values.get("location", "local"), "cloud_storage_id": key}
    return json.dumps(shown)


# -- the files of a storage that a task names


class AlreadyNamed(Exception):
    """A data row names the same file twice."""


def add_files(db: Database, data_id: int, names: Sequence[str]) -> None:
    """Add files to those that a data row names. Raises AlreadyNamed, and adds none then."""
    with db.transaction():
        known = {*files_of(db, data_id)}
        if len({*names}) < len(names) or known & {*names}:
            raise AlreadyNamed
        for name in names:
            db.insert("server_file", data_id=data_id, name=name)


def files_of(db: Database, data_id: int) -> list[str]:
    """Return the files that a data row names, in order."""
    return [row["name"] for row in db.all("SELECT name FROM server_file WHERE data_id = ? ORDER BY id", data_id)]
