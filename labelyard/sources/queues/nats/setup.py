"""Set up notifications over NATS: create the stream and its consumer; the store itself is set up by a person."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from nats.aio.client import Client
from nats.js.errors import APIError

from labelyard.config import DatasetSpec
from labelyard.errors import StoreError
from labelyard.sources.queues.nats.connection import ANSWER_SECONDS, NatsConnection, call_api
from labelyard.sources.queues.nats.plan import NatsPlan, plan_stream
from labelyard.watch_settings import NatsSettings


class NatsSetup:
    """The watcher's stream and consumer; see `NotificationSetup`."""

    def __init__(self, url: str, options: NatsSettings) -> None:
        self._url, self._options = url, options

    @property
    def queue_url(self) -> str | None:
        """The address, which is always set."""
        return self._url

    def plan(self, spec: DatasetSpec) -> NatsPlan:
        """Return what must change so that the consumer receives what the store publishes."""

        async def plan(client: Client) -> NatsPlan:
            return await self._plan(client, spec)

        return self._run(plan)

    def apply(self, spec: DatasetSpec) -> NatsPlan:
        """Carry out the plan and return it. Raises StoreError if a person must first solve a problem."""

        async def apply(client: Client) -> NatsPlan:
            plan = await self._plan(client, spec)
            if plan.problems:
                next_step = f"labelyard notifications {spec.name}"
                raise StoreError("; ".join(plan.problems), where=self._url, next_step=next_step)
            if plan.stream:
                await call_api(client, f"STREAM.CREATE.{self._options.stream}", dict(plan.stream))
            if plan.consumer:
                request = {"stream_name": self._options.stream, "config": dict(plan.consumer)}
                await call_api(client, f"CONSUMER.DURABLE.CREATE.{self._consumer}", request)
            return plan

        return self._run(apply)

    def _run(self, work: Any) -> NatsPlan:
        with closing(NatsConnection(self._url, self._options)) as connection:
            found: NatsPlan = connection.run(work, 4 * ANSWER_SECONDS)
            return found

    @property
    def _consumer(self) -> str:
        return f"{self._options.stream}.{self._options.consumer}"

    async def _plan(self, client: Client, spec: DatasetSpec) -> NatsPlan:
        stream = await _config(client, f"STREAM.INFO.{self._options.stream}")
        consumer = await _config(client, f"CONSUMER.INFO.{self._consumer}") if stream is not None else None
        return plan_stream(spec, self._url, self._options, stream, consumer)


async def _config(client: Client, subject: str) -> dict[str, Any] | None:
    """Return a configuration; None if its stream or consumer does not exist."""
    try:
        config: dict[str, Any] = (await call_api(client, subject))["config"]
    except APIError as error:
        if error.code == 404:
            return None
        raise
    return config
