"""The lists of an organization need the same number of SQL statements for a long page as for a short one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from cvat_sandbox import Serving, serve
from cvat_sandbox.state import issues, jobs
from tests.support.sandbox_client_v2 import USERS, login
from tests.support.sandbox_statements import cost

ACME = {"X-Organization": "acme"}
ALEX, DABAI = 2, 3
PATHS = ("/tasks", "/jobs", "/labels", "/issues", "/comments", "/users", "/memberships", "/invitations")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    """An organization with twenty tasks in a project; each has a job with an issue, assigned to dabai."""
    with serve(USERS, version="2.73") as serving:
        alex, db = login(serving.url), serving.sandbox.db
        alex.post("/organizations", json={"slug": "acme"})
        for name, role in (("dabai", "worker"), ("carol", "maintainer"), ("willy", "worker"), ("root", "worker")):
            alex.post("/invitations", json={"email": f"{name}@example.com", "role": role}, headers=ACME)
        owned = {"owner": ALEX, "organization_id": 1, "created_date": "", "updated_date": ""}
        project = db.insert("project", name="p", **owned)
        for number in range(20):
            data = db.insert("data", image_quality=70, start_frame=0, stop_frame=0, frame_filter="", size=1)
            task = db.insert("task", name=f"{number}", project_id=project, data_id=data, **owned)
            db.insert("label", task_id=task, name="car")
            job = jobs.create(db, task, 0, 0, assignee=DABAI)
            issues.create(db, job, ALEX, "look", {"frame": 0, "position": [1.0, 2.0]})
        yield serving


@pytest.mark.parametrize("name", ["alex", "dabai", "carol", "root"])
def test_a_page_of_twenty_needs_as_many_statements_as_one_of_one(sandbox: Serving, name: str) -> None:
    http = login(sandbox.url, name)
    for headers in ({}, ACME):
        for path in PATHS:
            few, many = (
                cost(sandbox, partial(http.get, path, params={"page_size": n}, headers=headers)) for n in (1, 20)
            )
            assert few == many, (path, headers)
