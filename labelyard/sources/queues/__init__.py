"""The queues that deliver notifications. A type of queue is one module and one line in `QUEUES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from labelyard.errors import SettingsError
from labelyard.settings import Settings
from labelyard.sources.queues import sqs
from labelyard.sources.queues.queue import Queue, QueueDepth, QueueMessage

__all__ = ["QUEUES", "Queue", "QueueDepth", "QueueMessage", "QueueType", "open_queue"]


class QueueType(Protocol):
    """A module that connects to one type of queue. Settings that only this type has are read there."""

    def recognises(self, url: str) -> bool:
        """Return whether a queue with this URL is of this type."""

    def connect(self, url: str, settings: Settings) -> Queue:
        """Return the queue. Raises SettingsError, StoreError; the network is not used yet."""


QUEUES: Mapping[str, QueueType] = {
    "sqs": sqs,
}
"""Types of queue by name. The first that recognises LABELYARD_WATCH__QUEUE_URL is used."""


def open_queue(settings: Settings) -> Queue | None:
    """Return the queue of LABELYARD_WATCH__QUEUE_URL; None if it is not set. Raises SettingsError."""
    url = settings.watch.queue_url
    if not url:
        return None
    for queue_type in QUEUES.values():
        if queue_type.recognises(url):
            return queue_type.connect(url, settings)
    raise SettingsError(
        f"{url} is no queue of a known type ({', '.join(QUEUES)})",
        next_step="set LABELYARD_WATCH__QUEUE_URL to the URL of an SQS queue",
    )
