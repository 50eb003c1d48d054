"""What a person changes in CVAT stays, also while jobs that waited are assigned."""

from __future__ import annotations

import pytest

from labelyard.cvat import Cvat
from labelyard.domain.causes import Kind
from labelyard.domain.tasks import Job, JobStatus
from labelyard.operations.apply import carry_out
from labelyard.operations.figures import read_figures
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline.collect_finished import collect
from tests.support.assigning import POOL, begin, complete, move, who
from tests.support.cvat_families import V2
from tests.support.workspace import Workspace

pytestmark = pytest.mark.parametrize("cvat_version", [V2])


def test_a_job_that_a_person_takes_while_another_one_is_sent_is_theirs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", "d.jpg", assignment=POOL)
    cvat = workspace.context.cvat("default")
    last = cvat.jobs(workspace.line().task_id or 0)[3]
    root = next(user.id for user in cvat.users() if user.username == "root")
    send, sent = type(cvat).assign, list[int]()

    def assign(self: Cvat, job_id: int, user_id: int | None) -> Job:
        if not sent:
            send(self, last.id, root)
        sent.append(job_id)
        return send(self, job_id, user_id)

    complete(workspace, 0)
    complete(workspace, 1)
    monkeypatch.setattr(type(cvat), "assign", assign)
    collect(workspace.context)
    collect(workspace.context)
    assert last.id not in sent
    assert who(workspace)[3] == "root"


def test_ground_truth_that_a_person_frees_is_not_assigned_again_by_a_look(workspace: Workspace) -> None:
    truth = {"ground_truth": {"frames": "50%", "annotator": "root"}}
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", "d.jpg", assignment=POOL, quality=truth)
    cvat = workspace.context.cvat("default")
    task_id = workspace.line().task_id or 0
    [job] = cvat.task(task_id).quality_jobs
    assert job.assignee is not None
    cvat.assign(job.id, None)
    collect(workspace.context)
    complete(workspace, 0)
    collect(workspace.context)
    assert None not in who(workspace)[:3], "the look has assigned another job"
    assert [one.assignee for one in cvat.task(task_id).quality_jobs] == [None]


def test_a_waiting_job_that_a_person_moves_to_review_needs_a_person(workspace: Workspace) -> None:
    begin(workspace, "a.jpg", "b.jpg", "c.jpg", assignment=POOL)
    move(workspace, 2, JobStatus.VALIDATION)
    complete(workspace, 0)
    collect(workspace.context)
    assert who(workspace)[2] is None
    assert Kind.NOBODY in {cause.kind for cause in read_figures(workspace.context.ledger).causes}
    carry_out(workspace.context, survey_tasks(workspace.context))
    assert who(workspace)[2] == "ann"
