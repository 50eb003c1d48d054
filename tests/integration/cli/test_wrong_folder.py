"""In a folder that is no installation, commands say so and create nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelyard.cli import labelyard
from labelyard.errors import LedgerBehind


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("LABELYARD_"):
            monkeypatch.delenv(name)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    return tmp_path / "inner"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(labelyard, arguments)


def error_of(*arguments: str) -> LedgerBehind:
    error = call(*arguments).exception
    assert isinstance(error, LedgerBehind)
    return error


@pytest.mark.parametrize("command", [["status"], ["db", "upgrade"]])
def test_without_env_a_command_says_where_it_looked_and_creates_nothing(folder: Path, command: list[str]) -> None:
    error = error_of(*command)
    assert f"no .env was found in {folder}" in error.what
    assert error.where == str(folder / ".labelyard" / "ledger.db")
    assert "labelyard init" in error.next_step
    assert list(folder.iterdir()) == []


def test_the_parent_folder_with_the_env_is_named(folder: Path) -> None:
    (folder.parent / ".env").write_text("LABELYARD_STORE__REGION=eu-central-1\n")
    assert error_of("status").next_step.startswith(f"run it in {folder.parent}, where .env is")


def test_db_upgrade_creates_a_ledger_where_that_is_wanted(folder: Path) -> None:
    assert call("db", "upgrade", "--create").exit_code == 0
    assert (folder / ".labelyard" / "ledger.db").exists()


def test_db_upgrade_creates_a_ledger_beside_a_env(folder: Path) -> None:
    (folder / ".env").write_text("")
    assert error_of("status").next_step == "labelyard db upgrade"
    assert call("db", "upgrade").exit_code == 0
