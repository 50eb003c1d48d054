"""Review in 2.x: stages and states of jobs, the summary and the status of a task, issues and comments."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client_v2 import jobs, login, uploaded


@pytest.fixture(scope="module")
def organization(sandbox: Serving) -> dict[str, str]:
    """The header of an organization whose owner is alex and whose worker is dabai."""
    alex, header = login(sandbox.url), {"X-Organization": "reviews"}
    assert alex.post("/organizations", json={"slug": "reviews"}).status_code == 201
    invitation = {"email": "dabai@example.com", "role": "worker"}
    assert alex.post("/invitations", json=invitation, headers=header).status_code == 201
    return header


@pytest.fixture
def task_id(alex: httpx.Client, organization: dict[str, str]) -> int:
    """A task of two jobs; the first is assigned to dabai."""
    alex.headers.update(organization)
    task_id = uploaded(alex, ["a.jpg", "b.jpg"], segment_size=1)
    assert alex.patch(f"/jobs/{jobs(alex, task_id)[0]['id']}", json={"assignee": 3}).status_code == 200
    return task_id


@pytest.fixture
def job_id(alex: httpx.Client, task_id: int) -> int:
    return int(jobs(alex, task_id)[0]["id"])


def patch(http: httpx.Client, job_id: int, **values: Any) -> tuple[str, str, str]:
    """Change a job and return its stage, its state and its old status."""
    answer = http.patch(f"/jobs/{job_id}", json=values)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    return job["stage"], job["state"], job["status"]


def summary(http: httpx.Client, task_id: int) -> tuple[int, int, int, str]:
    task = http.get(f"/tasks/{task_id}").json()
    return (*(task["jobs"][name] for name in ("count", "completed", "validation")), task["status"])


def issue(http: httpx.Client, job_id: int, **fields: Any) -> httpx.Response:
    body = {"job": job_id, "frame": 0, "position": [1.0, 2.0], "message": "too big", **fields}
    return http.post("/issues", json=body)


def test_a_new_stage_makes_the_state_new_unless_the_state_comes_with_it(alex: httpx.Client, job_id: int) -> None:
    assert patch(alex, job_id, state="completed") == ("annotation", "completed", "annotation")
    assert patch(alex, job_id, stage="validation") == ("validation", "new", "validation")
    assert patch(alex, job_id, stage="acceptance", state="completed") == ("acceptance", "completed", "completed")
    assert patch(alex, job_id, stage="acceptance", state="rejected") == ("acceptance", "rejected", "validation")


def test_only_accepted_and_completed_jobs_count_as_completed(alex: httpx.Client, task_id: int) -> None:
    first, second = (job["id"] for job in jobs(alex, task_id))
    patch(alex, first, state="completed")
    assert summary(alex, task_id) == (2, 0, 0, "annotation")
    patch(alex, first, stage="validation")
    assert summary(alex, task_id) == (2, 0, 1, "annotation")
    patch(alex, first, stage="acceptance", state="completed")
    assert summary(alex, task_id) == (2, 1, 0, "annotation")
    patch(alex, second, stage="acceptance", state="completed")
    assert summary(alex, task_id) == (2, 2, 0, "completed")
    assert [task["id"] for task in alex.get("/tasks?status=completed").json()["results"]] == [task_id]


@pytest.mark.parametrize("stage", ["annotation", "validation", "acceptance"])
def test_an_assignee_annotates_and_sets_the_state_at_every_stage(
    alex: httpx.Client, dabai: httpx.Client, job_id: int, stage: str
) -> None:
    patch(alex, job_id, stage=stage, state="new")
    assert patch(dabai, job_id, state="rejected")[:2] == (stage, "rejected")
    body: dict[str, Any] = {"version": 0, "tags": [], "shapes": [], "tracks": []}
    assert dabai.put(f"/jobs/{job_id}/annotations", json=body).status_code == 200
    assert dabai.get(f"/jobs/{job_id}").json()["state"] == "rejected"
    assert [dabai.patch(f"/jobs/{job_id}", json=b).status_code for b in ({"stage": "validation"}, {"assignee": 3})] == [
        403, 403,
    ]  # fmt: skip


def test_a_field_that_a_job_does_not_have_is_403_and_a_wrong_state_400(alex: httpx.Client, job_id: int) -> None:
    assert alex.patch(f"/jobs/{job_id}", json={"assignee_id": 3}).json() == {
        "detail": "Attempted to update an unknown field"
    }
    assert alex.patch(f"/jobs/{job_id}", json={"state": "done"}).json() == {
        "state": ['"done" is not a valid choice.']
    }  # fmt: skip
    assert alex.patch(f"/jobs/{job_id}", json={}).status_code == 200
    assert alex.patch(f"/jobs/{job_id}", json={"assignee": "dabai"}).status_code == 500


def test_who_has_no_job_left_sees_none(alex: httpx.Client, dabai: httpx.Client, job_id: int) -> None:
    assert alex.patch(f"/jobs/{job_id}", json={"assignee": None}).json()["assignee"] is None
    assert dabai.get(f"/jobs/{job_id}").status_code == 403


def test_the_message_of_an_issue_becomes_its_first_comment(
    alex: httpx.Client, dabai: httpx.Client, job_id: int
) -> None:
    created = issue(alex, job_id).json()
    assert (created["resolved"], created["comments"]["count"], created["owner"]["username"]) == (False, 1, "alex")
    reply = dabai.post("/comments", json={"issue": created["id"], "message": "fixed"}).json()
    comments = alex.get("/comments", params={"issue_id": created["id"]}).json()["results"]
    assert [comment["message"] for comment in comments] == ["fixed", "too big"]
    assert dabai.patch(f"/comments/{reply['id']}", json={"message": "gone"}).json()["message"] == "gone"
    resolved = alex.patch(f"/issues/{created['id']}", json={"resolved": True, "frame": 7}).json()
    assert (resolved["resolved"], resolved["frame"], resolved["comments"]["count"]) == (True, 0, 2)
    assert alex.get(f"/jobs/{job_id}").json()["issues"]["count"] == 1
    assert dabai.delete(f"/issues/{created['id']}").status_code == 403
    assert alex.delete(f"/issues/{created['id']}").status_code == 204
    assert alex.get(f"/comments/{reply['id']}").status_code == 404


def test_an_issue_needs_a_job_and_a_message_and_a_frame_that_nobody_checks(alex: httpx.Client, job_id: int) -> None:
    assert issue(alex, 99999).json() == ["Job matching query does not exist."]
    assert issue(alex, job_id, message="").json() == {"message": ["This field may not be blank."]}
    assert issue(alex, job_id, frame=99, position=[1.0]).status_code == 201
    assert alex.post("/comments", json={"issue": 99999, "message": "x"}).json() == [
        "Issue matching query does not exist."
    ]


def test_issues_are_seen_by_who_works_on_the_job(sandbox: Serving, alex: httpx.Client, job_id: int) -> None:
    key = issue(alex, job_id).json()["id"]
    seen = {name: login(sandbox.url, name).get("/issues", params={"job_id": job_id}).json()["count"]
            for name in ("alex", "dabai", "carol", "root")}  # fmt: skip
    assert seen == {"alex": 1, "dabai": 1, "carol": 0, "root": 1}
    carol = login(sandbox.url, "carol")
    assert [carol.get(f"/issues/{key}").status_code, issue(carol, job_id).status_code] == [403, 403]
    assert alex.get("/issues", params={"job_id": job_id, "resolved": "true"}).json()["count"] == 0


def test_a_job_of_annotation_cannot_be_deleted(alex: httpx.Client, job_id: int) -> None:
    assert alex.delete(f"/jobs/{job_id}").json() == ["Only ground truth jobs can be removed"]
