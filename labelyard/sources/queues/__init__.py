"""The queues that deliver notifications. A type of queue is one package and one line in `QUEUES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from labelyard.errors import SettingsError
from labelyard.settings import Settings
from labelyard.sources.notification_plan import NotificationSetup
from labelyard.sources.queues import nats, sqs
from labelyard.sources.queues.queue import Queue, QueueDepth, QueueMessage

__all__ = [
    "QUEUES",
    "Queue",
    "QueueDepth",
    "QueueMessage",
    "QueueType",
    "notification_setup",
    "open_queue",
    "uses_store_account",
]


class QueueType(Protocol):
    """A package that connects to one type of queue. Settings that only this type has are read there."""

    uses_store_account: bool
    """Whether it needs the keys of LABELYARD_STORE."""

    def recognises(self, url: str) -> bool:
        """Return whether a queue with this URL is of this type."""

    def connect(self, url: str, settings: Settings) -> Queue:
        """Return the queue. Raises SettingsError, StoreError; the network is not used yet."""

    def notification_setup(self, settings: Settings) -> NotificationSetup:
        """Return what creates the queue, and makes it receive notifications. Raises SettingsError, StoreError."""


QUEUES: Mapping[str, QueueType] = {
    "sqs": sqs,
    "nats": nats,
}
"""Types of queue by name. The first that recognises LABELYARD_WATCH__QUEUE_URL is used."""
_CREATED_WITHOUT_URL = "sqs"
"""The type of queue that `labelyard notifications` creates if no URL is set: its URL is known only afterwards."""


def open_queue(settings: Settings) -> Queue | None:
    """Return the queue of LABELYARD_WATCH__QUEUE_URL; None if it is not set. Raises SettingsError."""
    url = settings.watch.queue_url
    return _type_of(url).connect(url, settings) if url else None


def notification_setup(settings: Settings) -> NotificationSetup:
    """Return what sets up the queue of LABELYARD_WATCH__QUEUE_URL, or a new one. Raises SettingsError, StoreError."""
    url = settings.watch.queue_url
    return (_type_of(url) if url else QUEUES[_CREATED_WITHOUT_URL]).notification_setup(settings)


def uses_store_account(settings: Settings) -> bool:
    """Return whether the queue of LABELYARD_WATCH__QUEUE_URL needs the keys of LABELYARD_STORE."""
    url = settings.watch.queue_url or ""
    return any(queue_type.recognises(url) and queue_type.uses_store_account for queue_type in QUEUES.values())


def _type_of(url: str) -> QueueType:
    for queue_type in QUEUES.values():
        if queue_type.recognises(url):
            return queue_type
    raise SettingsError(
        f"{url} is no queue of a known type ({', '.join(QUEUES)})",
        next_step="set LABELYARD_WATCH__QUEUE_URL to the URL of an SQS queue, or to the address of NATS (nats://…)",
    )
