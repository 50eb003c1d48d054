"""CVAT 2.x: the verbs of the chain, as CVAT 2.54 speaks them (numbers in brackets are its recordings).

What takes time is a request with an id here: it is asked how far it is, and forgotten about 500 s after success.
Tasks do not hold their labels and jobs: three requests make one `Task`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from labelyard.cvat.labels import check_labels
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.reading import (
    ask_for_task,
    fetch,
    file_name,
    read,
    read_annotations,
    read_frames,
    read_label,
    read_user,
)
from labelyard.cvat.refusals import one_line, words
from labelyard.cvat.v2_values import creation_of, job_of, request_state, task_of, with_parts
from labelyard.cvat.wire import Pause, Request, Steps, ask, growing_pauses, upload_patience
from labelyard.cvat.writing import data_fields, file_fields, form_fields, task_name, write_annotations, write_label
from labelyard.domain.annotations import Annotations, Change
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
from labelyard.errors import CvatCrashed, CvatDisagrees, CvatRefused, CvatUnauthorized, ExportFailed

T = TypeVar("T")

PAGE_SIZE = 500
"""The most that a list gives at a time [889]."""

_MOVES = {
    JobStatus.ANNOTATION: {"stage": "annotation", "state": "in progress"},
    JobStatus.VALIDATION: {"stage": "validation", "state": "new"},
    JobStatus.COMPLETED: {"state": "completed"},
}
"""What is sent for a status. A worker may complete the job, and may not change its stage [622, 623]."""


class V2:
    """The dialect of CVAT 2.x."""

    probe = Request("GET", "/api/server/about", repeatable=True, anonymous=True)

    def for_server(self, about: About) -> V2:  # noqa: ARG002 - nothing differs yet that the chain needs
        """This dialect."""
        return self

    # --- who ---------------------------------------------------------------------------------------------------------

    def login(self, username: str, password: str) -> Steps[str]:
        """A user's one token. Form data is refused [009]; a wrong password is 400 [006]."""
        body = {"username": username, "password": password}
        request = Request("POST", "/api/auth/login", json=body, repeatable=True, anonymous=True)
        answer = yield from ask(request, also=lambda a: a.status == 400)
        if answer.status == 400:
            raise CvatUnauthorized(f"user {username!r}: {words(answer)}", request=str(request), status=400)
        return read(request, answer, lambda data: str(data["key"]))

    def logout(self) -> Steps[None]:
        """Delete the user's token: every client of that user is out [044-046]."""
        yield from ask(Request("POST", "/api/auth/logout"))

    def authorization(self, token: str) -> str:
        """The header that shows a token; a personal access token, which has a dot, wants another word [033, 037]."""
        return f"Bearer {token}" if "." in token else f"Token {token}"

    def about(self) -> Steps[About]:
        """Name and version of the server."""
        return fetch(_get("server/about"), lambda data: About(name=data["name"], version=str(data["version"])))

    def whoami(self) -> Steps[User]:
        """Whose token this is."""
        return fetch(_get("users/self"), read_user)

    def users(self) -> Steps[list[User]]:
        """Everybody whom this user may see: a plain user, outside an organization, himself [018]."""
        found = yield from _all("users", {}, read_user)
        return sorted(found, key=lambda user: user.id)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def create_task(self, spec: TaskSpec) -> Steps[Task]:
        """A task without data; equal names are taken, so look first."""
        check_labels(spec.labels)
        body: dict[str, Any] = {
            "name": task_name(spec.name),
            "labels": [write_label(label, color=True) for label in spec.labels],
            "segment_size": spec.segment_size,
            "bug_tracker": spec.bug_tracker,
        }
        if spec.overlap is not None:
            body["overlap"] = spec.overlap
        if spec.assignee is not None:
            body["assignee_id"] = spec.assignee
        task = yield from fetch(Request("POST", "/api/tasks", json=body), task_of)
        return (yield from _whole(task))

    def find_tasks(self, name: str) -> Steps[list[Task]]:
        """Tasks of exactly this name, oldest first."""
        wanted = task_name(name)
        found = yield from _all("tasks", {"name": wanted, "sort": "id"}, task_of) if wanted else _none()
        return (yield from _wholes([task for task in found if task.name == wanted]))

    def tasks_page(self, filters: Mapping[str, str | int], page: int) -> Steps[tuple[list[Task], int | None]]:
        """One page of tasks, oldest first, each with its labels and jobs, and the number of the next page."""
        chosen = {name: str(value) for name, value in filters.items()} | {"sort": "id"}
        found, following = yield from _page("tasks", chosen, page, task_of)
        return (yield from _wholes(found)), following

    def task(self, task_id: int) -> Steps[Task]:
        """One task; the list ignores `id` [891], so it is asked for itself."""
        request = _get(f"tasks/{task_id}")
        answer = yield from ask_for_task(task_id, request)
        return (yield from _whole(read(request, answer, task_of)))

    def delete_task(self, task_id: int) -> Steps[None]:
        """Delete a task at rest; while it is being made that is 500 [899]."""
        yield from ask(Request("DELETE", f"/api/tasks/{task_id}"))

    # --- data --------------------------------------------------------------------------------------------------------

    def upload(self, task_id: int, files: Sequence[UploadFile], data: DataSpec) -> Steps[Receipt]:
        """All files in one request."""
        body = Multipart(form_fields(data_fields(data)), file_fields(files))
        request = Request("POST", f"/api/tasks/{task_id}/data", body=body, patience=upload_patience(files))
        return fetch(request, lambda answer: Receipt(task_id, answer["rq_id"]))

    def upload_remote(self, task_id: int, urls: Sequence[str], data: DataSpec) -> Steps[Receipt]:
        """The server downloads the files; private addresses may be refused [405]."""
        return self._upload_named(task_id, "remote_files", urls, data)

    def upload_share(self, task_id: int, paths: Sequence[str], data: DataSpec) -> Steps[Receipt]:
        """The server reads the files from its share."""
        return self._upload_named(task_id, "server_files", paths, data)

    def _upload_named(self, task_id: int, field: str, names: Sequence[str], data: DataSpec) -> Steps[Receipt]:
        body = data_fields(data) | {field: list(names)}
        request = Request("POST", f"/api/tasks/{task_id}/data", json=body)
        return fetch(request, lambda answer: Receipt(task_id, answer["rq_id"]))

    def creation(self, receipt: Receipt) -> Steps[Creation]:
        """The request's state; unknown before it starts, after a cancel, and 500 s after success [217, 938, 930]."""
        request = _get(f"requests/{quote(receipt.request_id, safe='')}")
        answer = yield from ask(request, also=lambda a: a.status == 404)
        if answer.status == 404:
            return Creation(CreationState.UNKNOWN, words(answer))
        return read(request, answer, creation_of)

    def frames(self, task_id: int) -> Steps[list[Frame]]:
        """The task's frames; none before there is data, where the server answers 500 [216]."""
        request = _get(f"tasks/{task_id}/data/meta")
        answer = yield from ask(request, also=lambda a: a.status == 500)
        if answer.status == 500:
            task = yield from fetch(_get(f"tasks/{task_id}"), task_of)
            if task.size:
                raise CvatCrashed(words(answer), request=str(request), status=500)
            return []
        return read(request, answer, read_frames)

    # --- jobs and annotations ----------------------------------------------------------------------------------------

    def jobs(self, task_id: int) -> Steps[list[Job]]:
        """The task's annotation jobs by first frame; ground truth and replicas are no work to hand out [855-866]."""
        found = yield from _all("jobs", {"task_id": str(task_id)}, lambda data: (data["type"], job_of(data)))
        return sorted((job for kind, job in found if kind == "annotation"), key=lambda job: (job.start_frame, job.id))

    def assign(self, job_id: int, user_id: int | None) -> Steps[Job]:
        """Give a job to somebody, or to nobody. A user who does not exist is 500."""
        request = Request("PATCH", f"/api/jobs/{job_id}", json={"assignee": user_id}, repeatable=True)
        answer = yield from ask(request, also=lambda a: a.status == 500)
        if answer.status == 500:
            raise CvatRefused(f"{words(answer)}; is there a user {user_id}?", request=str(request), status=500)
        return read(request, answer, job_of)

    def set_job_status(self, job_id: int, status: JobStatus) -> Steps[Job]:
        """Move a job on or back by stage and state."""
        return fetch(Request("PATCH", f"/api/jobs/{job_id}", json=_MOVES[status], repeatable=True), job_of)

    def annotations(self, job_id: int) -> Steps[Annotations]:
        """What is saved in a job."""
        return fetch(_get(f"jobs/{job_id}/annotations"), read_annotations)

    def task_annotations(self, task_id: int) -> Steps[Annotations]:
        """What is saved in all jobs of a task. Before there is data that is refused [687]."""
        return fetch(_get(f"tasks/{task_id}/annotations"), read_annotations)

    def change_annotations(self, job_id: int, change: Change, annotations: Annotations) -> Steps[Annotations]:
        """Write as asked, once: create repeated duplicates [662]."""
        body = write_annotations(annotations, ids=change is not Change.CREATE, source=True)
        request = Request("PATCH", f"/api/jobs/{job_id}/annotations", query={"action": str(change)}, json=body)
        return fetch(request, read_annotations)

    # --- export ------------------------------------------------------------------------------------------------------

    def export(self, task_id: int, to: Path, format_name: str) -> Steps[str]:
        """Start, wait by the request's id, download. Starting while one runs is 409 with the same id [702]."""
        query = {"format": format_name, "save_images": "false", "location": "local"}
        start = Request("POST", f"/api/tasks/{task_id}/dataset/export", query=query, repeatable=True)
        answer = yield from ask(start, also=lambda a: a.status == 409)
        url = yield from _finished(read(start, answer, lambda data: str(data["rq_id"])), format_name)
        parts = urlsplit(url)  # an absolute URL, of which only the path is believed
        query = dict(parse_qsl(parts.query))
        file = yield from ask(Request("GET", parts.path, query=query, repeatable=True, save_to=to))
        return file_name(file)

    # --- what only CVAT 1.x has, and what comes later ----------------------------------------------------------------

    def register(self, username: str, password: str, *, email: str, first: str, last: str) -> Steps[None]:  # noqa: ARG002
        """Not spoken yet."""
        return _not_yet("register")

    def patch_task(self, task_id: int, change: TaskChange) -> Steps[Task]:  # noqa: ARG002
        """Not spoken yet."""
        return _not_yet("patch_task")

    def git_repository(self, task_id: int) -> Steps[GitRepository]:  # noqa: ARG002
        """CVAT 2.x ties no task to a Git repository."""
        return _not_yet("git_repository")

    def import_annotations(self, task_id: int, file: UploadFile, format_name: str) -> Steps[None]:  # noqa: ARG002
        """Not spoken yet."""
        return _not_yet("import_annotations")


