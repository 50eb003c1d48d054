"""`labelyard alerts`, `labelyard alerts test`, and what `labelyard doctor` says about channels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelyard.cli import labelyard
from labelyard.domain.alerts import Message, MessageKind
from labelyard.ledger import Ledger, alerts, batches
from labelyard.ledger.alert_tables import SignOfLife
from labelyard.ledger.alerts import DueMessage, record_failure
from labelyard.operations.doctor.check import CheckResult, Status
from labelyard.operations.doctor.runner import run_checks
from labelyard.orchestration.doctor_checks import alert_checks
from labelyard.settings import load_settings
from tests.support.fresh_ledger import create_ledger
from tests.support.ledger_samples import apply, closed_batch, dataset_spec
from tests.support.smtp_receiver import Mailbox, mailbox

SECRET = "T0PS3CRET"


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """An installation with a failed batch, without channels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELYARD_LEDGER", create_ledger(tmp_path / "ledger.db"))
    with closing(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")) as ledger:
        apply(ledger, dataset_spec())
        closed_batch(ledger, dataset_spec())
        with ledger.transaction() as tx:
            batches.fail(tx, batches.get(tx, "street-00001"), "its labels are wrong", "labelyard retry street-00001")
        yield ledger


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A channel called lead."""
    with mailbox() as kept:
        monkeypatch.setenv("LABELYARD_ALERTS__CHANNELS__LEAD__URL", kept.url)
        yield kept


def run(*arguments: str) -> Result:
    return CliRunner().invoke(labelyard, ["alerts", *arguments])


def doctor() -> dict[str, CheckResult]:
    return {one.name: one for one in run_checks(load_settings(), {"alerts": alert_checks})}


def test_the_command_shows_each_cause_the_next_command_and_the_channels() -> None:
    shown = run().output
    for words in ("failed", "its labels are wrong", "labelyard retry street-00001", "nobody", "channels: none"):
        assert words in shown


def test_the_causes_are_also_json() -> None:
    [cause] = json.loads(run("--json").output)["causes"]
    assert (cause["kind"], cause["dataset"], cause["next_step"]) == (
        "failed", "street", "labelyard retry street-00001",
    )  # fmt: skip


def test_a_test_message_arrives(mail: Mailbox) -> None:
    assert (run("test").exit_code, mail.subjects()) == (0, ["labelyard: a test"])


def test_a_channel_that_does_not_work_is_an_error_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELYARD_ALERTS__CHANNELS__LEAD__URL", f"json://127.0.0.1:9/{SECRET}")
    shown = run("test")
    assert (shown.exit_code, "lead" in shown.output, SECRET in shown.output) == (1, True, False)


def test_without_a_channel_the_error_names_the_variable_to_set(mail: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = run("test", "leda").exception
    assert "no alert channel 'leda' (known: lead)" in str(unknown)
    monkeypatch.delenv("LABELYARD_ALERTS__CHANNELS__LEAD__URL")
    assert "LABELYARD_ALERTS__CHANNELS__LEAD__URL" in str(run("test").exception)


def test_the_doctor_names_the_service_of_a_channel_and_a_wrong_address(
    mail: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELYARD_ALERTS__CHANNELS__CHAT__URL", f"slak://{SECRET}")
    found = doctor()
    assert found["alert channel lead"].message == "E-Mail: nothing sent yet"
    assert found["alert channel chat"].status is Status.FAIL
    assert SECRET not in f"{found}"


def test_the_doctor_shows_that_the_last_message_was_not_accepted(mail: Mailbox, ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        record_failure(tx, DueMessage(1, "lead", MessageKind.NEW, Message("", ""), tx.now), "550 no such mailbox")
    result = doctor()["alert channel lead"]
    assert (result.status, result.next_step) == (Status.FAIL, "labelyard alerts test")
    assert "550 no such mailbox" in result.message
    with ledger.read_only() as tx:
        assert alerts.channels(tx)["lead"].failures == 1


def test_the_doctor_finds_that_housekeeping_is_dead(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        tx.add(SignOfLife(part="housekeeping", at=tx.now - timedelta(hours=1)))
    assert doctor()["housekeeping"].status is Status.FAIL
