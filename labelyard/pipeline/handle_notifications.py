"""What the watcher does with notifications, and what it does regularly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from labelyard.context import Context
from labelyard.errors import PrefectUnreachable
from labelyard.ledger import dead_letters, outages, outbox
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.publish_events import EventsApi, publish_waiting
from labelyard.pipeline.register_objects import register_deletions, register_objects
from labelyard.sources.notifications import NotifiedObject


class PipelineHandler:
    """A `NotificationHandler` that runs the pipeline's steps."""

    def __init__(self, context: Context, events: EventsApi) -> None:
        self._context, self._events = context, events
        self._prefect_answers: bool | None = None

    def register(self, notified: Sequence[NotifiedObject], via: str) -> None:
        """Register created objects."""
        register_objects(self._context, notified, via)

    def mark_deleted(self, notified: Sequence[NotifiedObject], via: str) -> None:
        """Mark objects as deleted."""
        register_deletions(self._context, notified, via)

    def dead_letter(self, body: bytes, source: str, reason: str) -> None:
        """Store a message that cannot be parsed or registered."""
        with self._context.ledger.transaction() as tx:
            dead_letters.put(tx, body, source, reason)

    def close_due_batches(self) -> datetime | None:
        """Close the batches that are due; return when the next one is due."""
        return close_due(self._context)

    def publish_events(self) -> int:
        """Publish the outbox's events, and again those that no run acted on; return how many."""
        try:
            published = publish_waiting(self._context, self._events)
        except PrefectUnreachable as error:
            self._record_prefect(error.happened)
            raise
        if self._prefect_answers is not True:
            self._record_prefect(None)
        return published

    def count_unpublished(self) -> int:
        """Return how many events wait in the outbox."""
        with self._context.ledger.read_only() as tx:
            return outbox.waiting(tx)[0]

    def record_queue(self, problem: str | None) -> None:
        """Record why the queue cannot be received from, or that it can."""
        self._record(outages.QUEUE, problem)

    def _record_prefect(self, problem: str | None) -> None:
        self._record(outages.PREFECT, problem)
        self._prefect_answers = problem is None

    def _record(self, server: str, problem: str | None) -> None:
        with self._context.ledger.transaction() as tx:
            if problem is None:
                outages.end(tx, server)
            else:
                outages.begin(tx, server, problem)
