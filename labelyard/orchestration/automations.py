"""The automation that watches labelyard's own housekeeping, which sends all other alerts.

Prefect's automations cannot send one message per cause with reminders and an end, so labelyard sends alerts itself
(`operations/send_alerts`). Only when housekeeping ends no run any more can it not report that. Then this automation
starts a run of it, in case its schedule is lost, and sends a message to each channel that is a notification block.
`labelyard watch` notices it as well, and sends to every channel.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from labelyard.errors import AlertNotSent
from labelyard.orchestration import NOTHING_NEW, SERVER_UNAVAILABLE, WATCHES_HOUSEKEEPING
from labelyard.orchestration.prefect_client import prefect_client
from labelyard.settings import Settings

_ENDED_WELL = {f"prefect.flow-run.{name}" for name in ("Completed", NOTHING_NEW, SERVER_UNAVAILABLE)}
_OF_SERVER = {"id", "created", "updated", "owner_resource"}


def deploy_automations(settings: Settings) -> None:
    """Create the automation, or update the one that exists where it differs. Safe to repeat.

    Raises AlertNotSent if a channel names a block that Prefect does not have.
    """
    with prefect_client(settings) as client:
        wanted = _watches_housekeeping(client, settings)
        found = client.read_automations_by_name(WATCHES_HOUSEKEEPING)
        for extra in found[1:]:
            client.delete_automation(extra.id)
        if not found:
            client.create_automation(wanted)
        elif _content(found[0]) != _content(wanted):
            client.update_automation(found[0].id, wanted)


def _watches_housekeeping(client: SyncPrefectClient, settings: Settings) -> AutomationCore:
    limit = timedelta(seconds=settings.alerts.housekeeping_silence_seconds)
    deployment = client.read_deployment_by_name("housekeeping/housekeeping")
    body = f"Nothing has ended well for {limit}, so nothing may be ingested or exported.\nnext: labelyard doctor"
    notify = [
        SendNotification(block_document_id=_block_id(client, name), subject=WATCHES_HOUSEKEEPING, body=body)
        for name in sorted(channel.block for channel in settings.alerts.channels.values() if channel.block)
    ]
    return AutomationCore(
        name=WATCHES_HOUSEKEEPING,
        description="Starts housekeeping, and tells the channels that are blocks. Changed by `labelyard deploy`.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after=_ENDED_WELL,  # once after each silence, not again and again
            expect=_ENDED_WELL,
            match_related={"prefect.resource.role": "deployment", "prefect.resource.name": "housekeeping"},
            threshold=1,
            within=limit,
        ),
        actions=[RunDeployment(source="selected", deployment_id=deployment.id), *notify],
    )


def _block_id(client: SyncPrefectClient, block: str) -> Any:
    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name, kind, include_secrets=False).id
    except ObjectNotFound as error:
        raise AlertNotSent(
            f"Prefect has no block {block}",
            where="LABELYARD_ALERTS",
            next_step="create it in Prefect's UI, below Blocks",
        ) from error


def _content(automation: AutomationCore) -> dict[str, Any]:
    return _without_ids(automation.model_dump(mode="json", exclude=_OF_SERVER))


def _without_ids(document: dict[str, Any]) -> dict[str, Any]:
    """Return the automation without the id of its trigger, and with sets in an order."""
    trigger = {
        name: sorted(value) if name in ("after", "expect") else value for name, value in document["trigger"].items()
    }
    return document | {"trigger": {name: value for name, value in trigger.items() if name != "id"}}
