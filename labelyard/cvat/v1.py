"""CVAT 1.x: the API of the page, as CVAT 1.0.0 really speaks it (numbers in brackets are recordings).

Every verb is a generator of `labelyard.cvat.wire`; what differs between the servers of the family is in `Quirks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelyard.cvat.labels import check_labels, with_values
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.reading import ask_for_task, fetch, file_name, read, read_annotations, read_frames, read_user
from labelyard.cvat.refusals import words
from labelyard.cvat.v1_values import creation_of, git_repository_of, job_of, task_of
from labelyard.cvat.wire import Pause, Request, Steps, ask, growing_pauses, upload_patience
from labelyard.cvat.writing import data_fields, file_fields, form_fields, task_name, write_annotations, write_label
from labelyard.domain.annotations import Annotations, Change
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    About,
    Creation,
    CreationState,
    DataSpec,
    Frame,
    GitRepository,
    Job,
    JobStatus,
    Receipt,
    Task,
    TaskChange,
    TaskSpec,
    UploadFile,
    User,
)
from labelyard.errors import CvatBusy, CvatCrashed, CvatNotFound, CvatUnauthorized, ExportFailed

PAGE_SIZE = 1000
"""Tasks asked for at a time; the server has no upper limit [258]."""

EXPORT_ATTEMPTS = 2
"""Exports that may fail before we give up: a failed one answers 500 once, and the next request starts another."""


@dataclass(frozen=True)
class Quirks:
    """What differs inside the family; the defaults are CVAT 1.0.0's."""

    assignee_field: str = "assignee"
    """The field that takes a person's id; what is shown may be the id or an object with it."""
    annotation_source: bool = False
    """Whether annotations carry `source` (manual, auto)."""
    label_color: bool = False
    """Whether labels carry `color`."""
    anonymous_hourly: int | None = None
    """How many requests an hour, logins too, are answered without a token; None means any number."""


_SINCE_1_1 = Quirks(annotation_source=True, label_color=True, anonymous_hourly=100)

QUIRKS = {"1.0": Quirks(), "1.1": _SINCE_1_1, "1.2": replace(_SINCE_1_1, assignee_field="assignee_id")}
"""The quirks by version as the server tells it. From the sources and cvat-ai/cvat#2679; only 1.0.0 was run."""


