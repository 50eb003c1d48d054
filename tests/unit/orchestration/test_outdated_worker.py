"""A worker and a ledger that cannot be read, or that is too new."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.errors import LedgerAhead, LedgerUnreachable
from labelyard.orchestration.outdated_worker import SchemaCheck
from labelyard.orchestration.states import waiting_state


def test_a_damaged_ledger_does_not_end_the_worker_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = tmp_path / "ledger.db"
    damaged.write_bytes(b"no database " * 1000)
    monkeypatch.setenv("LABELYARD_LEDGER", f"sqlite:///{damaged}")
    assert not SchemaCheck().is_ahead()
    assert "the schema of the ledger could not be checked" in caplog.text
    assert "not a database" in caplog.text


def test_a_run_whose_worker_is_too_old_waits_for_another_worker_and_not_for_a_server() -> None:
    assert waiting_state(LedgerAhead("a newer labelyard has upgraded it")) == "Waiting for another worker"
    assert waiting_state(LedgerUnreachable("locked")) == "Server unavailable"
