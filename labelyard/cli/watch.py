"""watch: notifications in, batches closed, Prefect told."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from datetime import datetime
from types import FrameType

import click
from pydantic import SecretStr

from labelyard.context import Context, open_context
from labelyard.ledger import dead_letters, outbox
from labelyard.orchestration.events_api import PrefectEvents
from labelyard.pipeline import close_batches, publish_events, register_objects
from labelyard.pipeline.publish_events import EventsApi
from labelyard.settings import load_settings
from labelyard.sources.parsers import MAX_BODY_BYTES, EventObject
from labelyard.sources.sqs import Queue
from labelyard.sources.watcher import Watch
from labelyard.sources.webhook import application, listening


class Steps:
    """The watch loop's work, as the steps do it."""

    def __init__(self, context: Context, events: EventsApi) -> None:
        self._place, self._events = context, events

    def land(self, told: Sequence[EventObject], via: str) -> None:
        """Land what notifications tell of."""
        register_objects.register_objects(self._place, told, via)

    def gone(self, told: Sequence[EventObject], via: str) -> None:
        """Note what notifications say was deleted."""
        register_objects.register_deletions(self._place, told, via)

    def dead_letter(self, body: bytes, source: str, reason: str) -> None:
        """Keep what could not be read."""
        with self._place.ledger.transaction() as tx:
            dead_letters.put(tx, body[:MAX_BODY_BYTES], source, reason)

    def close_due(self) -> datetime | None:
        """Close the batches whose time has come."""
        return close_batches.close_due(self._place)

    def publish_events(self) -> int:
        """Tell Prefect what has closed, and again what has closed a while ago and nobody has taken."""
        sent = publish_events.publish_events(self._place, self._events)
        if publish_events.publish_again(self._place, self._events):
            sent += publish_events.publish_events(self._place, self._events)
        return sent

    def unannounced(self) -> int:
        """How much waits to be announced."""
        with self._place.ledger.read_only() as tx:
            return outbox.waiting(tx)[0]


@click.command()
@click.option("--queue-url", help="The SQS queue, instead of LABELYARD_WATCH__QUEUE_URL.")
@click.option("--webhook/--no-webhook", default=None, help="Take notifications by HTTP too: POST /notify.")
@click.option("--host", help="Where /healthz and /notify listen, instead of LABELYARD_WATCH__HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Their port; 0 takes a free one.")
def watch(queue_url: str | None, webhook: bool | None, host: str | None, port: int | None) -> None:  # noqa: FBT001
    """Watch for new files: land what the bucket tells of, close batches in time, announce them to Prefect."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("labelyard").setLevel(logging.INFO)
    settings = load_settings()
    given = {"queue_url": queue_url, "webhook": webhook, "host": host, "port": port}
    at = settings.watch.model_copy(update={name: value for name, value in given.items() if value is not None})
    queue = Queue(at.queue_url, settings.store, at.sqs_endpoint_url) if at.queue_url else None
    with open_context(settings) as context:
        loop = Watch(Steps(context, PrefectEvents(settings)), queue)
        app = application(loop.take if at.webhook else None, loop.health, at.webhook_token)
        with listening(app, at.host, at.port, at.webhook_token) as address:
            _end_on_signals(loop)
            click.echo(_listens(address, at.queue_url, webhook=at.webhook, token=at.webhook_token))
            loop.run()


def _listens(address: str, queue_url: str | None, *, webhook: bool, token: SecretStr | None) -> str:
    sources = [f"queue {queue_url}"] if queue_url else []
    if webhook:
        sources.append(f"{address}/notify" + (" (with the token)" if token and token.get_secret_value() else ""))
    return f"watching {' and '.join(sources) or 'the clock alone: the sweep finds new files'}; {address}/healthz"


def _end_on_signals(loop: Watch) -> None:
    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        # By another thread: this one may hold the very lock that it waits with.
        threading.Thread(target=loop.stop).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
