"""Files are private to their user from the start, whatever umask the shell has."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelyard.ledger import Ledger, upgrade
from labelyard.storage.spool import open_spool
from labelyard.storage.store import Store
from labelyard.supervisor import Process, Supervisor
from tests.support.emulator import StoreServer


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_ledger_and_its_folder_are_created_private(tmp_path: Path) -> None:
    file = tmp_path / "new" / "ledger.db"
    upgrade(f"sqlite:///{file}")
    ledger = Ledger(f"sqlite:///{file}")
    with ledger.transaction():  # opens the write-ahead log
        assert {path.name: oct(mode(path)) for path in file.parent.iterdir()} == {
            name: oct(0o600) for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm")
        }
    ledger.close()
    assert mode(file.parent) == 0o700


def test_logs_and_their_folder_are_created_private(tmp_path: Path) -> None:
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.run(Process("quick", [sys.executable, "-c", "print(1)"]))
    assert (mode(tmp_path / "logs"), mode(tmp_path / "logs" / "quick.log")) == (0o700, 0o600)


def test_the_spool_is_created_private(tmp_path: Path, store_server: StoreServer) -> None:
    with open_spool(Store(store_server.settings), [], tmp_path / "spool", 1):
        assert {oct(mode(path)) for path in [tmp_path / "spool", *(tmp_path / "spool").glob("spool-*")]} == {oct(0o700)}


def test_a_command_creates_only_private_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labelyard", "db", "upgrade"]
    environment = {**os.environ, "LABELYARD_LEDGER": f"sqlite:///{tmp_path / '.labelyard' / 'ledger.db'}"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert {mode(path) & 0o077 for path in tmp_path.rglob("*")} == {0}
