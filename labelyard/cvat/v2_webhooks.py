"""CVAT 2.x: webhooks of projects and organizations, and their deliveries."""

from __future__ import annotations

from typing import Any

from labelyard.cvat.decoding import decode_page, decode_user_id, fetch, send
from labelyard.cvat.exchange import Exchange, Request
from labelyard.cvat.v2_projects import Projects
from labelyard.domain.webhooks import Webhook, WebhookDelivery, WebhookSpec


class Webhooks(Projects):
    """The part of the dialect of CVAT 2.x about webhooks."""

    def webhooks(self) -> Exchange[list[Webhook]]:
        """Return the webhooks that the account sees in its space, oldest first."""
        found = yield from self._all("webhooks", {}, decode_webhook)
        return sorted(found, key=lambda webhook: webhook.id)

    def create_webhook(self, spec: WebhookSpec, secret: str) -> Exchange[Webhook]:
        """Create a webhook [2.73 1013, 1083]; for an organization that the request does not name it is 403 [1019]."""
        of_project = {"type": "project", "project_id": spec.project}
        scope = of_project if spec.project is not None else {"type": "organization"}
        body = {**scope, **_encode(spec, secret), "enable_ssl": True}
        return fetch(Request("POST", f"{self.root}/webhooks", json=body), decode_webhook)

    def change_webhook(self, webhook_id: int, spec: WebhookSpec, secret: str) -> Exchange[Webhook]:
        """Change everything but what a webhook belongs to, and whether it verifies certificates [2.73 1059, 1070]."""
        path, body = f"{self.root}/webhooks/{webhook_id}", _encode(spec, secret)
        return fetch(Request("PATCH", path, json=body, idempotent=True), decode_webhook)

    def delete_webhook(self, webhook_id: int) -> Exchange[None]:
        """Delete a webhook with its deliveries [2.73 1081]."""
        yield from send(Request("DELETE", f"{self.root}/webhooks/{webhook_id}"))

    def webhook_deliveries(self, webhook_id: int, count: int) -> Exchange[list[WebhookDelivery]]:
        """Return the latest deliveries, the last one first [2.73 1065]."""
        request = self._get(f"webhooks/{webhook_id}/deliveries", page_size=str(count))
        response = yield from send(request)
        return decode_page(request, response, _decode_delivery, 1)[0]


def decode_webhook(data: Any) -> Webhook:
    """A webhook; `project_id` is null for one of an organization."""
    spec = WebhookSpec(
        target_url=data["target_url"],
        description=data.get("description") or "",
        events=frozenset(map(str, data["events"])),
        project=data["project_id"],
        is_active=bool(data["is_active"]),
    )
    return Webhook(int(data["id"]), spec, decode_user_id(data["owner"]))


def _decode_delivery(data: Any) -> WebhookDelivery:
    status = int(data["status_code"] or 0)  # null while it is on its way
    return WebhookDelivery(str(data["event"]), status, data["created_date"], data.get("response") or "")


def _encode(spec: WebhookSpec, secret: str) -> dict[str, Any]:
    return {
        "target_url": spec.target_url,
        "description": spec.description,
        "content_type": "application/json",
        "secret": secret,
        "is_active": spec.is_active,
        "events": sorted(spec.events),
    }
