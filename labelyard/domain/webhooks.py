"""Webhooks of CVAT 2.x, and what they deliver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labelyard.errors import MessageError

JOB_CHANGED = "update:job"
"""The event of every change of a job: its state, stage and assignee, and each time its annotations are saved."""
_ONLY_SAVED = frozenset({"updated_date"})


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """What a webhook does: it posts `events` of a project, or without one of the organization, to `target_url`."""

    target_url: str
    description: str
    events: frozenset[str]
    project: int | None = None
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as the server returns it: without its secret, which CVAT never shows. `owner` is a user's id."""

    id: int
    spec: WebhookSpec
    owner: int | None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """An attempt to deliver. `status` is that of the response; 502 if there was no connection, 504 without a response.

    `response` is its text, or why there was none; `created` is an ISO date.
    """

    event: str
    status: int
    created: str
    response: str = ""

    @property
    def has_arrived(self) -> bool:
        """Whether the receiver accepted it."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class JobChange:
    """A task that has a changed job; `only_saved` if nothing but annotations were saved."""

    task_id: int
    only_saved: bool


def read_job_change(document: Mapping[str, object]) -> JobChange | None:
    """Return the change that a delivery reports; None for other events. Raises MessageError.

    It is a hint: deliveries are repeated, come out of order, and may be older than what the server shows.
    """
    if document.get("event") != JOB_CHANGED:
        return None
    job = document.get("job")
    task_id = job.get("task_id") if isinstance(job, Mapping) else None
    if not isinstance(task_id, int) or isinstance(task_id, bool) or not 0 < task_id < 2**63:
        raise MessageError("a changed job without the id of its task")
    before = document.get("before_update")
    return JobChange(task_id, only_saved=isinstance(before, Mapping) and before.keys() <= _ONLY_SAVED)
