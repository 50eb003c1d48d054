"""A queue of Amazon SQS or of a compatible server, by long polling."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from botocore.config import Config

from labelyard.errors import SettingsError, StoreUnreachable
from labelyard.server_settings import StoreSettings
from labelyard.sources.queues.queue import QueueDepth, QueueMessage
from labelyard.storage.boto import CONFIG, boto_client, boto_errors

MAX_PER_REQUEST = 10
"""Messages in one request: SQS's limit for receiving and deleting."""
_CONCURRENT_REQUESTS = 4
_MISSING = "`labelyard notifications DATASET --apply` creates the queue; LABELYARD_WATCH__QUEUE_URL names it"
_DENIED = (
    "let this account use the queue"
    " (sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility, sqs:GetQueueAttributes)"
)
NEXT_STEPS = {
    "AWS.SimpleQueueService.NonExistentQueue": _MISSING,
    "QueueDoesNotExist": _MISSING,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
}
"""What to do about SQS's error codes."""
_OTHERWISE = "start it, or correct LABELYARD_WATCH__SQS_ENDPOINT_URL and the credentials"


def queue_errors(where: str) -> AbstractContextManager[None]:
    """Raise boto3's errors as labelyard's, with what to do about SQS's error codes."""
    return boto_errors(where, NEXT_STEPS, otherwise=_OTHERWISE)


class SqsQueue:
    """An SQS queue; see `labelyard.sources.queues.Queue`."""

    kind = "sqs"

    def __init__(self, url: str, store: StoreSettings, endpoint_url: str | None = None) -> None:
        if url.rstrip("/").endswith(".fifo"):
            next_step = "name a standard queue in LABELYARD_WATCH__QUEUE_URL"
            raise SettingsError(f"{url} is a FIFO queue, which no bucket can notify", next_step=next_step)
        self.url = url
        # A long poll takes up to 20 s; boto3's usual read timeout would end it early.
        config = CONFIG.merge(Config(read_timeout=40))
        with queue_errors(url):
            self._client = boto_client("sqs", store, endpoint_url, config)
        self._pool = ThreadPoolExecutor(_CONCURRENT_REQUESTS, thread_name_prefix="sqs")

    def receive(self, wait_seconds: int = 20, max_messages: int = MAX_PER_REQUEST) -> list[QueueMessage]:
        """Return up to `max_messages`; wait up to `wait_seconds` (0 to 20) for the first one only."""
        received = self._receive(wait_seconds)
        more = len(received) == MAX_PER_REQUEST
        while more and len(received) + MAX_PER_REQUEST <= max_messages:
            requests = min(_CONCURRENT_REQUESTS, (max_messages - len(received)) // MAX_PER_REQUEST)
            responses = list(self._pool.map(self._receive, [0] * requests))
            received += chain.from_iterable(responses)
            more = any(len(response) == MAX_PER_REQUEST for response in responses)
        return received

    def _receive(self, wait_seconds: int) -> list[QueueMessage]:
        with queue_errors(self.url):
            response = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MAX_PER_REQUEST,
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            )
        return [_message(found) for found in response.get("Messages", ())]

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Delete messages. Raises StoreUnreachable if one remains and will be redelivered."""
        list(self._pool.map(self._delete, _requests(messages)))

    def _delete(self, messages: Sequence[QueueMessage]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(messages)]
        with queue_errors(self.url):
            response = self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        for failed in response.get("Failed", ()):
            raise StoreUnreachable(f"{failed.get('Code')}: a message remains and will be redelivered", where=self.url)

    def extend(self, messages: Sequence[QueueMessage], seconds: int) -> list[str]:
        """Hide messages from other receivers for `seconds` from now; return why not, for each that it skipped."""
        return [*chain.from_iterable(self._pool.map(lambda some: self._extend(some, seconds), _requests(messages)))]

    def _extend(self, messages: Sequence[QueueMessage], seconds: int) -> list[str]:
        entries = [
            {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
            for n, message in enumerate(messages)
        ]
        with queue_errors(self.url):
            response = self._client.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
        return [str(failed.get("Code")) for failed in response.get("Failed", ())]

    def depth(self) -> QueueDepth:
        """Return how many messages wait, as SQS estimates it."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with queue_errors(self.url):
            found = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return QueueDepth(*(int(found.get(name, 0)) for name in names))

    def close(self) -> None:
        """End its threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()


def _message(found: dict[str, Any]) -> QueueMessage:
    attributes = found.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    return QueueMessage(
        body=found["Body"].encode("utf-8", "surrogatepass"),
        receipt=found["ReceiptHandle"],
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        attempts=int(attributes.get("ApproximateReceiveCount", 1)),
    )


def _requests(messages: Sequence[QueueMessage]) -> list[Sequence[QueueMessage]]:
    return [messages[n : n + MAX_PER_REQUEST] for n in range(0, len(messages), MAX_PER_REQUEST)]
