"""Faults of requests and workers, and the control endpoint."""

from __future__ import annotations

import time

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.pictures import jpeg
from tests.support.sandbox_client import create, send, settled, task

TASKS = "POST /api/v1/tasks"


def count(http: httpx.Client) -> int:
    return int(http.get("/tasks").json()["count"])


def test_a_status_before_the_effect_prevents_it_and_has_its_retry_after(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": TASKS, "status": 429, "retry_after": 3, "times": 1}])
    before = count(alex)
    answer = alex.post("/tasks", json={"name": "x", "labels": []})
    assert (answer.status_code, answer.headers["Retry-After"], count(alex)) == (429, "3", before)
    assert alex.post("/tasks", json={"name": "x", "labels": []}).status_code == 201


def test_a_status_after_the_effect_replaces_the_response_only(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": TASKS, "status": 502, "when": "after", "times": 1}])
    before = count(alex)
    assert alex.post("/tasks", json={"name": "x", "labels": []}).status_code == 502
    assert count(alex) == before + 1


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_cut_connection_has_no_response(alex: httpx.Client, sandbox: Serving, when: str, made: int) -> None:
    sandbox.faults.set([{"on": TASKS, "cut": True, "when": when, "times": 1}])
    before = count(alex)
    with pytest.raises(httpx.TransportError):
        alex.post("/tasks", json={"name": "x", "labels": []})
    assert count(alex) == before + made


def test_delays_before_and_after_add_up(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "GET /api/v1/users/*", "delay": 0.2}, {"on": "* *", "delay": 0.2, "when": "after"}])
    started = time.monotonic()
    assert alex.get("/users/self").json()["username"] == "alex"
    assert time.monotonic() - started >= 0.4


def test_a_rule_fails_the_job_of_a_worker(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "worker creation", "fail": "disk full, task {task}", "times": 1}])
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()})
    assert settled(alex, task_id) == {"state": "Failed", "message": f"Exception: disk full, task {task_id}"}
    send(alex, task_id, {"a.jpg": jpeg()})
    assert settled(alex, task_id)["state"] == "Finished"
    assert task(alex, task_id)["size"] == 1


def test_the_message_of_a_failed_task_can_be_null_for_a_moment(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "worker null_message", "times": 2}])
    task_id = create(alex)
    send(alex, task_id, {"notes.txt": b"?"})
    seen = []
    assert settled(alex, task_id)["state"] == "Failed"
    sandbox.faults.set([{"on": "worker null_message", "times": 2}])
    for _ in range(3):
        answer = alex.get(f"/tasks/{task_id}/status")
        seen.append((answer.status_code, answer.json().get("message")))
    assert seen == [(400, ["This field may not be null."])] * 2 + [(200, "ValueError: No media data found")]


def test_the_control_endpoint_needs_its_token(sandbox: Serving, alex: httpx.Client) -> None:
    url = sandbox.url + "/_sandbox/faults"
    key = {"Authorization": "Bearer open sesame"}
    rules = [{"on": "GET /api/v1/server/about", "status": 503}]
    for wrong in ({}, {"Authorization": "Bearer guess"}, {"Authorization": alex.headers["Authorization"]}):
        assert httpx.post(url, json=rules, headers=wrong).status_code == 401
    assert alex.get("/server/about").status_code == 200
    assert httpx.post(url, json=rules, headers=key).status_code == 200
    assert alex.get("/server/about").status_code == 503
    (shown,) = httpx.get(url, headers=key).json()
    assert (shown["on"], shown["status"], shown["met"]) == ("GET /api/v1/server/about", 503, 1)
    rejected = httpx.post(url, json=[{"on": "nothing"}], headers=key)
    assert (rejected.status_code, "METHOD PATH" in rejected.json()["detail"]) == (400, True)
    assert httpx.delete(url, headers=key).json() == []
    assert alex.get("/server/about").status_code == 200
