"""The watcher: registers what notifications report, closes batches when they are due, publishes their events.

A message is acknowledged only after its content is committed. If the process dies in between, the queue delivers the
message again, and registering it again changes nothing. A message that cannot be parsed becomes a dead letter and is
acknowledged too. A watcher that is stopped returns to the queue what it has not acknowledged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from labelyard.errors import LabelyardError, LedgerAhead, MessageError, StoreError
from labelyard.failpoints import failpoint
from labelyard.sources.backoff import Backoff
from labelyard.sources.notifications import NotifiedObject, ParsedMessage, RejectedRecord
from labelyard.sources.parsers import parse_message
from labelyard.sources.queues import Queue, QueueDepth, QueueMessage

_log = logging.getLogger("labelyard.sources")

TICK_SECONDS = 5.0
"""The longest time between two ticks: other processes register objects too, and their batches must close."""
ALIVE_SECONDS = 180.0
"""A thread without a heartbeat for this long counts as dead; three attempts of a long poll take less."""
POLL_SECONDS = 5
"""The length of a long poll. A stopped watcher waits for its end: what it still receives has to be returned."""
STOP_SECONDS = 6.0
"""How long a stopped watcher finishes what it does. Docker kills a process ten seconds after SIGTERM."""
_SHORTEST_TICK = 0.1
_EXTEND_AFTER, _EXTEND_BY = 10.0, 60
"""Well before a queue shows the messages again: after 30 s by default, 60 s by `labelyard notifications`."""
_DEPTH_SECONDS = 10.0
_MAX_ATTEMPTS = 5
"""Deliveries of a message that cannot be registered before it becomes a dead letter."""
_BURST = 400
"""Messages registered together when many wait: in one transaction each costs a fraction of what it costs alone."""
_BURSTS_IN_FLIGHT = 2
"""One burst that is registered, one that is received meanwhile."""


class NotificationHandler(Protocol):
    """What the watcher does with notifications and by the clock. Each method has committed when it returns."""

    def register(self, notified: Sequence[NotifiedObject], via: str) -> object:
        """Register created objects."""

    def mark_deleted(self, notified: Sequence[NotifiedObject], via: str) -> object:
        """Mark objects as deleted."""

    def dead_letter(self, body: bytes, source: str, reason: str) -> object:
        """Store a message that cannot be parsed or registered."""

    def close_due_batches(self) -> datetime | None:
        """Close the batches that are due; return when the next one is due."""

    def publish_events(self) -> int:
        """Publish the outbox's events; return how many."""

    def count_unpublished(self) -> int:
        """Return how many events wait in the outbox."""

    def record_queue(self, problem: str | None) -> None:
        """Record why the queue cannot be received from, or that it can."""


