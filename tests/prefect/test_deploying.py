"""`labelyard deploy`, repeated, and Prefect's own `prefect deploy`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelyard import __version__
from labelyard.orchestration import WATCHES_HOUSEKEEPING
from tests.support.prefect_server import PrefectServer
from tests.support.prefect_workspace import RARELY

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.timeout(600)]


def _deployments(server: PrefectServer) -> dict[str, Any]:
    kept = ("id", "entrypoint", "tags", "version", "work_pool_name", "concurrency_options", "pull_steps", "paused")
    found = server.call("POST", "/deployments/filter", {"deployments": {"tags": {"all_": ["labelyard"]}}})
    return {
        one["name"]: {name: one[name] for name in kept}
        | {"limit": one["global_concurrency_limit"]["limit"]}
        | {"schedules": [(each["slug"], each["schedule"], each["active"]) for each in one["schedules"]]}
        for one in found
    }


def _automations(server: PrefectServer) -> list[Any]:
    found = server.call("POST", "/automations/filter", {})
    return sorted(([_without_ids(one) for one in found]), key=lambda one: str(one["name"]))


def _watching(server: PrefectServer) -> list[Any]:
    """Id and seconds of the automation that watches housekeeping."""
    found = server.call("POST", "/automations/filter", {"automations": {"name": {"any_": [WATCHES_HOUSEKEEPING]}}})
    return [value for one in found for value in (one["id"], one["trigger"]["within"])]


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return sorted((_without_ids(item) for item in value), key=str)
    if not isinstance(value, dict):
        return value
    return {name: _without_ids(item) for name, item in value.items() if name not in ("id", "created", "updated")}


def test_deploying_twice_leaves_the_same_deployments_and_one_equal_automation_for_each_trigger(
    deployed: PrefectServer,
) -> None:
    before, automations = _deployments(deployed), _automations(deployed)
    watching = _watching(deployed)
    deployed.command("labelyard", "deploy", **RARELY)
    assert _deployments(deployed) == before
    assert _automations(deployed) == automations
    assert _watching(deployed) == watching, "it is not replaced, so that it keeps what it waits for"
    deployed.command("labelyard", "deploy", **RARELY, LABELYARD_ALERTS__HOUSEKEEPING_SILENCE_SECONDS="1800")
    assert (watching[1], _watching(deployed)) == (900, [watching[0], 1800])
    described = deployed.call("GET", "/deployments/name/ingest-batch/ingest-batch")["description"]
    assert "[Operations page](http" in described
    assert "/artifacts/" in described
    pool = deployed.call("GET", "/work_pools/labelyard")
    assert (pool["type"], pool["concurrency_limit"]) == ("labelyard", None)
    queues = deployed.call("POST", "/work_pools/labelyard/queues/filter", {})
    limits = {queue["name"]: queue["concurrency_limit"] for queue in queues}
    assert limits == {"default": 16, "ingest": 4, "export": 4, "housekeeping": None}
    assert [one["name"] for one in automations] == [
        "labelyard reports failed actions",
        "labelyard: export a completed task",
        "labelyard: housekeeping gives no sign of life",
        "labelyard: ingest a closed batch",
    ]


def test_a_run_above_the_limit_of_its_queue_is_not_offered_to_workers(deployed: PrefectServer) -> None:
    deployed.command("labelyard", "deploy", **RARELY, LABELYARD_DEPLOY__EXPORTS_AT_ONCE="2")
    runs = [deployed.start("export-task/export-task", batch=f"street-0000{number}", attempt=1) for number in range(4)]
    try:
        deployed.call("POST", f"/flow_runs/{runs[0]}/set_state", {"state": {"type": "RUNNING"}, "force": True})
        soon = {"scheduled_before": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
        offered = deployed.call("POST", "/work_pools/labelyard/get_scheduled_flow_runs", soon)
        assert len({each["flow_run"]["id"] for each in offered} & set(runs)) == 1
    finally:
        for run in runs:
            deployed.call("DELETE", f"/flow_runs/{run}")


def test_deploying_removes_the_limit_of_the_pool_and_automations_of_an_earlier_labelyard(
    deployed: PrefectServer,
) -> None:
    deployed.call("PATCH", "/work_pools/labelyard", {"concurrency_limit": 16})
    after = {"prefect.flow-run.heartbeat"}
    trigger = {"type": "event", "posture": "Proactive", "after": list(after), "expect": list(after), "within": 600}
    action = {"type": "change-flow-run-state", "state": "CRASHED"}
    names = {"labelyard: mark runs that missed their heartbeats as Crashed", "not of labelyard"}
    for name in names:
        deployed.call("POST", "/automations/", {"name": name, "trigger": trigger, "actions": [action]})
    deployed.command("labelyard", "deploy", **RARELY)
    assert deployed.call("GET", "/work_pools/labelyard")["concurrency_limit"] is None
    left = {one["name"]: one["id"] for one in deployed.call("POST", "/automations/filter", {})}
    assert names & set(left) == {"not of labelyard"}
    deployed.call("DELETE", f"/automations/{left['not of labelyard']}")


def test_prefect_deploy_creates_the_same_deployments_with_the_intervals_of_the_file(
    deployed: PrefectServer,
) -> None:
    before = _deployments(deployed)
    deployed.command("prefect", "--no-prompt", "deploy", "--all")
    after = _deployments(deployed)
    assert {name: one["id"] for name, one in after.items()} == {name: one["id"] for name, one in before.items()}
    assert after["ingest-batch"] == before["ingest-batch"]
    for one in after.values():
        assert one["version"] == __version__
        assert one["pull_steps"] == [{"labelyard.orchestration.pull.project_folder": {"version": __version__}}]
    assert after["collect-finished"]["schedules"][0][1]["interval"] == 60
    assert after["sweep-sources"]["schedules"][0][1]["interval"] == 300
    assert after["housekeeping"]["schedules"][0][1]["interval"] == 60


def test_without_a_server_the_error_names_the_address_and_the_command_to_start_one(
    prefect_server: PrefectServer,
) -> None:
    with pytest.raises(AssertionError) as failed:
        prefect_server.command("labelyard", "deploy", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "labelyard: http://127.0.0.1:9/api: no healthy Prefect there" in str(failed.value)
    assert "next: prefect server start, or labelyard up" in str(failed.value)
