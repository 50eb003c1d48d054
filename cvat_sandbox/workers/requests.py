"""Requests of 2.x: slow work that workers do after the response. A request has an id, an owner and a state.

One mechanism serves creations, exports, imports, quality reports and merges: `Requests.start` queues a function. What
it returns or raises becomes the end of the request.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import JobForgotten, failure_text
from cvat_sandbox.state.database import now, timestamp

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.state.database import Database
    from cvat_sandbox.workers.pool import WorkerPool

KEPT_SECONDS = 500
"""How long a finished request can be read."""
KEPT_FAILED_SECONDS = 365 * 86400
UNFINISHED = ("queued", "started")


@dataclass(frozen=True)
class Order:
    """What a request is about. `rq_id` is made of it by the rules of its action."""

    rq_id: str
    owner: int
    action: str
    """`create`, `export`, `import`, …"""
    target: str
    """`task`, `job` or `project`."""
    target_id: int
    subresource: str | None = None
    format: str | None = None
    project_id: int | None = None
    task_id: int | None = None
    job_id: int | None = None
    organization_id: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a finished request offers."""

    result_url: str | None = None
    """The path of its file on this server."""
    result_id: int | None = None
    file: Path | None = None


Report = Callable[[str], None]
"""Sets the message of a running request."""
Job = Callable[[Report], Outcome | None]


class RequestRunning(Exception):
    """The same request is queued or running already."""

    def __init__(self, rq_id: str) -> None:
        self.rq_id = rq_id
        super().__init__(rq_id)


class Requests:
    """The requests of all users."""

    def __init__(self, db: Database, workers: WorkerPool, faults: Faults) -> None:
        self._db, self._workers, self._faults = db, workers, faults
        self._lock = threading.Lock()
        self._at_work: set[str] = set()

    def start(self, order: Order, job: Job, *, fault: str, arguments: str = "{}", kept: int = KEPT_SECONDS) -> str:
        """Queue the work of an order and return its id. An ended request with the same id is replaced.

        fault: the name of the worker in fault rules. arguments: JSON, kept for a restart. kept: seconds after success.
        Raises RequestRunning.
        """
        with self._lock, self._db.transaction():
            self.check_ended(order.rq_id)
            self._db.execute("DELETE FROM request WHERE rq_id = ?", order.rq_id)
            self._db.insert("request", **asdict(order), arguments=arguments, created_date=now())
        self.run(order, job, fault=fault, kept=kept)
        return order.rq_id

    def run(self, order: Order, job: Job, *, fault: str, kept: int = KEPT_SECONDS) -> None:
        """Queue the work of a request that is stored already, after a restart."""
        self._workers.submit(lambda: self._run(order, job, fault, kept))

    def get(self, rq_id: str) -> sqlite3.Row | None:
        """Return a request, or None; one that has expired is gone."""
        row = self._db.one("SELECT * FROM request WHERE rq_id = ?", rq_id)
        if row is not None and row["expiry_date"] and timestamp(row["expiry_date"]) < timestamp(now()):
            self._db.execute("DELETE FROM request WHERE id = ?", row["id"])
            return None
        return row

    def remove_expired(self) -> None:
        """Remove all requests that have expired."""
        self._db.execute("DELETE FROM request WHERE expiry_date < ?", now())

    def cancel(self, rq_id: str) -> bool:
        """Remove a request that no worker has started; return whether there was one."""
        return self._db.execute("DELETE FROM request WHERE rq_id = ? AND state = 'queued'", rq_id) > 0

    def is_running(self, rq_id: str) -> bool:
        """Return whether a worker runs a request, or will."""
        row = self.get(rq_id)
        return row is not None and row["state"] in UNFINISHED

    def has_worker(self, rq_id: str) -> bool:
        """Return whether a worker runs a request now. One whose worker was killed stays `started`."""
        return rq_id in self._at_work

    def check_ended(self, rq_id: str) -> None:
        """Raise RequestRunning if a worker runs a request, or will."""
        if self.is_running(rq_id):
            raise RequestRunning(rq_id)

    def interrupted(self, action: str) -> list[tuple[Order, dict[str, Any]]]:
        """Return the orders of an action that a killed server had not finished, with all columns of their rows."""
        rows = self._db.all("SELECT * FROM request WHERE action = ? AND state IN ('queued', 'started')", action)
        names = Order.__dataclass_fields__
        return [(Order(**{name: row[name] for name in names}), dict(row)) for row in rows]

    def forget_interrupted(self, *, but: str) -> None:
        """Remove the requests that a killed server had not finished, except those of the action `but`."""
        self._db.execute("DELETE FROM request WHERE state IN ('queued', 'started') AND action != ?", but)

    def _run(self, order: Order, job: Job, fault: str, kept: int) -> None:
        started = "UPDATE request SET state = 'started', started_date = ? WHERE rq_id = ? AND state IN (?, ?)"
        if not self._db.execute(started, now(), order.rq_id, *UNFINISHED):
            return  # cancelled
        self._at_work.add(order.rq_id)
        try:
            with self._db.events.acting(order.owner):
                self._faults.run_worker(fault, order.target_id)
                outcome = job(lambda message: self._set(order, message=message)) or Outcome()
        except JobForgotten as forgotten:
            if forgotten.what == "queue":
                self._db.execute("DELETE FROM request WHERE rq_id = ?", order.rq_id)
        except Exception as error:  # noqa: BLE001 - any failure becomes the message of the request
            self._end(order, KEPT_FAILED_SECONDS, state="failed", message=failure_text(error) + "\n")
        else:
            self._end(
                order, kept, state="finished", message="", result_url=outcome.result_url, result_id=outcome.result_id,
                file=str(outcome.file) if outcome.file else None,
            )  # fmt: skip
        finally:
            self._at_work.discard(order.rq_id)

    def _end(self, order: Order, kept: int, **values: Any) -> None:
        finished = dt.datetime.now(dt.UTC)
        self._set(order, **values, finished_date=_text(finished),
                  expiry_date=_text(finished + dt.timedelta(seconds=kept)))  # fmt: skip

    def _set(self, order: Order, **values: Any) -> None:
        changes = ", ".join(f'"{name}" = ?' for name in values)
        self._db.execute(f"UPDATE request SET {changes} WHERE rq_id = ?", *values.values(), order.rq_id)  # noqa: S608 - the names are constants


def _text(date: dt.datetime) -> str:
    return date.isoformat(timespec="microseconds").replace("+00:00", "Z")
