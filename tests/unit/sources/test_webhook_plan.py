"""Which webhooks of a CVAT are created, corrected and deleted, and which are left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labelyard.domain.webhooks import Webhook, WebhookSpec
from labelyard.sources.webhook_plan import WebhookPlan, plan_webhook, wanted_webhook

URL = "https://labelyard.example.com/cvat/default"
WANTED = wanted_webhook(URL, "1a2b", "default", None)
OF_PROJECT = replace(WANTED, project=5)
THEIRS = Webhook(1, WebhookSpec("https://chat.example.com", "chat", frozenset({"update:job"})), owner=9)


def ours(number: int, spec: WebhookSpec = WANTED, **changes: Any) -> Webhook:
    return Webhook(number, replace(spec, **changes), owner=3)


def actions(plan: WebhookPlan) -> list[str]:
    return [item.action for item in plan.items]


def test_a_missing_webhook_is_created_and_those_of_others_are_left_alone() -> None:
    other_ledger = Webhook(2, wanted_webhook("https://staging/cvat/default", "ffff", "default", None), owner=3)
    plan = plan_webhook(WANTED, "organization acme", [THEIRS, other_ledger])
    assert actions(plan) == [f"create it: CVAT posts changed jobs to {URL}"]
    assert (plan.present, plan.duplicates, plan.changes) == (None, (), True)


@pytest.mark.parametrize("wanted", [WANTED, OF_PROJECT])
def test_the_wanted_webhook_needs_nothing(wanted: WebhookSpec) -> None:
    plan = plan_webhook(wanted, "acme", [THEIRS, ours(2, wanted)])
    assert not plan.changes
    assert actions(plan) == [f"fine: it posts changed jobs to {URL}"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"is_active": False}, "it is not active"),
        ({"target_url": "https://old/cvat/default"}, f"it posts to https://old/cvat/default, not to {URL}"),
        ({"events": frozenset({"update:task"})}, "its events are update:task, not update:job"),
        ({"events": frozenset()}, "its events are none, not update:job"),
        ({"description": "made by hand"}, f"its description is not '{WANTED.description}'"),
    ],
)
def test_a_webhook_that_was_changed_manually_is_corrected(changes: dict[str, Any], said: str) -> None:
    changed = ours(2, **changes)
    plan = plan_webhook(WANTED, "acme", [changed])
    assert actions(plan) == [f"correct number 2: {said}"]
    assert (plan.present, plan.wanted) == (changed, WANTED)


def test_of_several_the_oldest_stays_and_the_others_of_its_scope_are_deleted() -> None:
    found = [ours(2), ours(3), ours(4, OF_PROJECT)]
    of_organization = plan_webhook(WANTED, "acme", found)
    assert (of_organization.present, of_organization.duplicates) == (found[0], tuple(found[1:]))
    assert actions(of_organization)[1:] == [f"delete number {n}, which reports the same once more" for n in (3, 4)]
    of_project = plan_webhook(OF_PROJECT, "Street", [*found, ours(5, OF_PROJECT, project=6), ours(7, OF_PROJECT)])
    assert of_project.present == found[2]
    assert [webhook.id for webhook in of_project.duplicates] == [7]


def test_a_description_fits_into_cvats_field() -> None:
    assert len(wanted_webhook(URL, "f" * 36, "n" * 200, None).description) == 128
