"""The files that clients have sent for a task: whole ones, and those of TUS that arrive piece by piece."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cvat_sandbox.errors import Crash

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from cvat_sandbox.state.database import Database

MAX_NAME_LENGTH = 1024
UNUSABLE = "the file exists already, or its name cannot be used"


def add(db: Database, data_id: int, files: Sequence[tuple[str, Path]], folder: Path) -> None:
    """Move whole files, with their names, into the folder of the uploads.

    Raises Crash for a name that exists. The files before it remain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unusable = ""
    with db.transaction():
        for name, file in files:
            if not _is_free(db, data_id, name):
                unusable = name
                break
            key, length = db.next_id("upload"), file.stat().st_size
            db.insert("upload", id=key, data_id=data_id, name=name, file=_file(key), length=length, received=length)
            file.replace(folder / _file(key))
    if unusable:
        raise Crash(f"{unusable}: {UNUSABLE}")


def begin(db: Database, data_id: int, name: str, length: int, folder: Path) -> sqlite3.Row:
    """Insert a file that will arrive in pieces, and return its row. Raises Crash for a name that exists."""
    if not _is_free(db, data_id, name):
        raise Crash(f"{name}: {UNUSABLE}")
    folder.mkdir(parents=True, exist_ok=True)
    key = db.next_id("upload")
    (folder / _file(key)).touch()
    db.insert(
        "upload", id=key, data_id=data_id, name=name, file=_file(key), length=length, key=f"{data_id}_{uuid.uuid4()}"
    )
    row = db.one("SELECT * FROM upload WHERE id = ?", key)
    assert row is not None
    return row


def _file(key: int) -> str:
    return f"{key:06d}"


def _is_free(db: Database, data_id: int, name: str) -> bool:
    return not (is_known(db, data_id, name) or len(name) > MAX_NAME_LENGTH or name in {".", ".."})


def is_known(db: Database, data_id: int, name: str) -> bool:
    """Return whether a whole file of this name was sent. One that was only begun may be begun again."""
    whole = "SELECT 1 FROM upload WHERE data_id = ? AND name = ? AND received = length"
    return db.one(whole, data_id, name) is not None


def unfinished(db: Database, data_id: int, key: str) -> sqlite3.Row | None:
    """Return the file of a TUS address while pieces are missing, or None."""
    return db.one("SELECT * FROM upload WHERE data_id = ? AND key = ? AND received < length", data_id, key)


def append(db: Database, upload: sqlite3.Row, piece: bytes, folder: Path) -> int:
    """Add a piece to a file and return the number of bytes that are there.

    The last piece of a file in a folder crashes: the real server has no folder to move it to.
    """
    with (folder / upload["file"]).open("ab") as out:
        out.write(piece)
    received: int = upload["received"] + len(piece)
    is_whole = received == upload["length"]
    if is_whole and "/" in upload["name"]:
        raise Crash("FileNotFoundError: there is no such folder")
    db.update("upload", upload["id"], {"received": received})
    return received


def of(db: Database, data_id: int) -> list[sqlite3.Row]:
    """Return the files of a data row in the order of sending; of each name the one that is whole, if there is one."""
    rows = db.all("SELECT * FROM upload WHERE data_id = ? ORDER BY id", data_id)
    chosen: dict[str, sqlite3.Row] = {}
    for row in rows:
        if row["name"] not in chosen or row["received"] == row["length"]:
            chosen[row["name"]] = row
    return sorted(chosen.values(), key=lambda row: int(row["id"]))
