"""On a narrow terminal a table becomes a list: an address stays in one line, and nothing of a next step is cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelyard.cli import labelyard
from labelyard.domain.states import BatchState
from labelyard.ledger import Ledger, batches, dead_letters
from labelyard.supervisor.stack import free_ports
from tests.support.emulator import StoreServer
from tests.support.machine import Machine
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, ingest, ingest_and_export

Call = Callable[..., Result]
ADVICE = f"labelyard retry {FIRST} after the administrator of cvat.example.com has renewed its certificate"


@pytest.fixture(params=[60, pytest.param(80, marks=pytest.mark.slow)])
def columns(request: pytest.FixtureRequest) -> int:
    width: int = request.param
    return width


@pytest.fixture
def machine(store_server: StoreServer, tmp_path: Path, columns: int) -> Machine:
    machine = Machine(store_server, tmp_path)
    machine.environment["COLUMNS"] = str(columns)
    return machine


@pytest.fixture
def call(workspace: Workspace, columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command beside the workspace, in a terminal of this width."""
    monkeypatch.chdir(tmp_path)
    used = workspace.context.settings
    for name in [name for name in os.environ if name.startswith(("LABELYARD_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    variables = {
        "COLUMNS": str(columns),
        "LABELYARD_LEDGER": used.ledger,
        "LABELYARD_STORE__ENDPOINT_URL": used.store.endpoint_url,
        "LABELYARD_STORE__ACCESS_KEY_ID": "test",
        "LABELYARD_STORE__SECRET_ACCESS_KEY": "test",
        "LABELYARD_CVAT__DEFAULT__URL": workspace.sandbox.url,
        "LABELYARD_CVAT__DEFAULT__USERNAME": "root",
        "LABELYARD_CVAT__DEFAULT__PASSWORD": "rootpass",
        "LABELYARD_UP__PREFECT_PORT": str(free_ports(1)[0]),
    }
    return lambda *words: CliRunner().invoke(labelyard, words, env=variables)


def assert_whole(result: Result, *texts: str) -> None:
    """Each text is in one line."""
    lines = result.output.splitlines()
    assert [text for text in texts if not any(text in line for line in lines)] == [], result.output


def fail(workspace: Workspace) -> None:
    with workspace.context.ledger.transaction() as tx:
        batch = batches.get(tx, FIRST)
        batch.error, batch.next_step = f"the certificate of {workspace.sandbox.url} has expired", ADVICE


def test_status_and_why_show_addresses_and_the_next_step_whole(workspace: Workspace, call: Call) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest_and_export(workspace)
    fail(workspace)
    line = workspace.line()
    assert line.state is BatchState.EXPORTED
    wanted = (line.task_url or "", line.exports[-1], f"next: {ADVICE}")
    assert_whole(call("status"), FIRST, *wanted)
    assert_whole(call("why", FIRST), *wanted)


def test_the_tasks_and_jobs_of_cvat_show_names_whole(workspace: Workspace, call: Call) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    name = workspace.line().task_name or ""
    assert_whole(call("cvat", "tasks"), f"name {name}")
    task = str(workspace.line().task_id)
    assert_whole(call("cvat", "task", task), f"name {name}", "labels: car, person")
    assert "annotation" in call("cvat", "jobs", task).output


def test_the_plan_shows_what_differs_whole(workspace: Workspace, call: Call) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    task = workspace.line().task_id or 0
    workspace.context.cvat("default").delete_task(task)
    [found] = json.loads(call("plan", "--json").stdout)["differences"]
    assert_whole(call("plan"), f"+ {found['where']}: {found['what']} → {found['action']}")


def test_doctor_shows_each_next_step_whole_on_a_line_of_its_own(workspace: Workspace, call: Call) -> None:
    checks = json.loads(call("doctor", "--json").stdout)["checks"]
    shown = call("doctor")
    lines = shown.output.splitlines()
    for check in checks:
        if check["next_step"]:
            assert f"  next: {check['next_step']}" in lines
    assert_whole(shown, f"  {workspace.sandbox.url}: ")


def test_inspect_shows_names_and_reasons_whole(call: Call, tmp_path: Path) -> None:
    name = f"{'drive-17/' * 6}a-rather-long-name-of-a-picture.jpg"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(picture(1))
    (tmp_path / f"{name}.txt").write_bytes(b"no image")
    shown = call("inspect", name, f"{name}.txt")
    assert_whole(shown, name, f"{name}.txt", "no image: ")


def test_notifications_show_buckets_and_actions_whole(machine: Machine, columns: int) -> None:
    bucket = machine.server.new_bucket()
    spec = machine.apply(bucket)
    machine.environment["LABELYARD_WATCH__QUEUE_URL"] = f"{machine.server.url}/000000000000/{bucket}"  # a new one
    shown = machine.call("notifications", spec.name)
    next_line = f"next: labelyard notifications {spec.name} --apply"
    assert_whole(shown, f"where s3://{bucket}/in/", "VisibilityTimeout=60", next_line)
    assert machine.environment["COLUMNS"] == str(columns)


def test_dead_letters_show_reasons_and_the_next_step_whole(machine: Machine) -> None:
    machine.apply(machine.server.new_bucket())
    reason = "the body is no JSON: Expecting value at line 1, column 1 (character 0) of the message, escaped \x1b[31m"
    with closing(Ledger(machine.ledger_url)) as ledger, ledger.transaction() as tx:
        dead_letters.put(tx, b"no json", "sqs", reason)
    shown = machine.call("dead-letters")
    assert_whole(shown, f"reason {reason[:-5]}\\x1b[31m", "discard ID if nothing is lost with it")


def test_a_message_shows_keys_whole(machine: Machine) -> None:
    key = "in/" + "a-long-folder/" * 5 + "a.jpg"
    record = {"eventName": "ObjectCreated:Put", "eventSource": "ceph:s3", "s3": {"bucket": {"name": "bucket"}}}
    record["s3"]["object"] = {"key": key, "size": 1, "eTag": "0" * 32}  # type: ignore[index]
    (machine.folder / "message.json").write_text(json.dumps({"Records": [record]}))
    assert_whole(machine.call("message", "message.json"), key, f"etag {'0' * 32}")


def test_where_it_fits_a_table_stays_a_table(workspace: Workspace, call: Call) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    assert "┃" in call("cvat", "jobs", str(workspace.line().task_id)).output
