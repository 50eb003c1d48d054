"""What a dialect is: the verbs of `Cvat` as exchanges without I/O, and those that both API families share.

Numbers in brackets are recordings: [004] of CVAT 1.0.0, [2.x 004] of CVAT 2.54.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from labelyard.cvat.annotation_validation import check_masks
from labelyard.cvat.decoding import decode, decode_annotations, decode_frames, decode_user, fetch, send
from labelyard.cvat.encoding import (
    encode_annotations,
    encode_data_spec,
    encode_label,
    file_fields,
    form_fields,
    normalize_name,
)
from labelyard.cvat.error_responses import error_for, message_of
from labelyard.cvat.exchange import Exchange, Request, Response, upload_timeout
from labelyard.cvat.label_validation import check_labels, with_known_values
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.quirks import Quirks
from labelyard.cvat.verbs_of_2 import VerbsOf2
from labelyard.domain.annotations import Annotations, Change
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    About,
    Creation,
    DataSpec,
    Frame,
    GitRepository,
    Job,
    JobStatus,
    JobStep,
    Receipt,
    Task,
    TaskChange,
    TaskSpec,
    UploadFile,
    User,
)
from labelyard.errors import CvatDisagrees, CvatUnauthorized


class Dialect(VerbsOf2):
    """One API family. Each verb does what the verb of `Cvat` of the same name promises, and none does I/O."""

    can_register: ClassVar[bool] = True
    """Whether the family has an endpoint for registering users."""
    root: ClassVar[str]
    """The path of the family's API."""
    _rejected: ClassVar[Mapping[str, str]]
    """The fields that reject a job."""

    def __init__(self, quirks: Quirks) -> None:
        self.quirks = quirks

    @property
    def probe(self) -> Request:
        """A request that only servers of this family know; without a token they respond 200 or 401 [078]."""
        return Request("GET", f"{self.root}/server/about", idempotent=True, anonymous=True)

    def for_server(self, about: About) -> Dialect:  # noqa: ARG002 - for families whose versions differ
        """Return this dialect with the quirks of the server's version."""
        return self

    # --- accounts ----------------------------------------------------------------------------------------------------

    def login(self, username: str, password: str) -> Exchange[str]:
        """Return the user's one token. A wrong password is 400 [004], a stale Authorization header 401 [014]."""
        body = {"username": username, "password": password}
        request = Request("POST", f"{self.root}/auth/login", json=body, idempotent=True, anonymous=True)
        response = yield from send(request, accept={400})
        if response.status == 400:
            raise CvatUnauthorized(f"user {username!r}: {message_of(response)}", request=str(request), status=400)
        return decode(request, response, lambda data: str(data["key"]))

    def logout(self) -> Exchange[None]:
        """Delete the user's token, which all clients of that user share [2.x 044-046]."""
        yield from send(Request("POST", f"{self.root}/auth/logout"))

    def authorization(self, token: str) -> str:
        """The Authorization header for `token`."""
        return f"Token {token}"

    @abstractmethod
    def register(self, username: str, password: str, *, email: str, first: str, last: str) -> Exchange[None]:
        """Create an account."""

    def about(self) -> Exchange[About]:
        """Return the server's name and version."""
        return fetch(self._get("server/about"), lambda data: About(name=data["name"], version=str(data["version"])))

    def whoami(self) -> Exchange[User]:
        """Return the token's user."""
        return fetch(self._get("users/self"), decode_user)

    @abstractmethod
    def users(self) -> Exchange[list[User]]:
        """Return all visible users by id."""

    # --- tasks -------------------------------------------------------------------------------------------------------

    def create_task(self, spec: TaskSpec) -> Exchange[Task]:
        """Create a task without data. Labels are checked first: a 500 here leaves an orphan task [122, 123]."""
        check_labels(spec.labels, types=self.quirks.label_types)
        body: dict[str, Any] = {
            "name": normalize_name(spec.name),
            "segment_size": spec.segment_size,
            "bug_tracker": spec.bug_tracker,
        }
        # Never both [2.73 0864].
        body |= {"project_id": spec.project} if spec.project else {"labels": self._encode_labels(spec.labels)}
        if self.quirks.task_z_order:
            body["z_order"] = spec.z_order
        if spec.overlap is not None:
            body["overlap"] = spec.overlap
        if spec.replicas:
            body["consensus_replicas"] = spec.replicas
        if spec.assignee is not None:
            body[self.quirks.task_assignee_field] = spec.assignee
        task = yield from fetch(Request("POST", f"{self.root}/tasks", json=body), self._decode_task)
        (completed,) = yield from self._complete([task])
        return completed

    def find_tasks(self, name: str) -> Exchange[list[Task]]:
        """Return the tasks of exactly this name: the server's filter matches parts of names and ignores case."""
        wanted = normalize_name(name)
        found: dict[int, Task] = {}
        page: int | None = 1
        while page and wanted:
            tasks, page = yield from self._task_page({"name": wanted}, page)
            found |= {task.id: task for task in tasks if task.name == wanted}
        return (yield from self._complete([found[task_id] for task_id in sorted(found)]))

    def tasks_page(self, filters: Mapping[str, str | int], page: int) -> Exchange[tuple[list[Task], int | None]]:
        """Return one page of tasks, oldest first so that new ones do not shift it, and the next page's number."""
        tasks, following = yield from self._task_page(filters, page)
        return (yield from self._complete(tasks)), following

    def task(self, task_id: int) -> Exchange[Task]:
        """Return one task."""
        task = yield from self._bare_task(task_id)
        (completed,) = yield from self._complete([task])
        return completed

    def patch_task(self, task_id: int, change: TaskChange) -> Exchange[Task]:
        """Change the given fields. Labels are matched by name and never deleted [306-314; 2.73 0881]."""
        if change.z_order is not None and not self.quirks.task_z_order:
            raise CvatDisagrees("tasks of this CVAT have no z_order", where=f"task {task_id}")
        fields = {"name": change.name, "bug_tracker": change.bug_tracker, "z_order": change.z_order}
        body: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
        if change.name is not None:
            body["name"] = normalize_name(change.name)
        if change.assignee is not None:
            body[self.quirks.task_assignee_field] = change.assignee or None
        if change.labels is not None:
            known = yield from self._labels(task_id)
            labels = with_known_values(change.labels, known)
            check_labels(labels, types=self.quirks.label_types)
            body["labels"] = self._encode_changed_labels(labels, known)
        request = Request("PATCH", f"{self.root}/tasks/{task_id}", json=body, idempotent=True)
        task = yield from fetch(request, self._decode_task)
        (completed,) = yield from self._complete([task])
        return completed

    def delete_task(self, task_id: int) -> Exchange[None]:
        """Delete a task at rest. While frames are created this is 500, and later reads are stale [624-627]."""
        yield from send(Request("DELETE", f"{self.root}/tasks/{task_id}"))

    @abstractmethod
    def git_repository(self, task_id: int) -> Exchange[GitRepository]:
        """Return the task's Git repository."""

    # --- data --------------------------------------------------------------------------------------------------------

    def upload(self, task_id: int, files: Sequence[UploadFile], data: DataSpec) -> Exchange[Receipt]:
        """Send all files in one request. It must not be repeated: a second upload adds jobs [106-110]."""
        body = Multipart(form_fields(encode_data_spec(data)), file_fields(files))
        request = Request("POST", f"{self.root}/tasks/{task_id}/data", body=body, timeout=upload_timeout(files))
        return self._receive(task_id, request)

    def upload_remote(self, task_id: int, urls: Sequence[str], data: DataSpec) -> Exchange[Receipt]:
        """Let the server download the files; CVAT 2.x may reject private addresses [2.x 405]."""
        return self._upload_by_name(task_id, "remote_files", urls, data)

    def upload_share(self, task_id: int, paths: Sequence[str], data: DataSpec) -> Exchange[Receipt]:
        """Let the server read the files from its share."""
        return self._upload_by_name(task_id, "server_files", paths, data)

    def _upload_by_name(self, task_id: int, field: str, names: Sequence[str], data: DataSpec) -> Exchange[Receipt]:
        body = encode_data_spec(data) | {field: list(names)}
        return self._receive(task_id, Request("POST", f"{self.root}/tasks/{task_id}/data", json=body))

    def _receive(self, task_id: int, request: Request) -> Exchange[Receipt]:
        response = yield from send(request)
        return self._decode_receipt(task_id, request, response)

    @abstractmethod
    def creation(self, receipt: Receipt) -> Exchange[Creation]:
        """Return the server's status of creating frames."""

    def frames(self, task_id: int) -> Exchange[list[Frame]]:
        """Return the task's frames; none before its upload.

        There the server responds 500 [205, 294; 2.x 216], and 2.73 400 [2.73 0108].
        """
        request = self._get(f"tasks/{task_id}/data/meta")
        response = yield from send(request, accept={400, 500})
        if response.status == 200:
            return decode(request, response, decode_frames)
        task = yield from self._bare_task(task_id)
        if task.size:
            raise error_for(str(request), response)
        return []

    # --- jobs and annotations ----------------------------------------------------------------------------------------

    @abstractmethod
    def jobs(self, task_id: int) -> Exchange[list[Job]]:
        """Return the task's jobs by first frame."""

    def job(self, job_id: int) -> Exchange[Job]:
        """Return one job."""
        return fetch(self._get(f"jobs/{job_id}"), self._decode_job)

    def assign(self, job_id: int, user_id: int | None) -> Exchange[Job]:
        """Assign a job to a user, or to nobody."""
        return self._patch_job(job_id, {self.quirks.job_assignee_field: user_id})

    def set_job_status(self, job_id: int, status: JobStatus) -> Exchange[Job]:
        """Set a job's status; its task is completed when all of its jobs are [366-371]."""
        return self._patch_job(job_id, self._encode_status(status))

    def move_job(self, job_id: int, step: JobStep, user_id: int | None) -> Exchange[Job]:
        """Do a step of a review and assign the job, in one request."""
        return self._patch_job(job_id, {**self._encode_step(step), self.quirks.job_assignee_field: user_id})

    def reject_job(self, job_id: int) -> Exchange[Job]:
        """Reject a job, as its reviewer."""
        return self._patch_job(job_id, self._rejected)

    def _patch_job(self, job_id: int, fields: Mapping[str, Any]) -> Exchange[Job]:
        request = Request("PATCH", f"{self.root}/jobs/{job_id}", json=dict(fields), idempotent=True)
        return fetch(request, self._decode_job)

    def annotations(self, job_id: int) -> Exchange[Annotations]:
        """Return a job's annotations."""
        return fetch(self._get(f"jobs/{job_id}/annotations"), decode_annotations)

    def task_annotations(self, task_id: int) -> Exchange[Annotations]:
        """Return the annotations of all jobs of a task; before its upload CVAT 2.x responds with an error [2.x 687]."""
        return fetch(self._get(f"tasks/{task_id}/annotations"), decode_annotations)

    def change_annotations(self, job_id: int, change: Change, annotations: Annotations) -> Exchange[Annotations]:
        """Write once: `create` repeated duplicates, and `update` creates what it does not find [376, 587; 2.x 662]."""
        if change is not Change.DELETE:
            check_masks(annotations)
        source = self.quirks.annotation_source
        body = encode_annotations(annotations, ids=change is not Change.CREATE, source=source)
        path = f"{self.root}/jobs/{job_id}/annotations"
        return fetch(Request("PATCH", path, query={"action": str(change)}, json=body), decode_annotations)

    @abstractmethod
    def export(self, task_id: int, to: Path, format_name: str) -> Exchange[str]:
        """Save an export to `to`; return the server's file name."""

    def export_formats(self) -> Exchange[list[str]]:
        """Return the names of the formats that the server can write."""
        return fetch(self._get("server/annotation/formats"), lambda data: [one["name"] for one in data["exporters"]])

    @abstractmethod
    def import_annotations(self, task_id: int, file: UploadFile, format_name: str) -> Exchange[None]:
        """Replace a task's annotations with those of a file."""

    # --- what families do differently inside the shared verbs --------------------------------------------------------

    @abstractmethod
    def _task_page(self, filters: Mapping[str, str | int], page: int) -> Exchange[tuple[list[Task], int | None]]:
        """Return one page of tasks without what `_complete` adds, and the next page's number."""

    @abstractmethod
    def _bare_task(self, task_id: int) -> Exchange[Task]:
        """Return one task without what `_complete` adds. Raises CvatNotFound or CvatHidden."""

    @abstractmethod
    def _labels(self, task_id: int) -> Exchange[Sequence[Label]]:
        """Return the labels of a task."""

    def _complete(self, tasks: Sequence[Task]) -> Exchange[list[Task]]:
        """Return `tasks` with the parts that the family shows at other URLs."""
        yield from ()
        return list(tasks)

    @staticmethod
    @abstractmethod
    def _decode_task(data: Any) -> Task: ...

    @staticmethod
    @abstractmethod
    def _decode_job(data: Any) -> Job: ...

    @staticmethod
    @abstractmethod
    def _decode_receipt(task_id: int, request: Request, response: Response) -> Receipt: ...

    @staticmethod
    @abstractmethod
    def _encode_status(status: JobStatus) -> Mapping[str, str]: ...

    @staticmethod
    @abstractmethod
    def _encode_step(step: JobStep) -> Mapping[str, str]: ...

    def _encode_labels(self, labels: Sequence[Label]) -> list[dict[str, Any]]:
        return [encode_label(label, color=self.quirks.label_color, types=self.quirks.label_types) for label in labels]

    def _encode_changed_labels(self, labels: Sequence[Label], known: Sequence[Label]) -> list[dict[str, Any]]:  # noqa: ARG002 - for families that want ids
        """Return labels as a change of a task takes them; `known` are those that it has."""
        return self._encode_labels(labels)

    def _get(self, path: str, /, **query: str) -> Request:
        return Request("GET", f"{self.root}/{path}", query=query, idempotent=True)
