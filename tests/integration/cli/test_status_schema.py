"""What `labelyard status --json` prints is what its schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from labelyard.cli import labelyard
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import breakers
from tests.support.busy_ledger import HOUR, MONDAY, BusyLedger
from tests.support.fresh_ledger import create_ledger
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs" / "status.schema.json").read_text())


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[BusyLedger]:
    busy = BusyLedger(create_ledger(tmp_path / "ledger.db"))
    yield busy
    busy.ledger.close()


def status(busy: BusyLedger, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("LABELYARD_LEDGER", busy.url)
    return json.loads(CliRunner().invoke(labelyard, ["status", "--json"]).output)


def test_the_status_of_a_busy_and_of_a_new_ledger_follows_the_schema(
    busy: BusyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    assert list(validator.iter_errors(status(busy, monkeypatch))) == []
    busy.now = MONDAY
    done = busy.batch(30, 1)
    busy.now += HOUR
    busy.read_jobs(done, 30, (1,), JobStatus.COMPLETED)
    busy.export(done, 30, {"car": 40})
    busy.fail(busy.batch(10, 2), "label car is unknown")
    with busy.ledger.transaction() as tx:
        for _ in range(breakers.FAILURES_TO_OPEN):
            breakers.record_failure(tx, "default", "503")
    document = status(busy, monkeypatch)
    assert list(validator.iter_errors(document)) == []
    assert isinstance(document, dict)
    assert list(validator.iter_errors(document | {"open_jobs": {"ada": "one"}})) != []
