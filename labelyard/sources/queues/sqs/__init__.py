"""Amazon SQS and compatible queues, and the buckets that notify them."""

from __future__ import annotations

from labelyard.settings import Settings
from labelyard.sources.queues.sqs.queue import SqsQueue
from labelyard.sources.queues.sqs.setup import SqsSetup

__all__ = ["SqsQueue", "SqsSetup", "connect", "notification_setup", "recognises", "uses_store_account"]

uses_store_account = True
"""Whether it needs the keys of LABELYARD_STORE."""


def recognises(url: str) -> bool:
    """Return whether this can be the URL of an SQS queue: every other type has a scheme of its own."""
    return url.startswith(("https://", "http://"))


def connect(url: str, settings: Settings) -> SqsQueue:
    """Return the queue, at LABELYARD_WATCH__SQS_ENDPOINT_URL if that is set. Raises SettingsError, StoreError."""
    return SqsQueue(url, settings.store, settings.watch.sqs_endpoint_url)


def notification_setup(settings: Settings) -> SqsSetup:
    """Return what creates the queue and makes buckets notify it. Raises SettingsError, StoreError."""
    return SqsSetup(settings)