class V1:
    """The dialect of CVAT 1.x."""

    probe = Request("GET", "/api/v1/server/about", repeatable=True, anonymous=True)
    """Known to every server of the family, and to no other; without a token it is 401 [078]."""

    def __init__(self, quirks: Quirks = Quirks()) -> None:
        self.quirks = quirks

    def for_server(self, about: About) -> V1:
        """This dialect with the quirks of the server's version; a later one is taken for the last known."""
        return V1(QUIRKS.get(about.version[:3], QUIRKS["1.2"]))

    # --- who ---------------------------------------------------------------------------------------------------------

    def login(self, username: str, password: str) -> Steps[str]:
        """A user's one token. A wrong password is 400 [004]; a stale Authorization header would be 401 [014]."""
        body = {"username": username, "password": password}
        request = Request("POST", "/api/v1/auth/login", json=body, repeatable=True, anonymous=True)
        try:
            answer = yield from ask(request, also=lambda a: a.status == 400)
        except CvatBusy as busy:
            limit = f"{self.quirks.anonymous_hourly or 'few'} requests an hour without a token"
            raise CvatBusy(
                f"{busy.what} (it answers {limit}: give it one)", after=busy.after, where=busy.where
            ) from busy
        if answer.status == 400:
            raise CvatUnauthorized(f"user {username!r}: {words(answer)}", request=str(request), status=400)
        return read(request, answer, lambda data: str(data["key"]))

    def logout(self) -> Steps[None]:
        """Delete the user's token."""
        yield from ask(Request("POST", "/api/v1/auth/logout"))

    def authorization(self, token: str) -> str:
        """The header that shows a token."""
        return f"Token {token}"

    def register(self, username: str, password: str, *, email: str, first: str, last: str) -> Steps[None]:
        """Make an account. What is empty must be left out: sent blank it is 400 [073]."""
        asked = {"username": username, "first_name": first, "last_name": last, "email": email}
        body = {name: value for name, value in asked.items() if value}
        body |= {"password1": password, "password2": password}
        yield from ask(Request("POST", "/api/v1/auth/register", json=body, anonymous=True))

    def about(self) -> Steps[About]:
        """Name and version of the server."""
        return fetch(_get("server/about"), lambda data: About(name=data["name"], version=str(data["version"])))

    def whoami(self) -> Steps[User]:
        """Whose token this is."""
        return fetch(_get("users/self"), read_user)

    def users(self) -> Steps[list[User]]:
        """Everybody, by id."""
        shape = lambda data: sorted(map(read_user, data["results"]), key=lambda user: user.id)  # noqa: E731
        return fetch(_get("users", page_size="all"), shape)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def create_task(self, spec: TaskSpec) -> Steps[Task]:
        """A task without data. Labels are checked first: a 500 here leaves an orphan task behind [122, 123]."""
        check_labels(spec.labels)
        body: dict[str, Any] = {
            "name": task_name(spec.name),
            "labels": self._labels(spec.labels),
            "segment_size": spec.segment_size,
            "z_order": spec.z_order,
            "bug_tracker": spec.bug_tracker,
        }
        if spec.overlap is not None:
            body["overlap"] = spec.overlap
        if spec.assignee is not None:
            body[self.quirks.assignee_field] = spec.assignee
        return (yield from fetch(Request("POST", "/api/v1/tasks", json=body), task_of))

    def find_tasks(self, name: str) -> Steps[list[Task]]:
        """Tasks of exactly this name: the server's filter finds parts of names and ignores case."""
        wanted = task_name(name)
        found: dict[int, Task] = {}
        page: int | None = 1
        while page and wanted:
            tasks, page = yield from self.tasks_page({"name": wanted}, page)
            found |= {task.id: task for task in tasks if task.name == wanted}
        return [found[task_id] for task_id in sorted(found)]

    def tasks_page(self, filters: Mapping[str, str | int], page: int) -> Steps[tuple[list[Task], int | None]]:
        """One page of tasks, oldest first so that new ones do not shift the pages, and the number of the next."""
        chosen = {name: str(value) for name, value in filters.items()}
        query = chosen | {"ordering": "id", "page_size": str(PAGE_SIZE), "page": str(page)}
        request = Request("GET", "/api/v1/tasks", query=query, repeatable=True)
        answer = yield from ask(request, also=lambda a: a.status == 404)
        if answer.status == 404:  # a page past the end: tasks were deleted since the page before [251]
            return [], None
        tasks, more = read(request, answer, lambda data: ([task_of(t) for t in data["results"]], bool(data["next"])))
        return tasks, page + 1 if more else None

    def task(self, task_id: int) -> Steps[Task]:
        """One task. The list's answer is fresh; /tasks/:id can be stale after a delete went wrong [623-630]."""
        request = _get("tasks", id=str(task_id))
        tasks = yield from fetch(request, lambda data: [task_of(item) for item in data["results"]])
        if not tasks:
            yield from ask_for_task(task_id, _get(f"tasks/{task_id}"))
            raise CvatNotFound(f"there is no task {task_id}", request=str(request), status=404)
        return tasks[0]

    def patch_task(self, task_id: int, change: TaskChange) -> Steps[Task]:
        """Change what is given. Labels go by name, and none is ever deleted [306-314]."""
        fields = {"name": change.name, "bug_tracker": change.bug_tracker, "z_order": change.z_order}
        body: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
        if change.name is not None:
            body["name"] = task_name(change.name)
        if change.assignee is not None:
            body[self.quirks.assignee_field] = change.assignee or None
        if change.labels is not None:
            task = yield from self.task(task_id)
            kept = with_values(change.labels, task.labels)
            check_labels(kept)
            body["labels"] = self._labels(kept)
        return (yield from fetch(Request("PATCH", f"/api/v1/tasks/{task_id}", json=body, repeatable=True), task_of))

    def delete_task(self, task_id: int) -> Steps[None]:
        """Delete a task at rest. Never while it is being made: that is 500, and later reads are stale [624-627]."""
        yield from ask(Request("DELETE", f"/api/v1/tasks/{task_id}"))

    def git_repository(self, task_id: int) -> Steps[GitRepository]:
        """The task's Git repository; outside /api/v1, where a missing token is a redirect [296]."""
        request = Request("GET", f"/git/repository/get/{task_id}", repeatable=True)
        return fetch(request, git_repository_of)

    def _labels(self, labels: Sequence[Label]) -> list[dict[str, Any]]:
        return [write_label(label, color=self.quirks.label_color) for label in labels]

    # --- data --------------------------------------------------------------------------------------------------------

    def upload(self, task_id: int, files: Sequence[UploadFile], data: DataSpec) -> Steps[Receipt]:
        """All files in one request. Never to be sent twice: a second upload adds jobs [106-110]."""
        fields = form_fields(data_fields(data))
        body = Multipart(fields, file_fields(files))
        yield from ask(Request("POST", f"/api/v1/tasks/{task_id}/data", body=body, patience=upload_patience(files)))
        return Receipt(task_id)

    def upload_remote(self, task_id: int, urls: Sequence[str], data: DataSpec) -> Steps[Receipt]:
        """The server downloads the files."""
        return self._upload_named(task_id, "remote_files", urls, data)

    def upload_share(self, task_id: int, paths: Sequence[str], data: DataSpec) -> Steps[Receipt]:
        """The server reads the files from its share."""
        return self._upload_named(task_id, "server_files", paths, data)

    def _upload_named(self, task_id: int, field: str, names: Sequence[str], data: DataSpec) -> Steps[Receipt]:
        body = data_fields(data) | {field: list(names)}
        yield from ask(Request("POST", f"/api/v1/tasks/{task_id}/data", json=body))
        return Receipt(task_id)

    def creation(self, receipt: Receipt) -> Steps[Creation]:
        """What the server says. While a task fails it can say 400 "may not be null" for a moment [557]."""
        request = _get(f"tasks/{receipt.task_id}/status")
        answer = yield from ask(request, also=lambda a: a.status == 400)
        if answer.status == 400:
            return Creation(CreationState.UNKNOWN, words(answer))
        return read(request, answer, creation_of)

    def frames(self, task_id: int) -> Steps[list[Frame]]:
        """The task's frames; none before there is data, where the server itself answers 500 [205, 294]."""
        request = _get(f"tasks/{task_id}/data/meta")
        answer = yield from ask(request, also=lambda a: a.status == 500)
        if answer.status == 500:
            task = yield from self.task(task_id)
            if task.size:
                raise CvatCrashed(words(answer), request=str(request), status=500)
            return []
        return read(request, answer, read_frames)

    # --- jobs and annotations ----------------------------------------------------------------------------------------

    def jobs(self, task_id: int) -> Steps[list[Job]]:
        """The task's jobs, by first frame."""
        task = yield from self.task(task_id)
        return list(task.jobs)

    def assign(self, job_id: int, user_id: int | None) -> Steps[Job]:
        """Give a job to somebody, or to nobody. A user who does not exist is 400 [349]."""
        return self._patch_job(job_id, {self.quirks.assignee_field: user_id})

    def set_job_status(self, job_id: int, status: JobStatus) -> Steps[Job]:
        """Move a job on or back; its task is completed when all of its jobs are [366-371]."""
        return self._patch_job(job_id, {"status": str(status)})

    def _patch_job(self, job_id: int, body: dict[str, Any]) -> Steps[Job]:
        return fetch(Request("PATCH", f"/api/v1/jobs/{job_id}", json=body, repeatable=True), job_of)

    def annotations(self, job_id: int) -> Steps[Annotations]:
        """What is saved in a job."""
        return fetch(_get(f"jobs/{job_id}/annotations"), read_annotations)

    def task_annotations(self, task_id: int) -> Steps[Annotations]:
        """What is saved in all jobs of a task."""
        return fetch(_get(f"tasks/{task_id}/annotations"), read_annotations)

    def change_annotations(self, job_id: int, change: Change, annotations: Annotations) -> Steps[Annotations]:
        """Write as asked, once: create repeated duplicates, and update makes what it does not find [376, 587]."""
        body = write_annotations(annotations, ids=change is not Change.CREATE, source=self.quirks.annotation_source)
        request = Request("PATCH", f"/api/v1/jobs/{job_id}/annotations", query={"action": str(change)}, json=body)
        return fetch(request, read_annotations)

    # --- export and import -------------------------------------------------------------------------------------------

    def export(self, task_id: int, to: Path, format_name: str) -> Steps[str]:
        """Ask with action=download until the file comes; it comes once, to whoever asks first [505, 609]."""
        query = {"format": format_name, "action": "download"}
        request = Request("GET", f"/api/v1/tasks/{task_id}/annotations", query=query, repeatable=True, save_to=to)
        failures = 0
        for seconds in growing_pauses():
            answer = yield from ask(request, also=lambda a: a.status == 500)
            if answer.status == 200:
                return file_name(answer)
            seen = f"{answer.status}: still preparing"
            if answer.status == 500:
                failures, seen = failures + 1, words(answer)
            if failures >= EXPORT_ATTEMPTS:
                raise ExportFailed(f"{format_name}, {failures} attempts: {seen}", request=str(request), status=500)
            yield Pause(seconds, seen)
        raise AssertionError("pauses never end")

    def import_annotations(self, task_id: int, file: UploadFile, format_name: str) -> Steps[None]:
        """Send the file until the server says 201: the first answer is 202, later requests only ask [547, 548]."""
        body = Multipart([], [("annotation_file", file)])
        path = f"/api/v1/tasks/{task_id}/annotations"
        for seconds in growing_pauses():
            answer = yield from ask(Request("PUT", path, query={"format": format_name}, body=body))
            if answer.status == 201:
                return
            yield Pause(seconds, f"{answer.status}: still importing")


def _get(path: str, **query: str) -> Request:
    return Request("GET", f"/api/v1/{path}", query=query, repeatable=True)
