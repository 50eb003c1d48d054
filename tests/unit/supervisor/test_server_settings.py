"""What `labelyard up` tells Prefect's server about how long to keep runs and events."""

from __future__ import annotations

import json

import pytest
import yaml
from prefect.settings import Settings as PrefectSettings

from labelyard.settings import UpSettings
from labelyard.supervisor.stack import server_settings
from tests.support.paths import ROOT


def test_prefect_reads_the_settings_and_keeps_routine_events_for_hours_and_runs_for_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in server_settings(UpSettings(keep_runs_days=2, keep_routine_events_hours=0.5)).items():
        monkeypatch.setenv(name, value)
    vacuum = PrefectSettings().server.services.db_vacuum
    assert vacuum.retention_period.days == 2
    assert vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    kept = {name: kept.total_seconds() for name, kept in vacuum.event_retention_overrides.items()}
    assert set(kept.values()) == {1800}
    assert {"prefect.flow-run.Scheduled", "prefect.flow-run.Nothing new"} < set(kept)


def test_the_states_of_prefect_tasks_are_recorded_many_at_once_and_within_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in server_settings(UpSettings()).items():
        monkeypatch.setenv(name, value)
    recorder = PrefectSettings().server.services.task_run_recorder
    assert (recorder.batch_size, recorder.flush_interval) == (50, 1)


def test_events_that_a_person_looks_for_are_kept_longer() -> None:
    overrides = "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES"
    short = json.loads(server_settings(UpSettings())[overrides])
    wanted = {"Failed", "Crashed", "Late", "Waiting for annotators", "Exported"}
    assert not {f"prefect.flow-run.{state}" for state in wanted} & set(short)


def test_the_example_for_compose_sets_the_same() -> None:
    example = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text(encoding="utf-8"))
    given, overrides = example["x-server"], "EVENT_RETENTION_OVERRIDES"
    del given["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"]  # two servers share Redis, one has its files
    for name, value in server_settings(UpSettings()).items():
        if name in given:
            same = (
                json.loads(given[name]) == json.loads(value) if name.endswith(overrides) else str(given[name]) == value
            )
            assert same, name
    assert any(name.endswith(overrides) for name in given)
