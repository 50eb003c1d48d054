"""A durable pull consumer of a NATS JetStream as a queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import BadSubjectError, Error, NoRespondersError
from nats.js.errors import APIError

from labelyard.errors import StoreUnreachable
from labelyard.sources.queues.nats.connection import ANSWER_SECONDS, NatsConnection, call_api
from labelyard.sources.queues.queue import QueueDepth, QueueMessage
from labelyard.watch_settings import NatsSettings

_NOTHING_MORE = frozenset({"404", "408"})
"""The status that ends the answer to a pull request: no messages now, or none in time."""
_NO_CONSUMER = "503"
_SECOND = 10**9
"""A second, in the nanoseconds of JetStream's API."""


class NatsQueue:
    """A durable pull consumer of a stream; see `labelyard.sources.queues.Queue`.

    A message's receipt is the subject on which it is acknowledged, on this connection or a later one. What was
    delivered once and waits for its next delivery is in flight for JetStream, so `depth` counts it there.
    """

    kind = "nats"

    def __init__(self, url: str, options: NatsSettings) -> None:
        self.url = url
        self._consumer = f"{options.stream}.{options.consumer}"
        self._connection = NatsConnection(url, options)

    def receive(self, wait_seconds: int = 20, max_messages: int = 10) -> list[QueueMessage]:
        """Return up to `max_messages`; wait up to `wait_seconds` for the first one only."""
        work = partial(self._receive, wait_seconds, max_messages)
        return [_message(found) for found in self._connection.run(work, wait_seconds + 3 * ANSWER_SECONDS)]

    async def _receive(self, wait_seconds: int, max_messages: int, client: Client) -> list[Msg]:
        found = await self._pull(client, max_messages, 0)
        if not found and wait_seconds:
            found = await self._pull(client, 1, wait_seconds)
            if found and max_messages > 1:
                found += await self._pull(client, max_messages - 1, 0)
        return found

    async def _pull(self, client: Client, most: int, wait_seconds: int) -> list[Msg]:
        """Return up to `most` messages: those that wait now, or else the first ones within `wait_seconds`."""
        wanted = {"batch": most, **({"expires": wait_seconds * _SECOND} if wait_seconds else {"no_wait": True})}
        inbox, found = client.new_inbox(), list[Msg]()
        answers = await client.subscribe(inbox)
        try:
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._consumer}"
            await client.publish(subject, json.dumps(wanted).encode(), reply=inbox)
            while len(found) < most:
                answer = await answers.next_msg(wait_seconds + ANSWER_SECONDS)
                if answer.reply:  # a message; the status that ends an answer has no reply subject
                    found.append(answer)
                elif (status := (answer.headers or {}).get("Status", "")) in _NOTHING_MORE:
                    break
                else:
                    await self._explain(client, status, (answer.headers or {}).get("Description", ""))
        except Error:
            if not found:  # else the next request meets it
                raise
        finally:
            with suppress(Error):
                await answers.unsubscribe()
        return found

    async def _explain(self, client: Client, status: str, description: str) -> None:
        """Raise why a pull request was refused."""
        if status == _NO_CONSUMER:
            await call_api(client, f"CONSUMER.INFO.{self._consumer}")  # it says what is missing
            raise NoRespondersError
        raise APIError(int(status) if status.isdecimal() else 0, description or f"status {status}")

    def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Delete messages from the queue. Raises StoreUnreachable if one remains and will be redelivered."""
        reasons = self._answer(messages, b"+ACK")
        if reasons:
            raise StoreUnreachable(f"{reasons[0]}: a message remains and will be redelivered", where=self.url)

    def extend(self, messages: Sequence[QueueMessage], seconds: int) -> list[str]:
        """Hide messages from other receivers for `seconds` from now; return why not, for each that was skipped.

        JetStream also accepts this, without a word, for a message that was redelivered or acknowledged meanwhile.
        """
        # Of JetStream's answers only -NAK has a time: +WPI hides a message for the consumer's own ack_wait. It counts
        # as delivered until then, so that it can still be acknowledged.
        delay = b" " + json.dumps({"delay": seconds * _SECOND}).encode() if seconds else b""
        return self._answer(messages, b"-NAK" + delay)

    def _answer(self, messages: Sequence[QueueMessage], answer: bytes) -> list[str]:
        """Answer messages and wait until the server knows; return why not, for each that has no consumer any more."""

        async def send(client: Client, receipt: str) -> str | None:
            try:
                await client.request(receipt, answer, timeout=ANSWER_SECONDS)
            except (NoRespondersError, BadSubjectError) as error:
                return str(error).removeprefix("nats: ")
            return None

        async def send_all(client: Client) -> Sequence[str | None]:
            return await asyncio.gather(*(send(client, message.receipt) for message in messages))

        return [reason for reason in self._connection.run(send_all, 2 * ANSWER_SECONDS) if reason]

    def depth(self) -> QueueDepth:
        """Return how many messages wait for their first delivery, and how many were delivered and not acknowledged."""
        work = partial(_info, self._consumer)
        found = self._connection.run(work, 2 * ANSWER_SECONDS)
        return QueueDepth(int(found.get("num_pending", 0)), int(found.get("num_ack_pending", 0)))

    def close(self) -> None:
        """End its connection and the thread of it."""
        self._connection.close()


async def _info(consumer: str, client: Client) -> dict[str, Any]:
    return await call_api(client, f"CONSUMER.INFO.{consumer}")


def _message(found: Msg) -> QueueMessage:
    metadata = found.metadata
    return QueueMessage(found.data, found.reply, metadata.timestamp, metadata.num_delivered)
