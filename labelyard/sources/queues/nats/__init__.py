"""NATS JetStream, to which MinIO can publish its notifications. The extra `nats` has the client."""

from __future__ import annotations

from importlib.util import find_spec

from labelyard.errors import SettingsError
from labelyard.settings import Settings
from labelyard.sources.notification_plan import NotificationSetup
from labelyard.sources.queues.queue import Queue

uses_store_account = False
"""Whether it needs the keys of LABELYARD_STORE."""


def recognises(url: str) -> bool:
    """Return whether this is the address of a NATS server, or those of several."""
    return url.startswith(("nats://", "tls://"))


def connect(url: str, settings: Settings) -> Queue:
    """Return the consumer of LABELYARD_WATCH__NATS as a queue. Raises SettingsError, also without the client."""
    _require_client(url)
    from labelyard.sources.queues.nats.queue import NatsQueue  # noqa: PLC0415 - its client may be missing

    return NatsQueue(url, settings.watch.nats)


def notification_setup(settings: Settings) -> NotificationSetup:
    """Return what creates the stream and the consumer. Raises SettingsError, also without the client."""
    url = settings.watch.queue_url or ""
    _require_client(url)
    from labelyard.sources.queues.nats.setup import NatsSetup  # noqa: PLC0415 - its client may be missing

    return NatsSetup(url, settings.watch.nats)


def _require_client(url: str) -> None:
    if find_spec("nats") is None:
        raise SettingsError(
            f"the client of NATS is not installed, and LABELYARD_WATCH__QUEUE_URL is {url}",
            next_step="pip install 'labelyard[nats]'",
        )
