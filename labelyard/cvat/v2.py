"""CVAT 2.x: the verbs of the pipeline as CVAT 2.54 implements them (numbers in brackets are its recordings).

Slow work is a request with an id here: its state is polled, and forgotten about 500 s after success.
Tasks do not contain their labels and jobs: three requests make one `Task`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from labelyard.cvat.decoding import (
    decode,
    decode_label,
    decode_user,
    fetch,
    file_name,
    send,
    send_for_task,
)
from labelyard.cvat.encoding import SKELETON_FIELDS
from labelyard.cvat.error_responses import error_for, message_of, one_line
from labelyard.cvat.exchange import Exchange, Pause, Request, Response, poll_intervals
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.quirks import Quirks
from labelyard.cvat.v2_quality import Quality
from labelyard.cvat.v2_values import (
    decode_access_token,
    decode_creation,
    decode_job,
    decode_task,
    decode_validation_layout,
    with_labels_and_jobs,
)
from labelyard.domain.annotations import Interpolation
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    AccessToken,
    Creation,
    CreationState,
    Frame,
    GitRepository,
    Job,
    JobKind,
    JobStatus,
    JobStep,
    Receipt,
    Task,
    UploadFile,
    User,
)
from labelyard.errors import CvatDisagrees, CvatRefused, ExportFailed

QUIRKS = Quirks(
    task_assignee_field="assignee_id",
    task_z_order=False,
    annotation_source=True,
    shape_score=True,
    label_color=True,
    label_types=True,
    organizations=True,
    issues=True,
    boxes_lead_groups=True,
    export_can_be_stale=False,
    interpolation=Interpolation.V2,
)
"""The quirks of every measured server of the family."""

_STATUS_FIELDS = {
    JobStatus.ANNOTATION: {"stage": "annotation", "state": "in progress"},
    JobStatus.VALIDATION: {"stage": "validation", "state": "new"},
    JobStatus.COMPLETED: {"state": "completed"},
}
"""The fields that set a status. A worker may complete the job, but not change its stage [622, 623]."""

_STEP_FIELDS = {
    JobStep.REVIEW: {"stage": "validation", "state": "new"},
    JobStep.REPAIR: {"stage": "annotation", "state": "rejected"},
    JobStep.RETURN: {"stage": "annotation", "state": "rejected"},
    JobStep.LEAD: {"stage": "validation", "state": "rejected"},
    JobStep.ACCEPT: {"stage": "acceptance", "state": "completed"},
}
"""The fields that do a step of a review. A stage without a state makes the state new [1127, 1133, 1134]."""


class V2(Quality):
    """The dialect of CVAT 2.x."""

    can_register = False
    root = "/api"
    _rejected = MappingProxyType({"state": "rejected"})

    def __init__(self, quirks: Quirks = QUIRKS) -> None:
        super().__init__(quirks)

    # --- accounts ----------------------------------------------------------------------------------------------------

    def authorization(self, token: str) -> str:
        """The Authorization header for `token`; a personal access token is a Bearer [033, 037]."""
        return f"Bearer {token}" if self.is_access_token(token) else f"Token {token}"

    def is_access_token(self, token: str) -> bool:
        """Return whether `token` is a personal access token: it has a dot [033]."""
        return "." in token

    def users(self) -> Exchange[list[User]]:
        """Return all visible users by id; a plain user outside an organization receives only their own record [018]."""
        found = yield from self._all("users", {}, decode_user)
        return sorted(found, key=lambda user: user.id)

    def access_token(self) -> Exchange[AccessToken]:
        """Return the token of the scheme Bearer; with one of a login this is 401 [2.73 0047, 0048]."""
        return fetch(self._get("auth/access_tokens/self"), decode_access_token)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _task_page(self, filters: Mapping[str, str | int], page: int) -> Exchange[tuple[list[Task], int | None]]:
        query = {name: str(value) for name, value in filters.items()} | {"sort": "id"}
        return self._page("tasks", query, page, decode_task)

    def tasks_page(self, filters: Mapping[str, str | int], page: int) -> Exchange[tuple[list[Task], int | None]]:
        """Return one page of tasks. `name` means equality here; `search` finds parts, in other fields too."""
        query = dict(filters)
        part = str(query.pop("name", "")).lower()
        if part:
            query["search"] = part
        tasks, following = yield from self._task_page(query, page)
        named = [task for task in tasks if part in task.name.lower()]
        return (yield from self._complete(named)), following

    def _bare_task(self, task_id: int) -> Exchange[Task]:
        """Read the task from its own URL: the list ignores `id` [891]."""
        request = self._get(f"tasks/{task_id}")
        response = yield from send_for_task(task_id, request)
        return decode(request, response, decode_task)

    def _complete(self, tasks: Sequence[Task]) -> Exchange[list[Task]]:
        completed = []
        for task in tasks:
            labels = yield from self._labels(task.id)
            jobs = (yield from self._all_jobs(task.id)) if task.size else []
            completed.append(with_labels_and_jobs(task, labels, jobs))
        return completed

    def creation(self, receipt: Receipt) -> Exchange[Creation]:
        """Return the request's state; UNKNOWN before it starts, after a cancel, and 500 s after success [217, 930]."""
        request = self._get(f"requests/{quote(receipt.request_id, safe='')}")
        response = yield from send(request, accept={404})
        if response.status == 404:
            return Creation(CreationState.UNKNOWN, message_of(response))
        return decode(request, response, decode_creation)

    def _labels(self, task_id: int) -> Exchange[Sequence[Label]]:
        return self._all("labels", {"task_id": str(task_id)}, decode_label)

    def _encode_changed_labels(self, labels: Sequence[Label], known: Sequence[Label]) -> list[dict[str, Any]]:
        """Add the ids that the labels and their attributes have: one without an id would be a second of its name."""
        encoded, by_name = self._encode_labels(labels), {label.name: label for label in known}
        for label in encoded:
            if (old := by_name.get(label["name"])) is not None:
                label["id"] = old.id
                label.setdefault("color", old.color)  # without it the server chooses another one
                for field in SKELETON_FIELDS if old.sublabels else ():  # without them the server keeps its own points
                    label.pop(field, None)
                ids = {spec.name: spec.id for spec in old.attributes}
                label["attributes"] = [
                    {"id": ids[spec["name"]], **spec} if spec["name"] in ids else spec for spec in label["attributes"]
                ]
        return encoded

    def frames(self, task_id: int) -> Exchange[list[Frame]]:
        """Return the task's frames. Only honeypots, copies of other frames, share a name [2.73 1230, 1231]."""
        frames = yield from super().frames(task_id)
        if len({frame.name for frame in frames}) == len(frames):
            return frames
        uses = yield from fetch(self._get(f"tasks/{task_id}/validation_layout"), decode_validation_layout)
        return [replace(frame, use=uses.get(number, frame.use)) for number, frame in enumerate(frames)]

    # --- jobs --------------------------------------------------------------------------------------------------------

    def jobs(self, task_id: int) -> Exchange[list[Job]]:
        """Return the annotation jobs by first frame; ground truth and replicas are not the task's work [855-866]."""
        found = yield from self._all_jobs(task_id)
        return [job for job in found if job.kind is JobKind.ANNOTATION]

    def _all_jobs(self, task_id: int) -> Exchange[list[Job]]:
        found = yield from self._all("jobs", {"task_id": str(task_id)}, decode_job)
        return sorted(found, key=lambda job: (job.start_frame, job.id))

    def assign(self, job_id: int, user_id: int | None) -> Exchange[Job]:
        """Assign a job to a user, or to nobody. An unknown user is 500 [269], like a server that fails."""
        request = Request("PATCH", f"{self.root}/jobs/{job_id}", json={"assignee": user_id}, idempotent=True)
        response = yield from send(request, accept={500})
        if response.status == 500:
            error = error_for(str(request), response)
            error.what = f"{error.what}; is there a user {user_id}?"
            raise error
        return decode(request, response, decode_job)

    # --- export and import -------------------------------------------------------------------------------------------

    def export(self, task_id: int, to: Path, format_name: str) -> Exchange[str]:
        """Start, poll by the request's id, download. A start while one runs is 409 with the same id [702]."""
        query = {"format": format_name, "save_images": "false", "location": "local"}
        start = Request("POST", f"{self.root}/tasks/{task_id}/dataset/export", query=query, idempotent=True)
        started = yield from send(start, accept={409})
        request = self._progress_of(start, started)
        for seconds in poll_intervals():
            ended = yield from self._ended(request)
            if ended.state == "failed":
                raise ExportFailed(f"{format_name}: {one_line(ended.message)}", request=str(request))
            parts = urlsplit(ended.url)  # an absolute URL, of which only the path is trusted
            query = dict(parse_qsl(parts.query))
            file = yield from send(Request("GET", parts.path, query=query, idempotent=True, save_to=to), accept={400})
            if file.status != 400:
                return file_name(file)
            # Another client of this account has started the same request again: both wait for its end.
            yield Pause(seconds, message_of(file))
        raise AssertionError("poll intervals never end")

    def import_annotations(self, task_id: int, file: UploadFile, format_name: str) -> Exchange[None]:
        """Send the file, then poll the request. An unknown image or label fails it and changes nothing [2.73 0460]."""
        query, body = {"format": format_name, "location": "local"}, Multipart([], [("annotation_file", file)])
        start = Request("POST", f"{self.root}/tasks/{task_id}/annotations", query=query, body=body)
        yield from self._finished(start, failure=CvatRefused)

    # --- not supported -----------------------------------------------------------------------------------------------

    def register(self, username: str, password: str, *, email: str, first: str, last: str) -> Exchange[None]:  # noqa: ARG002
        """Not supported yet."""
        return _unsupported("register")

    def git_repository(self, task_id: int) -> Exchange[GitRepository]:  # noqa: ARG002
        """CVAT 2.x has no Git repositories."""
        return _unsupported("git_repository")

    # --- lists, decoding and encoding --------------------------------------------------------------------------------

    _decode_task = staticmethod(decode_task)
    _decode_job = staticmethod(decode_job)

    @staticmethod
    def _decode_receipt(task_id: int, request: Request, response: Response) -> Receipt:
        return decode(request, response, lambda data: Receipt(task_id, data["rq_id"]))

    @staticmethod
    def _encode_status(status: JobStatus) -> Mapping[str, str]:
        return _STATUS_FIELDS[status]

    @staticmethod
    def _encode_step(step: JobStep) -> Mapping[str, str]:
        return _STEP_FIELDS[step]


def _unsupported(verb: str) -> Exchange[Any]:
    raise CvatDisagrees(f"{verb} is not supported for CVAT 2.x yet", where="labelyard")
    yield  # makes this a generator, as every verb is
