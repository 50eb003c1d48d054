"""Watchers and workers say in the ledger that they run, and the doctor reads it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

import labelyard
from labelyard.ledger import Ledger, processes
from labelyard.ledger.process_tables import RunningProcess
from labelyard.operations.doctor.check import CheckResult, Installation, Status
from labelyard.operations.doctor.processes import check_processes
from labelyard.operations.signs_of_life import clock_seconds, showing_life
from labelyard.orchestration.deploy import with_limits
from labelyard.settings import Settings
from tests.support.waiting import eventually


@pytest.fixture
def settings(ledger_url: str) -> Settings:
    return Settings(ledger=ledger_url)


def change(settings: Settings, work: Callable[[object], object]) -> None:
    with closing(Ledger(settings.ledger)) as ledger, ledger.transaction() as tx:
        work(tx)


def known(settings: Settings) -> list[RunningProcess]:
    with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
        return list(processes.known(tx))


def show(settings: Settings, name: str, **changed: object) -> None:
    values = {"kind": "worker", "version": labelyard.__version__, "prefect": "3.8.8", "clock_seconds": 0.0} | changed
    change(settings, lambda tx: processes.show(tx, name, **values))  # type: ignore[arg-type]


def checked(settings: Settings) -> dict[str, CheckResult]:
    return {result.name: result for result in check_processes(Installation(settings))}


def test_a_process_is_in_the_ledger_while_it_runs_and_not_after(settings: Settings) -> None:
    with showing_life(settings, processes.WATCHER):
        [row] = eventually(lambda: known(settings) or None)
        assert (row.kind, row.name.rpartition(":")[2], row.version) == (
            "watcher",
            str(os.getpid()),
            labelyard.__version__,
        )
        assert abs(row.clock_seconds) < 1
        assert checked(settings)["watchers"].status is Status.OK
    assert known(settings) == []


def test_without_a_ledger_nothing_stops(tmp_path: object) -> None:
    with showing_life(Settings(ledger=f"sqlite:///{tmp_path}/none.db"), processes.WATCHER):
        pass


def test_the_doctor_names_who_is_missing_was_killed_is_old_or_has_another_time(settings: Settings) -> None:
    show(settings, "b:1", version="0.0.9", clock_seconds=-60.0)
    show(settings, "c:1")

    def miss(tx: object) -> None:
        row = tx.get_one(RunningProcess, "c:1")  # type: ignore[attr-defined]
        row.seen_at -= timedelta(minutes=5)

    change(settings, miss)
    found = checked(settings)
    assert found["watchers"].status is Status.FAIL
    assert "labelyard watch" in found["watchers"].next_step
    assert "1: b:1" in found["workers"].message
    assert "c:1 shows no life" in found["lost worker"].message
    assert "b:1 0.0.9" in found["versions"].message
    assert f"labelyard {labelyard.__version__}" in found["versions"].next_step
    assert "b:1 by -60 s" in found["clocks"].message


def test_a_killed_process_is_no_loss_once_another_one_has_started_on_its_host(settings: Settings) -> None:
    for name in ("a:1", "a:2", "b:3"):
        show(settings, name)

    def miss(tx: object) -> None:
        for name in ("a:1", "a:2"):
            tx.get_one(RunningProcess, name).seen_at -= timedelta(minutes=5)  # type: ignore[attr-defined]

    change(settings, miss)
    assert "lost worker" in checked(settings)
    show(settings, "a:4")
    assert "a:2 shows no life" in checked(settings)["lost worker"].message  # a:4 replaces one of the two
    show(settings, "a:5")
    assert "lost worker" not in checked(settings)


def test_a_ledger_in_a_file_serves_one_host(settings: Settings) -> None:
    show(settings, "a:1")
    show(settings, "b:1")
    found = checked(settings)
    assert ("ledger of many hosts" in found) == settings.ledger.startswith("sqlite")


def test_a_deploy_derives_the_limits_from_the_workers_that_run(settings: Settings) -> None:
    for number in range(3):
        show(settings, f"worker-{number}:1")
    show(settings, "watcher:1", kind="watcher")
    assert with_limits(settings).deploy.at_once() == (12, 12)


def test_a_killed_process_is_forgotten_after_an_hour(settings: Settings) -> None:
    show(settings, "old:1")

    def age(tx: object) -> None:
        tx.get_one(RunningProcess, "old:1").seen_at -= timedelta(minutes=61)  # type: ignore[attr-defined]

    change(settings, age)
    show(settings, "new:1")
    assert [row.name for row in known(settings)] == ["new:1"]


def test_a_clock_is_right_if_the_database_answers_within_the_request() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock_seconds(at.timestamp() - 1, at, at.timestamp() + 5) == 0
    assert clock_seconds(at.timestamp() + 8, at, at.timestamp() + 9) == 8
    assert clock_seconds(at.timestamp() - 9, at, at.timestamp() - 8) == -8
