"""Deliveries from an SQS queue, by long polling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config

from labelyard.errors import SettingsError, StoreUnreachable
from labelyard.settings import StoreSettings
from labelyard.storage import CONFIG, client, failures

BATCH = 10
"""Messages in one answer: the most that SQS gives."""
_MISSING = "labelyard notify DATASET --apply makes the queue; LABELYARD_WATCH__QUEUE_URL names it"
_DENIED = "let this account use the queue (sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes)"
_NEXT_STEPS = {
    "AWS.SimpleQueueService.NonExistentQueue": _MISSING,
    "QueueDoesNotExist": _MISSING,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
}


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """About how many messages wait, and how many are handed out but not yet acknowledged."""

    waiting: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class SqsDelivery:
    """One message of the queue; see `labelyard.intake.Delivery`."""

    queue: Queue
    receipt: str
    body: bytes
    sent: datetime | None
    attempts: int

    def acknowledge(self) -> None:
        """Delete it from the queue."""
        self.queue.acknowledge([self])

    def extend(self, seconds: int) -> None:
        """Keep it invisible for so many seconds from now."""
        self.queue.extend(self, seconds)


class Queue:
    """An SQS queue. Every method raises StoreUnreachable where waiting may help, else StoreError."""

    def __init__(self, url: str, store: StoreSettings, endpoint_url: str | None = None) -> None:
        if url.rstrip("/").endswith(".fifo"):
            next_step = "name a standard queue in LABELYARD_WATCH__QUEUE_URL"
            raise SettingsError(f"{url} is a FIFO queue, which no bucket can notify", next_step=next_step)
        self.url = url
        # A long poll answers after up to 20 s; a shorter read timeout would cut each of them.
        config = CONFIG.merge(Config(read_timeout=40))
        with failures(url, _NEXT_STEPS):
            self._client = client("sqs", store, endpoint_url, config)

    def receive(self, wait_seconds: int = 20) -> list[SqsDelivery]:
        """Up to ten messages, waiting for the first; none after `wait_seconds` (0 to 20)."""
        with failures(self.url, _NEXT_STEPS):
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [self._delivery(message) for message in answer.get("Messages", ())]

    def _delivery(self, message: dict[str, Any]) -> SqsDelivery:
        attributes = message.get("Attributes", {})
        sent = attributes.get("SentTimestamp")
        return SqsDelivery(
            queue=self,
            receipt=message["ReceiptHandle"],
            body=message["Body"].encode("utf-8", "surrogatepass"),
            sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
            attempts=int(attributes.get("ApproximateReceiveCount", 1)),
        )

    def acknowledge(self, deliveries: Iterable[SqsDelivery]) -> None:
        """Delete up to ten messages with one request."""
        entries = [{"Id": str(n), "ReceiptHandle": delivery.receipt} for n, delivery in enumerate(deliveries)]
        if not entries:
            return
        with failures(self.url, _NEXT_STEPS):
            answer = self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        for failed in answer.get("Failed", ()):
            raise StoreUnreachable(f"{failed.get('Code')}: a message stays and will come again", where=self.url)

    def extend(self, delivery: SqsDelivery, seconds: int) -> None:
        """Keep one message from other receivers for so many seconds from now."""
        with failures(self.url, _NEXT_STEPS):
            self._client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=delivery.receipt, VisibilityTimeout=seconds
            )

    def depth(self) -> QueueDepth:
        """How much waits, as SQS guesses it."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with failures(self.url, _NEXT_STEPS):
            found = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return QueueDepth(*(int(found.get(name, 0)) for name in names))
