"""`labelyard people away` and `back`."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.errors import InputError
from labelyard.ledger import Ledger, absences
from labelyard.ledger.tables import Dataset
from tests.support.fresh_ledger import create_ledger
from tests.support.ledger_samples import apply, dataset_spec


@pytest.fixture
def ledger_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = create_ledger(tmp_path / "ledger.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELYARD_LEDGER", url)
    monkeypatch.setenv("LABELYARD_TIMEZONE", "Europe/Berlin")
    with closing(Ledger(url)) as ledger:
        apply(ledger, dataset_spec())
    return url


def run(*arguments: str) -> str:
    found = CliRunner().invoke(labelyard, ["people", *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_somebody_is_away_until_a_day_of_the_time_zone_or_until_they_are_back(ledger_url: str) -> None:
    assert run("away", "bob", "--until", "2099-07-01") == "bob gets no jobs until 2099-07-01 00:00 CEST\n"
    assert run("away", "ann") == "ann gets no jobs until: labelyard people back ann\n"
    said = json.loads(run("away", "bob", "--until", "2099-07-02T12:00", "--json"))
    assert (said["until"], said["open_jobs"]) == ("2099-07-02T10:00:00+00:00", 0)
    with closing(Ledger(ledger_url)) as ledger, ledger.read_only() as tx:
        until = {name: row.until for name, row in absences.current(tx).items()}
    assert until == {"ann": None, "bob": datetime(2099, 7, 2, 10, tzinfo=UTC)}
    assert run("back", "ann") == "ann gets jobs again\n"
    assert json.loads(run("back", "ann", "--json")) == {"person": "ann", "was_away": False}


@pytest.mark.usefixtures("ledger_url")
def test_an_unknown_person_and_a_time_that_is_over_are_errors_with_the_next_command() -> None:
    with pytest.raises(InputError, match="no dataset file names 'bobb'") as error:
        run("away", "bobb")
    assert error.value.next_step == "labelyard people away bob"
    with pytest.raises(InputError, match="2019-12-31 23:00 UTC is over"):
        run("away", "bob", "--until", "2020-01-01")


def test_somebody_of_a_retired_dataset_can_be_away_because_its_batches_continue(ledger_url: str) -> None:
    with closing(Ledger(ledger_url)) as ledger, ledger.transaction() as tx:
        tx.get_one(Dataset, "street").retired_at = tx.now
    assert run("away", "ann") == "ann gets no jobs until: labelyard people back ann\n"
