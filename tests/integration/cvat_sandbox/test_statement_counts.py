"""The number of SQL statements of a request does not grow with the number of tasks."""

from __future__ import annotations

import httpx
import pytest

from cvat_sandbox import Serving
from tests.support.sandbox_client import LABELS, create, job_ids, uploaded
from tests.support.sandbox_statements import cost, statements


def test_a_list_of_fifty_tasks_needs_as_many_statements_as_one_of_two(sandbox: Serving, root: httpx.Client) -> None:
    for _ in range(50):
        create(root, labels=LABELS)
    few, many = (cost(sandbox, lambda n=n: root.get(f"/tasks?page_size={n}")) for n in (2, 50))
    assert few == many


def test_requests_for_one_task_or_job_scan_no_table(sandbox: Serving, root: httpx.Client) -> None:
    task_id = uploaded(root, ["a.jpg", "b.jpg"], segment_size=1)
    job = job_ids(root, task_id)[0]
    paths = [
        f"/tasks/{task_id}",
        f"/tasks/{task_id}/jobs",
        f"/tasks/{task_id}/status",
        f"/tasks/{task_id}/data/meta",
        f"/tasks/{task_id}/annotations",
        f"/jobs/{job}",
        f"/jobs/{job}/annotations",
        f"/tasks?id={task_id}",
        "/users/self",
    ]
    for path in paths:
        with statements(sandbox) as asked:
            assert root.get(path).status_code == 200
        for sql in asked:
            if sql.startswith("SELECT"):
                plan = [row["detail"] for row in sandbox.sandbox.db.all(f"EXPLAIN QUERY PLAN {sql}")]
                scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
                assert not scans, (path, sql, plan)


def test_a_missing_task_needs_few_statements(sandbox: Serving, root: httpx.Client) -> None:
    with statements(sandbox) as asked:
        assert root.get("/tasks/999999").status_code == 404
    assert len(asked) < 10


@pytest.mark.parametrize("names", [1, 40])
def test_an_upload_needs_one_insert_for_each_frame_and_few_other_writes(
    sandbox: Serving, root: httpx.Client, names: int
) -> None:
    with statements(sandbox) as asked:
        uploaded(root, [f"{n}.jpg" for n in range(names)])
    frames = sum(sql.startswith("INSERT INTO frame") for sql in asked)
    written = sum(sql.split()[0] in {"INSERT", "UPDATE"} and "user" not in sql and "frame" not in sql for sql in asked)
    assert frames == names
    assert written < 40
