"""The schedules of datasets in Prefect: created, kept, changed back, and caught up once after a dead night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from labelyard.domain.plan import Action
from labelyard.domain.schedules import Timing, Verb
from labelyard.errors import PrefectUnreachable
from labelyard.orchestration.dataset_schedules import PrefectSchedules
from labelyard.settings import Settings
from tests.support.emulator import StoreServer
from tests.support.pictures import jpeg
from tests.support.prefect_server import PrefectServer
from tests.support.prefect_workspace import RARELY, new_workspace
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]

NIGHTLY, HOURLY = Timing("Europe/Berlin", cron="0 2 * * *"), Timing("UTC", interval=timedelta(hours=1))


def schedules_of(server: PrefectServer) -> PrefectSchedules:
    return PrefectSchedules(Settings(PREFECT_API_URL=server.api_url))  # type: ignore[call-arg]


def deployment(server: PrefectServer, name: str = "ingest-dataset") -> Any:
    return server.call("GET", f"/deployments/name/{name}/{name}")


def in_prefect(server: PrefectServer, slug: str, name: str = "ingest-dataset") -> Any:
    return next((one for one in deployment(server, name)["schedules"] if one["slug"] == slug), None)


def change(server: PrefectServer, slug: str, **body: Any) -> None:
    """Change a schedule as Prefect's UI does."""
    found = deployment(server)
    schedule = in_prefect(server, slug)
    server.call("PATCH", f"/deployments/{found['id']}/schedules/{schedule['id']}", body)


def test_schedules_are_created_once_and_a_change_in_the_ui_is_noticed_and_changed_back(
    deployed: PrefectServer,
) -> None:
    schedules, declared = schedules_of(deployed), {"zoo": {Verb.INGEST: NIGHTLY, Verb.SWEEP: HOURLY}}
    assert [one.action for one in schedules.sync(declared)] == [Action.CREATE_SCHEDULE] * 2
    assert schedules.sync(declared) == []
    before = in_prefect(deployed, "zoo-ingest")
    assert before["parameters"] == {"dataset": "zoo"}
    assert (before["schedule"]["cron"], before["schedule"]["timezone"]) == ("0 2 * * *", "Europe/Berlin")
    change(deployed, "zoo-ingest", schedule={"cron": "0 5 * * *", "timezone": "UTC"})
    [difference] = schedules.compare(declared)
    assert difference.what == ("0 2 * * * Europe/Berlin, in Prefect 0 5 * * * UTC with the parameters none"), (
        "Prefect has emptied the parameters"
    )
    schedules.sync(declared)
    assert {**in_prefect(deployed, "zoo-ingest"), "updated": ""} == {**before, "updated": ""}
    change(deployed, "zoo-ingest", active=False)
    schedules.restore_parameters()
    paused = in_prefect(deployed, "zoo-ingest")
    assert (paused["parameters"], paused["active"]) == ({"dataset": "zoo"}, False)
    [note] = schedules.compare(declared)
    assert (note.action, note.what) == (Action.REPORT, "a person has paused it in Prefect; it stays paused")
    assert [one.action for one in schedules.sync({"zoo": {}})] == [Action.DELETE_SCHEDULE] * 2
    assert in_prefect(deployed, "zoo-ingest") is None
    assert in_prefect(deployed, "sweep", "sweep-sources") is not None


@pytest.mark.slow
def test_a_pause_of_a_person_stays_when_the_schedule_is_changed_and_when_everything_is_deployed_again(
    deployed: PrefectServer,
) -> None:
    schedules = schedules_of(deployed)
    schedules.sync({"zoo": {Verb.INGEST: NIGHTLY}})
    change(deployed, "zoo-ingest", active=False)
    schedules.sync({"zoo": {Verb.INGEST: HOURLY}})
    changed = in_prefect(deployed, "zoo-ingest")
    assert (changed["active"], changed["schedule"]["interval"]) == (False, 3600)
    deployed.command("labelyard", "deploy", **RARELY)
    assert in_prefect(deployed, "zoo-ingest")["active"] is False
    schedules.sync({"zoo": {}})


def test_without_deployments_or_a_server_the_error_names_the_next_command(prefect_server: PrefectServer) -> None:
    nowhere = Settings(PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_API_AUTH_STRING=SecretStr("a:b"))  # type: ignore[call-arg]
    with pytest.raises(PrefectUnreachable, match="labelyard up"):
        PrefectSchedules(nowhere).compare({"zoo": {}})


@pytest.mark.slow
def test_the_runs_that_a_dead_night_missed_are_caught_up_once(
    deployed: PrefectServer, tmp_path: Path, store_server: StoreServer, sandbox_url: str
) -> None:
    workspace = new_workspace(tmp_path, store_server, sandbox_url)
    workspace.put("1.jpg", jpeg())
    schedules_of(deployed).sync({workspace.dataset: {Verb.INGEST: HOURLY}})
    night = {
        "start_time": (datetime.now(UTC) - timedelta(hours=5)).isoformat(),
        "end_time": datetime.now(UTC).isoformat(),
        "min_runs": 5,
    }
    deployed.call("POST", f"/deployments/{deployment(deployed)['id']}/schedule", night)
    wanted = {"deployments": {"name": {"any_": ["ingest-dataset"]}}, "sort": "EXPECTED_START_TIME_ASC"}

    def ended() -> list[Any] | None:
        runs = [
            run
            for run in deployed.call("POST", "/flow_runs/filter", wanted)
            if run["parameters"]["dataset"] == workspace.dataset
            and datetime.fromisoformat(run["expected_start_time"]) < datetime.now(UTC)
        ]
        return runs if runs and all(run["state_type"] == "COMPLETED" for run in runs) else None

    with deployed.worker("labelyard", "labelyard", tmp_path, **workspace.settings):
        runs = eventually(ended, "the missed runs to end", 200)
    assert len(runs) == 5
    assert [run["state_name"] for run in runs] == ["Caught up"] * 4 + ["Sent"]
    assert (
        f"sent {workspace.dataset}-00001 (1 file)"
        in deployed.call("GET", f"/flow_runs/{runs[-1]['id']}")["state"]["message"]
    )
    assert workspace.dataset in runs[-1]["tags"]
    schedules_of(deployed).sync({workspace.dataset: {}})
