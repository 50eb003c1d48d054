"""Misbehaviour on order, from a file or through the control endpoint."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.sandbox_client import create, jpeg, send, settled, task

from cvat_sandbox.errors import SandboxError
from cvat_sandbox import Serving
from cvat_sandbox.faults import Faults, load_rules, parse_rules

TASKS = "POST /api/v1/tasks"


def count(http: httpx.Client) -> int:
    return int(http.get("/tasks").json()["count"])


def test_a_status_before_the_effect_has_none_and_its_retry_after(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": TASKS, "status": 429, "retry_after": 3, "times": 1}])
    before = count(alex)
    answer = alex.post("/tasks", json={"name": "x", "labels": []})
    assert (answer.status_code, answer.headers["Retry-After"], count(alex)) == (429, "3", before)
    assert alex.post("/tasks", json={"name": "x", "labels": []}).status_code == 201


def test_a_status_after_the_effect_hides_what_was_done(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": TASKS, "status": 502, "when": "after", "times": 1}])
    before = count(alex)
    assert alex.post("/tasks", json={"name": "x", "labels": []}).status_code == 502
    assert count(alex) == before + 1


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_cut_connection_gives_no_answer(alex: httpx.Client, sandbox: Serving, when: str, made: int) -> None:
    sandbox.faults.set([{"on": TASKS, "cut": True, "when": when, "times": 1}])
    before = count(alex)
    with pytest.raises(httpx.TransportError):
        alex.post("/tasks", json={"name": "x", "labels": []})
    assert count(alex) == before + made


def test_a_delay_comes_before_or_after(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "GET /api/v1/users/*", "delay": 0.2}, {"on": "* *", "delay": 0.2, "when": "after"}])
    started = time.monotonic()
    assert alex.get("/users/self").json()["username"] == "alex"
    assert time.monotonic() - started >= 0.4


def test_workers_fail_and_wait_on_order(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "worker creation", "fail": "disk full, task {task}", "times": 1}])
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()})
    assert settled(alex, task_id) == {"state": "Failed", "message": f"Exception: disk full, task {task_id}"}
    send(alex, task_id, {"a.jpg": jpeg()})
    assert settled(alex, task_id)["state"] == "Finished"
    assert task(alex, task_id)["size"] == 1


def test_a_failed_task_can_say_for_a_moment_that_its_message_is_null(alex: httpx.Client, sandbox: Serving) -> None:
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


def test_rules_count_skip_and_end() -> None:
    faults = Faults(parse_rules([{"on": "GET /x", "status": 500, "skip": 1, "times": 2}]))
    assert [bool(faults.for_request("GET", "/x")) for _ in range(5)] == [False, True, True, False, False]
    assert not faults.for_request("POST", "/x")
    assert not faults.for_request("GET", "/x/y")


def test_chance_can_be_repeated() -> None:
    def run() -> list[bool]:
        faults = Faults(parse_rules([{"on": "* /*", "cut": True, "probability": 0.5, "seed": 4}]))
        return [bool(faults.for_request("GET", "/x")) for _ in range(50)]

    assert run() == run()
    assert 5 < sum(run()) < 45


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"on": "GET /"}, "valid list"),
        ([{"status": 500}], "1.on: Field required"),
        ([{"on": "GET"}], "neither METHOD PATH"),
        ([{"on": "worker teapot"}], "creation|export"),
        ([{"on": "GET /", "statsu": 5}], "1.statsu: Extra inputs"),
        ([{"on": "GET /", "when": "later"}], "1.when: Input should be 'before' or 'after'"),
        ([7], "rule 1: "),
        ([{"on": "GET /"}, {"on": "GET /", "status": "no"}], "2.status"),
        ([{"on": 7}], "1.on"),
    ],
)
def test_a_rule_that_is_wrong_is_told(rules: Any, words: str) -> None:
    with pytest.raises(SandboxError, match=re.escape(words)):
        parse_rules(rules)


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["on", "delay", "status", "times", "cut", "when", "seed", "short", "fail"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        )
    )
)
def test_any_rules_are_taken_or_refused(rules: Any) -> None:
    with contextlib.suppress(SandboxError):
        assert all(rule.on for rule in parse_rules(rules))


def test_a_file_of_rules_is_yaml(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("- on: POST /api/v1/tasks\n  status: 503\n  times: 1\n")
    assert [(rule.on, rule.status, rule.times) for rule in load_rules(file)] == [("POST /api/v1/tasks", 503, 1)]
    file.write_text("- [unclosed")
    with pytest.raises(SandboxError, match="not valid YAML"):
        load_rules(file)


def test_the_control_endpoint_opens_with_its_token_only(sandbox: Serving, alex: httpx.Client) -> None:
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
    refused = httpx.post(url, json=[{"on": "nothing"}], headers=key)
    assert (refused.status_code, "METHOD PATH" in refused.json()["detail"]) == (400, True)
    assert httpx.delete(url, headers=key).json() == []
    assert alex.get("/server/about").status_code == 200
