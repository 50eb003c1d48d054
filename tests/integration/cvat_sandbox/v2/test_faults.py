"""The faults of requests work for 2.x as they do for 1.0.0."""

from __future__ import annotations

import time

import httpx
import pytest

from cvat_sandbox import Serving

TASKS = "POST /api/tasks"
BODY = {"name": "x", "labels": []}


def count(http: httpx.Client) -> int:
    return int(http.get("/tasks").json()["count"])


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_an_error_status_comes_before_or_after_the_effect(
    alex: httpx.Client, sandbox: Serving, when: str, made: int
) -> None:
    before = count(alex)
    sandbox.faults.set([{"on": TASKS, "status": 503, "when": when, "times": 1}])
    assert (alex.post("/tasks", json=BODY).status_code, count(alex)) == (503, before + made)
    assert alex.post("/tasks", json=BODY).status_code == 201


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_cut_connection_has_no_response(alex: httpx.Client, sandbox: Serving, when: str, made: int) -> None:
    before = count(alex)
    sandbox.faults.set([{"on": TASKS, "cut": True, "when": when, "times": 1}])
    with pytest.raises(httpx.TransportError):
        alex.post("/tasks", json=BODY)
    assert count(alex) == before + made


def test_too_many_requests_have_their_retry_after_and_slow_ones_come_late(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([
        {"on": "GET /api/users/self", "status": 429, "retry_after": 7, "times": 1},
        {"on": "GET /api/tasks", "delay": 0.2},
    ])  # fmt: skip
    answer = alex.get("/users/self")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    started = time.monotonic()
    alex.get("/tasks")
    assert time.monotonic() - started >= 0.2
