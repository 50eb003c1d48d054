"""What must change in a CVAT's webhooks, so that it posts changed jobs to the watcher. Pure.

Only labelyard's own webhooks are changed: those with the mark of this ledger, and those that post to its address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labelyard.domain.webhooks import JOB_CHANGED, Webhook, WebhookSpec
from labelyard.sources.notification_plan import PlanItem

EVENTS = frozenset({JOB_CHANGED})
"""Completing, reopening and reassigning a job, and saving its annotations, are all changes of the job."""
SUBJECT = "CVAT webhook"
_LONGEST_DESCRIPTION = 128
"""Characters that CVAT accepts."""


@dataclass(frozen=True)
class WebhookPlan:
    """The webhook that is wanted, what must be done, the present one if there is one, and its duplicates."""

    wanted: WebhookSpec
    items: tuple[PlanItem, ...]
    present: Webhook | None = None
    duplicates: tuple[Webhook, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything must be done."""
        return any(item.changes for item in self.items)


def wanted_webhook(address: str, ledger_id: str, cvat: str, project: int | None) -> WebhookSpec:
    """Return the webhook of a project, or without one of the organization.

    Its description is its mark: it names the ledger, and the server as the settings do.
    """
    mark = f"labelyard, changed jobs, ledger {ledger_id}, CVAT {cvat}"
    return WebhookSpec(address, mark[:_LONGEST_DESCRIPTION], EVENTS, project)


def plan_webhook(wanted: WebhookSpec, where: str, found: Sequence[Webhook]) -> WebhookPlan:
    """Return what makes one of the `found` webhooks, oldest first, the wanted one; `where` is what it belongs to."""
    ours = [webhook for webhook in found if _is_ours(webhook.spec, wanted)]
    present = next((webhook for webhook in ours if webhook.spec.project == wanted.project), None)
    # What an organization's webhook reports, one of a project in it would report again.
    duplicates = [
        webhook for webhook in ours if webhook is not present and wanted.project in (None, webhook.spec.project)
    ]
    items = [_item(wanted, where, present), *(_duplicate(webhook, where) for webhook in duplicates)]
    return WebhookPlan(wanted, tuple(items), present, tuple(duplicates))


def _is_ours(spec: WebhookSpec, wanted: WebhookSpec) -> bool:
    return wanted.description == spec.description or wanted.target_url == spec.target_url


def _item(wanted: WebhookSpec, where: str, present: Webhook | None) -> PlanItem:
    if present is None:
        return PlanItem(SUBJECT, where, f"create it: CVAT posts changed jobs to {wanted.target_url}")
    if differences := list(_differences(present.spec, wanted)):
        return PlanItem(SUBJECT, where, f"correct number {present.id}: {', '.join(differences)}")
    return PlanItem(SUBJECT, where, f"fine: it posts changed jobs to {wanted.target_url}", changes=False)


def _differences(spec: WebhookSpec, wanted: WebhookSpec) -> Iterator[str]:
    if spec.target_url != wanted.target_url:
        yield f"it posts to {spec.target_url}, not to {wanted.target_url}"
    if not spec.is_active:
        yield "it is not active"
    if spec.events != wanted.events:
        yield f"its events are {' '.join(sorted(spec.events)) or 'none'}, not {' '.join(sorted(wanted.events))}"
    if spec.description != wanted.description:
        yield f"its description is not {wanted.description!r}"


def _duplicate(webhook: Webhook, where: str) -> PlanItem:
    return PlanItem(SUBJECT, where, f"delete number {webhook.id}, which reports the same once more")
