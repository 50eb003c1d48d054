"""Merges: requests that write the consensus of replicas into their parent jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cvat_sandbox.comparison.consensus import merged
from cvat_sandbox.comparison.reading import read_job
from cvat_sandbox.errors import Rejected
from cvat_sandbox.state import jobs, labeled_data, quality
from cvat_sandbox.state.labeled_data import Annotations
from cvat_sandbox.workers.requests import Order

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.requests import Requests

KEPT_SECONDS = 300
NOTHING = ("No annotation jobs in the annotation stage or no consensus_replica jobs "
           "not in the annotation - new state found")  # fmt: skip


class Merges:
    """The merges of all tasks and jobs."""

    def __init__(self, db: Database, requests: Requests) -> None:
        self._db, self._requests = db, requests

    def start(self, task: sqlite3.Row, owner: int, parent_id: int | None = None) -> str:
        """Queue the merge of a task, or of one of its parent jobs, and return the id of the request.

        Raises Rejected while no replica has been begun, RequestRunning.
        """
        self._replicas(task, parent_id)
        kind, key = ("task", task["id"]) if parent_id is None else ("job", parent_id)
        order = Order(
            f"action=merge&target={kind}&target_id={key}", owner, "merge", kind, key, project_id=task["project_id"],
            task_id=task["id"], job_id=parent_id, organization_id=task["organization_id"],
        )  # fmt: skip

        def work(_report: Callable[[str], None]) -> None:
            self._merge(task, parent_id)

        return self._requests.start(order, work, fault="consensus", kept=KEPT_SECONDS)

    def _replicas(self, task: sqlite3.Row, parent_id: int | None) -> dict[int, list[int]]:
        """Return the replicas that have been begun by their parents, which are at the stage annotation."""
        if not task["consensus_replicas"]:
            raise Rejected("Consensus is not enabled in this task")
        rows = self._db.all(
            "SELECT j.id, j.parent_job_id FROM job j JOIN job p ON p.id = j.parent_job_id "
            "WHERE j.task_id = ? AND j.type = 'consensus_replica' AND p.stage = 'annotation' "
            "AND NOT (j.stage = 'annotation' AND j.state = 'new') ORDER BY j.id", task["id"],
        )  # fmt: skip
        found: dict[int, list[int]] = {}
        for row in rows:
            found.setdefault(row["parent_job_id"], []).append(row["id"])
        if not found:
            raise Rejected(NOTHING)
        if parent_id is None:
            return found
        if parent_id not in found:
            raise Rejected(f"No annotated consensus jobs found for parent job {parent_id}. Make sure at least one "
                           "consensus job is not in the annotation - new state")  # fmt: skip
        return {parent_id: found[parent_id]}

    def _merge(self, task: sqlite3.Row, parent_id: int | None) -> None:
        threshold = quality.consensus_settings(self._db, task["id"])["iou_threshold"]
        found = {
            parent: merged([read_job(self._db, replica) for replica in replicas], threshold)
            for parent, replicas in self._replicas(task, parent_id).items()
        }
        with self._db.transaction():
            for parent, data in found.items():
                self._write(parent, data)

    def _write(self, parent: int, data: Annotations) -> None:
        """Replace the annotations of a parent by the consensus, and complete the parent."""
        labeled_data.write_job(self._db, parent, "put", {**labeled_data.empty(), **data})
        job = jobs.find(self._db, parent)
        if job is not None:
            jobs.update(self._db, job, {"state": "completed"})
