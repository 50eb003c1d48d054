"""A process that ends between any two writes of quality control repeats nothing and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from labelyard.domain.tasks import JobKind, JobStatus
from labelyard.failpoints import FAILPOINTS
from labelyard.operations.reassign import reassign
from labelyard.pipeline import assign_quality_jobs, check_quality
from labelyard.pipeline.check_quality import check_quality as check
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.sandbox_client_v2 import login
from tests.support.workspace import FIRST, Workspace, export, ingest


class Killed(BaseException):
    """The process ends here: no step catches it."""


@pytest.fixture
def cvat_version() -> str:
    return V2


def kill_each_time(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], *modules: ModuleType) -> set[str]:
    """Do the work until it succeeds; it is killed once at each failpoint of the modules. Return these."""
    passed: set[str] = set()

    def failpoint(name: str) -> None:
        if name not in passed:
            passed.add(name)
            raise Killed

    for module in modules:
        monkeypatch.setattr(module, "failpoint", failpoint)
    for _ in range(10):
        try:
            work()
        except Killed:
            continue
        return passed
    raise AssertionError("killed without an end")


def test_a_kill_at_any_failpoint_repeats_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.apply(quality={"replicas": 2, "ground_truth": {"frames": 1, "annotator": "bob"}})
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    passed = kill_each_time(monkeypatch, lambda: ingest(workspace), assign_quality_jobs)
    passed |= kill_each_time(monkeypatch, lambda: reassign(workspace.context, "bob", "root"), assign_quality_jobs)
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    replicas = [job for job in task.quality_jobs if job.kind is JobKind.REPLICA]
    names = {user.id: user.username for user in cvat.users()}
    assert {names.get(job.assignee or 0) for job in replicas} == {"ann", "root"}
    for job in replicas:
        cvat.set_job_status(job.id, JobStatus.COMPLETED)
    with login(workspace.sandbox.url, "root") as http:
        [truth] = [job for job in task.quality_jobs if job.kind is JobKind.GROUND_TRUTH]
        http.patch(f"/jobs/{truth.id}", json={"stage": "acceptance", "state": "completed"}).raise_for_status()
        collect(workspace.context)
        passed |= kill_each_time(monkeypatch, lambda: check(workspace.context), check_quality)
        collect(workspace.context)
        export(workspace)
        passed |= kill_each_time(monkeypatch, lambda: check(workspace.context), check_quality)
        assert workspace.line().state == "exported"
        found = http.get("/quality/reports", params={"task_id": task.id}).json()["results"]
    assert passed == {name for name in FAILPOINTS if name.startswith(("assign_quality_jobs.", "check_quality."))}
    assert sum(one["target"] == "task" for one in found) <= 2, "a report that was made twice changes nothing"
    assert not check(workspace.context).reports, FIRST
