"""CVAT 1.x: the documented v1 API as CVAT 1.0.0 implements it (numbers in brackets are recordings)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from labelyard.cvat.decoding import decode, decode_page, decode_user, fetch, file_name, send, send_for_task
from labelyard.cvat.dialect import Dialect
from labelyard.cvat.error_responses import message_of
from labelyard.cvat.exchange import Exchange, Pause, Request, Response, poll_intervals
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.quirks import Quirks
from labelyard.cvat.v1_values import decode_creation, decode_git_repository, decode_job, decode_task
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    About,
    Creation,
    CreationState,
    GitRepository,
    Job,
    JobStatus,
    JobStep,
    Receipt,
    Task,
    UploadFile,
    User,
)
from labelyard.errors import CvatBusy, CvatNotFound, ExportFailed

PAGE_SIZE = 1000
"""Tasks per page; the server has no upper limit [258]."""

EXPORT_ATTEMPTS = 2
"""Failed exports before the verb fails: a failed one responds 500 once, and the next request starts another."""

_SINCE_1_1 = Quirks(annotation_source=True, label_color=True, anonymous_hourly=100)
_SINCE_1_2 = replace(_SINCE_1_1, task_assignee_field="assignee_id", job_assignee_field="assignee_id")

QUIRKS = {"1.0": Quirks(), "1.1": _SINCE_1_1, "1.2": _SINCE_1_2}
"""The quirks by the server's version. From the sources and cvat-ai/cvat#2679; only 1.0.0 was measured."""

_STATUS_OF_STEP = {
    JobStep.REVIEW: "validation",
    JobStep.REPAIR: "annotation",
    JobStep.RETURN: "annotation",
    JobStep.LEAD: "annotation",
    JobStep.ACCEPT: "completed",
}


class V1(Dialect):
    """The dialect of CVAT 1.x."""

    root = "/api/v1"
    _rejected = MappingProxyType({"status": "annotation"})

    def __init__(self, quirks: Quirks = QUIRKS["1.0"]) -> None:
        super().__init__(quirks)

    def for_server(self, about: About) -> V1:
        """Return this dialect with the quirks of the server's version; an unknown version gets the newest."""
        return V1(QUIRKS.get(about.version[:3], _SINCE_1_2))

    # --- accounts ----------------------------------------------------------------------------------------------------

    def login(self, username: str, password: str) -> Exchange[str]:
        """Return the user's token; if logins are throttled, the error advises a token."""
        try:
            return (yield from super().login(username, password))
        except CvatBusy as busy:
            limit = f"{self.quirks.anonymous_hourly or 'few'} requests an hour without a token"
            raise CvatBusy(
                f"{busy.what} (it allows {limit}: configure one)", after=busy.after, where=busy.where
            ) from busy

    def register(self, username: str, password: str, *, email: str, first: str, last: str) -> Exchange[None]:
        """Create an account. Empty fields must be omitted: sent blank they are 400 [073]."""
        fields = {"username": username, "first_name": first, "last_name": last, "email": email}
        body = {name: value for name, value in fields.items() if value}
        body |= {"password1": password, "password2": password}
        yield from send(Request("POST", f"{self.root}/auth/register", json=body, anonymous=True))

    def users(self) -> Exchange[list[User]]:
        """Return all users by id."""
        decoder = lambda data: sorted(map(decode_user, data["results"]), key=lambda user: user.id)  # noqa: E731
        return fetch(self._get("users", page_size="all"), decoder)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _task_page(self, filters: Mapping[str, str | int], page: int) -> Exchange[tuple[list[Task], int | None]]:
        query = {name: str(value) for name, value in filters.items()}
        query |= {"ordering": "id", "page_size": str(PAGE_SIZE), "page": str(page)}
        request = self._get("tasks", **query)
        response = yield from send(request, accept={404})
        return decode_page(request, response, decode_task, page)

    def _bare_task(self, task_id: int) -> Exchange[Task]:
        """Read the task from the list, which is fresh; /tasks/:id can be stale after a failed delete [623-630]."""
        request = self._get("tasks", id=str(task_id))
        tasks = yield from fetch(request, lambda data: [decode_task(item) for item in data["results"]])
        if not tasks:
            yield from send_for_task(task_id, self._get(f"tasks/{task_id}"))
            raise CvatNotFound(f"there is no task {task_id}", request=str(request), status=404)
        return tasks[0]

    def _labels(self, task_id: int) -> Exchange[Sequence[Label]]:
        return (yield from self.task(task_id)).labels

    def git_repository(self, task_id: int) -> Exchange[GitRepository]:
        """Return the task's Git repository; outside /api/v1, where a missing token is a redirect [296]."""
        request = Request("GET", f"/git/repository/get/{task_id}", idempotent=True)
        return fetch(request, decode_git_repository)

    def creation(self, receipt: Receipt) -> Exchange[Creation]:
        """Return the server's status. While a task fails it can be 400 "may not be null" for a moment [557]."""
        request = self._get(f"tasks/{receipt.task_id}/status")
        response = yield from send(request, accept={400})
        if response.status == 400:
            return Creation(CreationState.UNKNOWN, message_of(response))
        return decode(request, response, decode_creation)

    def jobs(self, task_id: int) -> Exchange[list[Job]]:
        """Return the task's jobs by first frame."""
        task = yield from self.task(task_id)
        return list(task.jobs)

    # --- export and import -------------------------------------------------------------------------------------------

    def export(self, task_id: int, to: Path, format_name: str) -> Exchange[str]:
        """Request with action=download until the file comes; only the first request for it gets it [505, 609]."""
        query = {"format": format_name, "action": "download"}
        path = f"{self.root}/tasks/{task_id}/annotations"
        request = Request("GET", path, query=query, idempotent=True, save_to=to)
        failures = 0
        for seconds in poll_intervals():
            response = yield from send(request, accept={500})
            if response.status == 200:
                return file_name(response)
            status = f"{response.status}: still preparing"
            if response.status == 500:
                failures, status = failures + 1, message_of(response)
            if failures >= EXPORT_ATTEMPTS:
                raise ExportFailed(f"{format_name}, {failures} attempts: {status}", request=str(request), status=500)
            yield Pause(seconds, status)
        raise AssertionError("poll intervals never end")

    def import_annotations(self, task_id: int, file: UploadFile, format_name: str) -> Exchange[None]:
        """Send the file until the server responds 201: the first response is 202, later requests poll [547, 548]."""
        body = Multipart([], [("annotation_file", file)])
        path = f"{self.root}/tasks/{task_id}/annotations"
        for seconds in poll_intervals():
            response = yield from send(Request("PUT", path, query={"format": format_name}, body=body))
            if response.status == 201:
                return
            yield Pause(seconds, f"{response.status}: still importing")

    # --- decoding and encoding ---------------------------------------------------------------------------------------

    _decode_task = staticmethod(decode_task)
    _decode_job = staticmethod(decode_job)

    @staticmethod
    def _decode_receipt(task_id: int, request: Request, response: Response) -> Receipt:  # noqa: ARG004
        return Receipt(task_id)

    @staticmethod
    def _encode_status(status: JobStatus) -> Mapping[str, str]:
        return {"status": str(status)}

    @staticmethod
    def _encode_step(step: JobStep) -> Mapping[str, str]:
        return {"status": _STATUS_OF_STEP[step]}
