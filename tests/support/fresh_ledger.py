"""New ledgers on SQLite, as `labelyard db upgrade` creates them, without running the migrations each time."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from uuid import uuid4

from labelyard.ledger import upgrade


def create_ledger(file: Path) -> str:
    """Create a ledger with an identity of its own in a file; return its URL."""
    file.touch(mode=0o600)  # private, as labelyard creates it
    file.write_bytes(_template())
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE ledger SET id = ?", (uuid4().hex,))
        connection.commit()
    return f"sqlite:///{file}"


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.db"
        upgrade(f"sqlite:///{file}")
        return file.read_bytes()