class Watcher:
    """A watcher of one queue, or of none if notifications come by the webhook alone."""

    def __init__(
        self, handler: NotificationHandler, queue: Queue | None = None, *, wait_seconds: int = POLL_SECONDS
    ) -> None:
        self._handler, self._queue, self._wait_seconds = handler, queue, wait_seconds
        self._stopping = threading.Event()
        self._tick_now = threading.Event()
        self._unacknowledged: dict[str, QueueMessage] = {}
        self._since = datetime.now(UTC)
        self._heartbeats: dict[str, float] = {}
        self._last_receive: datetime | None = None
        self._last_commit: datetime | None = None
        self._oldest_seconds: float | None = None
        self._depth: QueueDepth | None = None
        self._depth_at = 0.0
        self._has_ticked = False
        self._next_close: datetime | None = None
        self._unpublished: int | None = None
        self._outdated: LedgerAhead | None = None
        self._recorded: str | None = ""  # neither a problem nor None: the first answer is recorded in any case
        self._receiving = Backoff("receiving notifications")
        self._closing = Backoff("closing batches")
        self._publishing = Backoff("publishing events")
        self._activities = (self._receiving, self._closing, self._publishing)

    def run(self) -> None:
        """Watch until `stop` is called.

        Messages already received are handled first, for STOP_SECONDS at most. What is not acknowledged then is returned
        to the queue.

        Raises LedgerAhead when a newer labelyard has upgraded the ledger; its watcher receives what this one leaves.
        """
        # Daemons, because neither a long poll nor the wait for a lock of the ledger can be interrupted.
        threads = [threading.Thread(target=self._tick_until_stopped, name="clock", daemon=True)]
        if self._queue is not None:
            self._heartbeat("receiver")
            threads.append(threading.Thread(target=self._receive_until_stopped, name="receiver", daemon=True))
        for thread in threads:
            thread.start()
        self._stopping.wait()
        until = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._return_messages()
        _log.info("stopped watching")
        if self._outdated is not None:
            raise self._outdated

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping.set()
        self._tick_now.set()

    def handle(self, bodies: Sequence[bytes], via: str) -> None:
        """Register, mark deleted or dead-letter the contents of messages; they are committed when this returns."""
        parsed = ParsedMessage.joined(_parsed_or_rejected(body) for body in bodies)
        if parsed.ignored:
            _log.debug("ignored: %s", "; ".join(parsed.ignored))
        if parsed.created:
            self._handler.register(parsed.created, via)
        if parsed.deleted:
            self._handler.mark_deleted(parsed.deleted, via)
        for record in parsed.rejected:
            self._handler.dead_letter(record.body, via, record.reason)
            failpoint("watcher.dead_lettered")
        self._last_commit = datetime.now(UTC)
        self.tick_soon()

    def tick_soon(self) -> None:
        """Close and publish at once: something has put an event into the outbox."""
        self._tick_now.set()

    def health(self) -> dict[str, Any]:
        """Return whether the threads live, how far they lag and which problems they have, as JSON values."""
        now = time.monotonic()
        queue = {
            "waiting": self._depth.waiting if self._depth else None,
            "in_flight": self._depth.in_flight if self._depth else None,
            "oldest_seconds": self._oldest_seconds,
        }
        return {
            "alive": bool(self._heartbeats) and all(now - at < ALIVE_SECONDS for at in self._heartbeats.values()),
            "ready": self._is_ready,
            "since": _iso(self._since),
            "last_receive": _iso(self._last_receive),
            "last_commit": _iso(self._last_commit),
            "queue": queue if self._queue is not None else None,
            "next_close": _iso(self._next_close),
            "unpublished": self._unpublished,
            "problems": {backoff.activity: backoff.problem for backoff in self._activities if backoff.problem},
        }

    @property
    def _is_ready(self) -> bool:
        """Whether the ledger answers, and the queue has answered once. When it is away later, webhooks still work."""
        received = self._queue is None or self._last_receive is not None
        return self._has_ticked and received and self._closing.problem is None and not self._stopping.is_set()

    def activities(self) -> dict[str, bool]:
        """Return whether each activity fails now, by its name."""
        return {one.activity: one.problem is not None for one in self._activities}

    def _heartbeat(self, thread: str) -> None:
        self._heartbeats[thread] = time.monotonic()

    def _tick_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._tick_now.wait(self._tick())
            self._tick_now.clear()

    def _return_messages(self) -> None:
        """Make the messages that are not acknowledged visible to other receivers at once."""
        messages: list[QueueMessage] = []
        with suppress(KeyError):  # one by one, because the receiver may add some meanwhile
            while True:
                messages.append(self._unacknowledged.popitem()[1])
        if self._queue is None or not messages:
            return
        try:
            skipped = self._queue.extend(messages, 0)
        except StoreError as error:  # the queue delivers them again when their time is over
            _log.warning("messages not returned to the queue (%d), it delivers them later: %s", len(messages), error)
            return
        _log.info("messages returned to the queue: %d", len(messages) - len(skipped))
        if skipped:
            reasons = ", ".join(sorted(set(skipped)))
            _log.warning("messages not returned to the queue (%d): %s", len(skipped), reasons)

    def _tick(self) -> float:
        """Close and publish what is due; return the seconds until the next tick."""
        self._heartbeat("clock")
        if not self._closing.pause:
            with self._closing.guard():
                try:
                    self._next_close = self._handler.close_due_batches()
                    self._unpublished = self._handler.count_unpublished()
                    self._has_ticked = True
                except LedgerAhead as error:
                    self._outdated = error
                    self.stop()
                    raise
        if not self._publishing.pause:
            with self._publishing.guard():
                self._handler.publish_events()
                self._unpublished = 0
        due = (self._next_close - datetime.now(UTC)).total_seconds() if self._next_close else TICK_SECONDS
        wait_for = min(self._closing.pause or due, self._publishing.pause or TICK_SECONDS, TICK_SECONDS)
        # The ledger's clock decides what is due, and it may be behind this machine's.
        return max(_SHORTEST_TICK, wait_for)

    def _receive_until_stopped(self) -> None:
        assert self._queue is not None, "only a watcher with a queue receives"
        with ThreadPoolExecutor(1, thread_name_prefix="registering") as pool:
            while not self._stopping.is_set():
                self._heartbeat("receiver")
                with self._receiving.guard():
                    self._receive(pool, self._queue)
                self._stopping.wait(self._receiving.pause)

    def _record_queue(self, problem: str | None) -> None:
        # A problem each time it is met: the outage of one that nobody meets any more ends (`outages.end_old`).
        if problem is not None or self._recorded is not None:
            with suppress(LabelyardError):  # the ledger does not answer: recorded after the next attempt
                self._handler.record_queue(problem)
                self._recorded = problem

    def _receive(self, pool: ThreadPoolExecutor, queue: Queue) -> None:
        self._unacknowledged.clear()  # what could not be handled is delivered again, under another receipt
        try:
            messages = self._received(queue.receive(self._wait_seconds, _BURST))
        except LabelyardError as error:
            self._record_queue(error.happened)
            raise
        self._record_queue(None)
        self._last_receive = datetime.now(UTC)
        self._oldest_seconds = max((_age(message, self._last_receive) for message in messages), default=None)
        if self._stopping.is_set():
            self._return_messages()
        elif messages:
            self._handle_bursts(pool, queue, messages)
        if time.monotonic() - self._depth_at > _DEPTH_SECONDS:
            self._depth, self._depth_at = queue.depth(), time.monotonic()

    def _handle_bursts(self, pool: ThreadPoolExecutor, queue: Queue, messages: Sequence[QueueMessage]) -> None:
        """Handle a burst of messages while the next one is received, as long as many wait."""
        in_flight: deque[tuple[Future[None], Sequence[QueueMessage]]] = deque()
        try:
            while messages:
                in_flight.append((pool.submit(self._handle_burst, queue, messages), messages))
                if len(in_flight) == _BURSTS_IN_FLIGHT:
                    self._wait_for(queue, *in_flight.popleft())
                # A burst that is less than half full means an empty queue: return to the long poll.
                more = len(messages) > _BURST // 2 and not self._stopping.is_set()
                messages = self._received(queue.receive(0, _BURST)) if more else ()
        finally:
            while in_flight:
                self._wait_for(queue, *in_flight.popleft())

    def _received(self, messages: Sequence[QueueMessage]) -> Sequence[QueueMessage]:
        self._unacknowledged.update((message.receipt, message) for message in messages)
        return messages

    def _acknowledge(self, queue: Queue, messages: Sequence[QueueMessage]) -> None:
        queue.acknowledge(messages)
        for message in messages:
            self._unacknowledged.pop(message.receipt, None)

    def _wait_for(self, queue: Queue, burst: Future[None], messages: Sequence[QueueMessage]) -> None:
        """Wait until a burst is handled; hide its messages from other receivers meanwhile."""
        while not wait([burst], _EXTEND_AFTER).done:
            self._heartbeat("receiver")
            if self._stopping.is_set():
                continue  # `run` returns the messages
            try:
                queue.extend(messages, _EXTEND_BY)
            except StoreError as error:  # another receiver may then register the same, which changes nothing
                _log.warning("messages not hidden from other receivers (%d): %s", len(messages), error)
        self._heartbeat("receiver")
        burst.result()

    def _handle_burst(self, queue: Queue, messages: Sequence[QueueMessage]) -> None:
        """Handle messages together; if that fails, in halves, so that one bad message does not block the others."""
        try:
            self._handle_and_acknowledge(queue, messages)
        except Exception as error:
            if _is_temporary(error):
                raise
            if len(messages) == 1:
                self._dead_letter_after_attempts(queue, messages[0], error)
                return
            middle = len(messages) // 2
            self._handle_burst(queue, messages[:middle])
            self._handle_burst(queue, messages[middle:])

    def _handle_and_acknowledge(self, queue: Queue, messages: Sequence[QueueMessage]) -> None:
        failpoint("watcher.received")
        self.handle([message.body for message in messages], queue.kind)
        self._acknowledge(queue, messages)
        failpoint("watcher.acknowledged")

    def _dead_letter_after_attempts(self, queue: Queue, message: QueueMessage, error: Exception) -> None:
        _log.warning("attempt %d of %d to register a message failed: %s", message.attempts, _MAX_ATTEMPTS, error)
        if message.attempts >= _MAX_ATTEMPTS:
            reason = f"not registered in {message.attempts} attempts: {error}"
            self._handler.dead_letter(message.body, queue.kind, reason)
            self._acknowledge(queue, [message])


def _parsed_or_rejected(body: bytes) -> ParsedMessage:
    try:
        return parse_message(body)
    except MessageError as error:
        return ParsedMessage(rejected=(RejectedRecord(error.what, body),))


def _is_temporary(error: Exception) -> bool:
    """Return whether the ledger or the store is unreachable, which does not depend on the message."""
    return isinstance(error, LabelyardError) and error.retry


def _age(message: QueueMessage, now: datetime) -> float:
    return (now - message.sent).total_seconds() if message.sent else 0.0


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
