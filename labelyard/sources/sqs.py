"""Deliveries from an SQS queue, by long polling."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from botocore.config import Config

from labelyard.errors import SettingsError, StoreUnreachable
from labelyard.settings import StoreSettings
from labelyard.sources import Delivery, QueueDepth
from labelyard.storage.store import CONFIG, client, failures

BATCH = 10
"""Messages in one request: the most that SQS takes and gives."""
_SIDE_BY_SIDE = 4
"""Requests at the same time, where many messages wait."""
_MISSING = "`labelyard notifications DATASET --apply` makes the queue; LABELYARD_WATCH__QUEUE_URL names it"
_DENIED = "let this account use the queue (sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes)"
NEXT_STEPS = {
    "AWS.SimpleQueueService.NonExistentQueue": _MISSING,
    "QueueDoesNotExist": _MISSING,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
}
"""What to do about what SQS answers."""


class Queue:
    """An SQS queue; see `labelyard.sources.Deliveries`."""

    def __init__(self, url: str, store: StoreSettings, endpoint_url: str | None = None) -> None:
        if url.rstrip("/").endswith(".fifo"):
            next_step = "name a standard queue in LABELYARD_WATCH__QUEUE_URL"
            raise SettingsError(f"{url} is a FIFO queue, which no bucket can notify", next_step=next_step)
        self.url = url
        # A long poll answers after up to 20 s; a shorter read timeout would cut each of them.
        config = CONFIG.merge(Config(read_timeout=40))
        with failures(url, NEXT_STEPS):
            self._client = client("sqs", store, endpoint_url, config)
        self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="sqs")

    def receive(self, wait_seconds: int = 20, most: int = BATCH) -> list[Delivery]:
        """Up to `most` messages, waiting for the first; none after `wait_seconds` (0 to 20)."""
        received = self._receive(wait_seconds)
        more = len(received) == BATCH
        while more and len(received) + BATCH <= most:
            room = min(_SIDE_BY_SIDE, (most - len(received)) // BATCH)
            answers = list(self._pool.map(self._receive, [0] * room))
            received += chain.from_iterable(answers)
            more = any(len(answer) == BATCH for answer in answers)
        return received

    def _receive(self, wait_seconds: int) -> list[Delivery]:
        with failures(self.url, NEXT_STEPS):
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [_delivery(message) for message in answer.get("Messages", ())]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages. Raises StoreUnreachable where one stays and will come again."""
        list(self._pool.map(self._delete, _batched(deliveries)))

    def _delete(self, deliveries: Sequence[Delivery]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": one.receipt} for n, one in enumerate(deliveries)]
        with failures(self.url, NEXT_STEPS):
            answer = self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        for failed in answer.get("Failed", ()):
            raise StoreUnreachable(f"{failed.get('Code')}: a message stays and will come again", where=self.url)

    def extend(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        """Keep messages invisible for so many seconds from now; one that is no longer ours is left alone."""
        list(self._pool.map(lambda some: self._extend(some, seconds), _batched(deliveries)))

    def _extend(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        entries = [
            {"Id": str(n), "ReceiptHandle": one.receipt, "VisibilityTimeout": seconds}
            for n, one in enumerate(deliveries)
        ]
        with failures(self.url, NEXT_STEPS):
            self._client.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)

    def depth(self) -> QueueDepth:
        """How much waits, as SQS guesses it."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with failures(self.url, NEXT_STEPS):
            found = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return QueueDepth(*(int(found.get(name, 0)) for name in names))


def _delivery(message: dict[str, Any]) -> Delivery:
    attributes = message.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    return Delivery(
        body=message["Body"].encode("utf-8", "surrogatepass"),
        receipt=message["ReceiptHandle"],
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        attempts=int(attributes.get("ApproximateReceiveCount", 1)),
    )


def _batched(deliveries: Sequence[Delivery]) -> list[Sequence[Delivery]]:
    return [deliveries[n : n + BATCH] for n in range(0, len(deliveries), BATCH)]