def _get(path: str, **query: str) -> Request:
    return Request("GET", f"/api/{path}", query=query, repeatable=True)


def _page(
    path: str, filters: Mapping[str, str], page: int, shape: Callable[[Any], T]
) -> Steps[tuple[list[T], int | None]]:
    """One page of a list, and the number of the next."""
    request = _get(path, **filters, page_size=str(PAGE_SIZE), page=str(page))
    answer = yield from ask(request, also=lambda a: a.status == 404 and page > 1)
    if answer.status == 404:  # what was on it is gone since the page before
        return [], None
    items, more = read(request, answer, lambda data: ([shape(one) for one in data["results"]], bool(data["next"])))
    return items, page + 1 if more else None


def _all(path: str, filters: Mapping[str, str], shape: Callable[[Any], T]) -> Steps[list[T]]:
    """A list with all its pages."""
    found: list[T] = []
    page: int | None = 1
    while page:
        items, page = yield from _page(path, filters, page, shape)
        found += items
    return found


def _none() -> Steps[list[Task]]:
    yield from ()
    return []


def _wholes(tasks: Sequence[Task]) -> Steps[list[Task]]:
    whole = []
    for task in tasks:
        whole.append((yield from _whole(task)))  # noqa: PERF401 - a comprehension cannot yield
    return whole


def _whole(task: Task) -> Steps[Task]:
    """A task with its labels and jobs."""
    labels = yield from _all("labels", {"task_id": str(task.id)}, read_label)
    jobs = (yield from V2().jobs(task.id)) if task.size else []
    return with_parts(task, labels, jobs)


def _finished(request_id: str, what: str) -> Steps[str]:
    """Wait for a request to finish; the URL of its result. A failed one stays failed, so it is not waited for."""
    request = _get(f"requests/{quote(request_id, safe='')}")
    for seconds in growing_pauses():
        state, message, url = yield from fetch(request, request_state)
        if state == "finished":
            return url
        if state == "failed":
            raise ExportFailed(f"{what}: {one_line(message)}", request=str(request))
        yield Pause(seconds, f"request {state}")
    raise AssertionError("pauses never end")


def _not_yet(verb: str) -> Steps[Any]:
    raise CvatDisagrees(f"{verb} is not spoken with CVAT 2.x yet", where="labelyard")
    yield  # makes this a generator like every other verb
