"""Quality reports: requests that compare the jobs of a task, or of all tasks of a project, with their ground truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvat_sandbox.comparison import reports
from cvat_sandbox.comparison.job_report import compare
from cvat_sandbox.comparison.reading import JobAnnotations, read_job
from cvat_sandbox.comparison.settings import Parameters
from cvat_sandbox.errors import Rejected
from cvat_sandbox.state import quality
from cvat_sandbox.state.quality import NewReport
from cvat_sandbox.state.validation import honeypots_of, layout_of
from cvat_sandbox.workers.requests import Order, Outcome

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.requests import Requests

KEPT_SECONDS = 120
ChosenJobs = Callable[[int, str], list[int]]
"""Returns the ids of those jobs of a task that a filter keeps."""


@dataclass(frozen=True)
class _Material:
    """What a report on a task is made of."""

    parameters: Parameters
    rows: dict[int, sqlite3.Row]
    """All jobs but that of the ground truth by id."""
    annotations: JobAnnotations
    """The ground truth."""
    jobs: list[JobAnnotations]
    """The jobs that are compared with it."""


class QualityReports:
    """The reports on all tasks and projects."""

    def __init__(self, db: Database, requests: Requests) -> None:
        self._db, self._requests = db, requests

    def start(self, kind: str, row: sqlite3.Row, owner: int, choose: ChosenJobs) -> str:
        """Queue a report on a task or project, a row of its table, and return the id of its request.

        Raises Rejected without ground truth, RequestRunning.
        """
        if kind == "task":
            quality.ground_truth_job(self._db, row["id"])
        rq_id = f"action=calculate&target={kind}&target_id={row['id']}&subresource=quality"
        project = row["id"] if kind == "project" else row["project_id"]
        order = Order(
            rq_id, owner, "calculate", kind, row["id"], "quality", project_id=project,
            task_id=row["id"] if kind == "task" else None, organization_id=row["organization_id"],
        )  # fmt: skip
        compute = self.of_task if kind == "task" else self.of_project

        def work(_report: Callable[[str], None]) -> Outcome:
            return Outcome(result_id=compute(row["id"], choose))

        return self._requests.start(order, work, fault="quality", kept=KEPT_SECONDS)

    def of_task(self, task_id: int, choose: ChosenJobs) -> int | None:
        """Compare the jobs of a task with its ground truth, and return the id of the report.

        None without ground truth.
        """
        task = self._db.one("SELECT * FROM task WHERE id = ?", task_id)
        if task is None:
            raise LookupError("Task matching query does not exist.")
        try:
            truth = quality.ground_truth_job(self._db, task_id)
        except Rejected:
            return None
        work = self._read(task, truth, choose)  # each job as it is at one moment, as in CVAT; nobody waits for all
        results = {job.job_id: compare(work.annotations, job, work.parameters) for job in work.jobs}
        body = reports.task_report(results, work.parameters, list(work.rows))
        parts = [
            _report("job", work.rows[job_id], reports.job_report(result, work.parameters), truth, task_id, job_id)
            for job_id, result in results.items()
        ]
        with self._db.transaction():
            parent = quality.save_report(self._db, _report("task", task, body, truth, task_id))
            for part in parts:
                quality.save_report(self._db, part, parent)
            return parent

    def _read(self, task: sqlite3.Row, truth: sqlite3.Row, choose: ChosenJobs) -> _Material:
        settings = quality.settings_for(self._db, task)
        parameters = Parameters.of(settings.values, inherited=settings.inherited)
        rows = self._db.all("SELECT * FROM job WHERE task_id = ? AND type != 'ground_truth' ORDER BY id", task["id"])
        jobs = {row["id"]: row for row in rows}
        chosen = set(choose(task["id"], parameters.job_filter)) if parameters.job_filter else jobs
        data = self._db.one("SELECT * FROM data WHERE id = ?", task["data_id"])
        assert data is not None
        active = set(layout_of(data).active)
        frames = active
        if data["validation_mode"] == "gt_pool":
            frames = {frame for frame, real in honeypots_of(self._db, data["id"]).items() if real in active}
        checked = [read_job(self._db, job, frames) for job in jobs if job in chosen]
        return _Material(parameters, jobs, read_job(self._db, truth["id"], active), checked)

    def of_project(self, project_id: int, choose: ChosenJobs) -> int:
        """Report on the tasks of a project. A report on a task that is still true is used again."""
        project = self._db.one("SELECT * FROM project WHERE id = ?", project_id)
        if project is None:
            raise LookupError("Project matching query does not exist.")
        tasks = self._db.all("SELECT * FROM task WHERE project_id = ? ORDER BY id", project_id)
        found = {task["id"]: report for task in tasks if (report := self._current(task, choose)) is not None}
        rows = {task: self._db.one("SELECT body FROM quality_report WHERE id = ?", key) for task, key in found.items()}
        bodies = {task: json.loads(row["body"]) for task, row in rows.items() if row is not None}
        parameters = Parameters.of(quality.project_settings(self._db, project_id).values)
        body = reports.project_report(bodies, parameters, [task["id"] for task in tasks])
        with self._db.transaction():
            new = NewReport("project", body, reports.summary_json(body), project["updated_date"], None, project_id)
            key = quality.save_report(self._db, new)
            quality.adopt_reports(self._db, key, found.values())
            return key

    def _current(self, task: sqlite3.Row, choose: ChosenJobs) -> int | None:
        """Return the id of a report on a task that is newer than the task and its settings. None without truth."""
        try:
            quality.ground_truth_job(self._db, task["id"])
        except Rejected:
            return None
        latest = quality.latest_task_report(self._db, task["id"])
        settings = quality.settings_for(self._db, task)
        if latest and latest["target_last_updated"] >= max(task["updated_date"], settings.updated):
            return int(latest["id"])
        return self.of_task(task["id"], choose)


def _report(
    target: str, row: sqlite3.Row, body: dict[str, Any], truth: sqlite3.Row, task_id: int, job_id: int | None = None
) -> NewReport:
    return NewReport(
        target, body, reports.summary_json(body), row["updated_date"], truth["updated_date"], task_id=task_id,
        job_id=job_id, assignee=row["assignee"],
    )  # fmt: skip
