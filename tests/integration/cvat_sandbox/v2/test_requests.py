"""Requests of 2.x: their states, who may see them, and the faults of their workers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from cvat_sandbox import Serving, serve
from tests.support.pictures import jpeg
from tests.support.sandbox_client import send, until
from tests.support.sandbox_client_v2 import USERS, create, ended, login, rq_id, uploaded


def test_a_request_is_found_by_its_plain_and_its_encoded_id(alex: httpx.Client, dabai: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    for written in (rq_id(task_id), quote(rq_id(task_id), safe="")):
        assert alex.get(f"/requests/{written}").json()["status"] == "finished"
    assert dabai.get(f"/requests/{rq_id(task_id)}").status_code == 403
    answer = alex.get("/requests/garbage")
    assert (answer.status_code, answer.text) == (404, "There is no request with specified id")


def test_requests_are_listed_newest_first_and_filtered(dabai: httpx.Client) -> None:
    tasks = [uploaded(dabai, ["a.jpg"]) for _ in range(2)]
    listed = dabai.get("/requests", params={"action": "create", "status": "finished"}).json()
    assert [request["operation"]["task_id"] for request in listed["results"]] == tasks[::-1]
    assert dabai.get("/requests", params={"status": "failed"}).json()["count"] == 0


def test_a_second_finish_while_the_first_runs_is_409(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "worker creation", "delay": 3600}])
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()})
    answer = send(alex, task_id, {"b.jpg": jpeg()})
    assert (answer.status_code, answer.json()) == (409, {"rq_id": rq_id(task_id)})
    until(lambda: sandbox.faults.described()[0]["met"], bool)
    assert alex.delete(f"/tasks/{task_id}").status_code == 500
    sandbox.faults.stop()
    ended(alex, rq_id(task_id))
    assert alex.get(f"/tasks/{task_id}").json()["size"] == 1


def test_a_request_that_no_worker_has_started_can_be_cancelled() -> None:
    with serve(USERS, version="2.73", workers=1) as sandbox, login(sandbox.url) as alex:
        sandbox.faults.set([{"on": "worker creation", "delay": 3600, "times": 1}])
        first, second = create(alex), create(alex)
        for task_id in (first, second):
            send(alex, task_id, {"a.jpg": jpeg()})
        assert alex.post(f"/requests/{rq_id(second)}/cancel").status_code == 200
        assert alex.get(f"/requests/{rq_id(second)}").status_code == 404
        assert alex.get(f"/tasks/{second}/status").json()["state"] == "Finished"
        until(lambda: alex.get(f"/requests/{rq_id(first)}").json(), lambda r: r["status"] == "started")
        assert alex.post(f"/requests/{rq_id(first)}/cancel").status_code == 400


def test_a_failure_of_the_worker_is_the_message(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "worker creation", "fail": "disk full, task {task}", "times": 1}])
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()})
    assert ended(alex, rq_id(task_id))["message"] == f"Exception: disk full, task {task_id}\n"


@pytest.mark.parametrize("what", ["queue", "worker"])
def test_a_lost_queue_forgets_a_request_and_a_killed_worker_leaves_it_started(
    alex: httpx.Client, sandbox: Serving, what: str
) -> None:
    sandbox.faults.set([{"on": "worker creation", "forget": what, "times": 1}])
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()})
    path = f"/requests/{rq_id(task_id)}"
    if what == "queue":
        until(lambda: alex.get(path), lambda answer: answer.status_code == 404)
        assert alex.get(f"/tasks/{task_id}/status").json()["state"] == "Finished"
    else:
        until(lambda: alex.get(path).json(), lambda request: request["status"] == "started")
    assert alex.get(f"/tasks/{task_id}").json()["size"] == 0


def test_a_body_that_is_cut_short_becomes_fewer_frames(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "POST /api/tasks/*/data", "short": 0.5, "times": 1}])
    task_id = create(alex)
    parts = [(f"client_files[{n}]", (f"{n}.jpg", jpeg(), "image/jpeg")) for n in range(10)]
    alex.post(f"/tasks/{task_id}/data", files=[("image_quality", (None, "70")), *parts])
    assert ended(alex, rq_id(task_id))["status"] == "finished"
    assert alex.get(f"/tasks/{task_id}").json()["size"] < 10


def test_a_restarted_server_continues_an_unfinished_creation(tmp_path: Path) -> None:
    with serve(USERS, version="2.73", data=tmp_path) as sandbox, login(sandbox.url) as alex:
        sandbox.faults.set([{"on": "worker creation", "forget": "worker"}])
        task_id = create(alex)
        send(alex, task_id, {"a.jpg": jpeg()})
        until(lambda: alex.get(f"/requests/{rq_id(task_id)}").json(), lambda r: r["status"] == "started")
    with serve(USERS, version="2.73", data=tmp_path) as sandbox, login(sandbox.url) as alex:
        assert ended(alex, rq_id(task_id))["status"] == "finished"
        assert alex.get(f"/tasks/{task_id}").json()["size"] == 1
