"""What the watcher does with notifications, and what it does regularly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from labelyard.context import Context
from labelyard.ledger import dead_letters, outbox
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.publish_events import EventsApi, publish_waiting
from labelyard.pipeline.register_objects import register_deletions, register_objects
from labelyard.sources.notifications import NotifiedObject


class PipelineHandler:
    """A `NotificationHandler` that runs the pipeline's steps."""

    def __init__(self, context: Context, events: EventsApi) -> None:
        self._context, self._events = context, events

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
        return publish_waiting(self._context, self._events)

    def count_unpublished(self) -> int:
        """Return how many events wait in the outbox."""
        with self._context.ledger.read_only() as tx:
            return outbox.waiting(tx)[0]
