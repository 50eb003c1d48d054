"""The watch loop: takes notifications in, closes batches when their time comes, announces what is closed.

What is told is acknowledged after it is committed, never before; so whatever dies when, the queue tells it again, and
landing knows it then. What cannot be read goes to the dead letters, and is acknowledged too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from labelyard.errors import LabelyardError, MessageError, StoreError
from labelyard.failpoints import failpoint
from labelyard.sources import Deliveries, Delivery, QueueDepth
from labelyard.sources.parsers import EventObject, read_message

_log = logging.getLogger("labelyard.sources")

LOOK_SECONDS = 5.0
"""How often the clock is looked at, at least: what other processes land has to close too."""
ALIVE_SECONDS = 180.0
"""A loop that gave no sign for longer is taken for dead: three tries of a long poll take less."""
_QUEUE = "sqs"
_SHORTEST_LOOK = 0.1
_EXTEND_AFTER, _EXTEND_BY = 10.0, 60
_DEPTH_SECONDS = 10.0
_MOST_ATTEMPTS = 5
_BURST = 400
"""Messages that land together where many wait: in one transaction each costs a fraction of what it costs alone."""
_AHEAD = 2
"""Bursts in hand: one that lands, one that is received meanwhile."""
_LONGEST_PAUSE = 30.0


class Work(Protocol):
    """What the loop has done by others; each of them has committed when it returns."""

    def land(self, told: Sequence[EventObject], via: str) -> object:
        """Land what notifications tell of."""

    def gone(self, told: Sequence[EventObject], via: str) -> object:
        """Note what notifications say was deleted."""

    def dead_letter(self, body: bytes, source: str, reason: str) -> object:
        """Keep what could not be read."""

    def close_due(self) -> datetime | None:
        """Close the batches whose time has come; when to look again."""

    def publish_events(self) -> int:
        """Tell Prefect what has closed."""

    def unannounced(self) -> int:
        """How much waits to be announced."""


@dataclass
class Trouble:
    """Something that is away: told once, tried again after ever longer pauses, and told when it is back."""

    what: str
    problem: str | None = None
    _pause: float = 0.0
    _again: float = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Run the block; its failure is told, and not raised."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever its parts run into
            self.met(error)
        else:
            self.over()

    def met(self, error: Exception) -> None:
        """Remember a failure; tell it unless it is the one before."""
        problem = str(error) or type(error).__name__
        if problem != self.problem:
            _log.warning("%s: %s", self.what, problem, exc_info=None if isinstance(error, LabelyardError) else error)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or 0.5)
        self.problem, self._again = problem, time.monotonic() + self._pause

    def over(self) -> None:
        """Remember that it works."""
        if self.problem is not None:
            _log.info("%s: works again", self.what)
        self.problem, self._pause, self._again = None, 0.0, 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next try is due; 0 while all is well."""
        return max(0.0, self._again - time.monotonic())


class Watch:
    """The loop over one queue, or none where notifications come by the webhook alone."""

    def __init__(self, work: Work, queue: Deliveries | None = None, *, wait_seconds: int = 20) -> None:
        self._work, self._queue, self._wait_seconds = work, queue, wait_seconds
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._holding = threading.Lock()
        self._since = datetime.now(UTC)
        self._beats: dict[str, float] = {}
        self._last_receive: datetime | None = None
        self._last_commit: datetime | None = None
        self._oldest_seconds: float | None = None
        self._depth: QueueDepth | None = None
        self._depth_at = 0.0
        self._next_close: datetime | None = None
        self._unannounced: int | None = None
        self._receiving = Trouble("taking notifications in")
        self._closing = Trouble("closing batches")
        self._announcing = Trouble("announcing batches")

    def run(self) -> None:
        """Watch until `stop`; what was received is finished first."""
        # A daemon, because nothing ends a long poll early; what it may still receive comes again to the next watcher.
        receiver = threading.Thread(target=self._receive_until_stopped, name="receiver", daemon=True)
        if self._queue is not None:
            self._beat("receiver")
            receiver.start()
        while not self._stopping.is_set():
            self._nudged.wait(self._look())
            self._nudged.clear()
        with self._holding:
            _log.info("stopped watching")

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()
        self._nudged.set()

    def take(self, bodies: Sequence[bytes], via: str) -> None:
        """Land what messages tell of, note deletions, keep what cannot be read; committed when this returns."""
        told: list[EventObject] = []
        removed: list[EventObject] = []
        letters: list[tuple[bytes, str]] = []
        for body in bodies:
            try:
                reading = read_message(body)
            except MessageError as error:
                letters.append((body, error.what))
                continue
            told += reading.objects
            removed += reading.removed
            letters += [(refused.text.encode(), refused.reason) for refused in reading.refused]
            if reading.ignored:
                _log.debug("ignored: %s", reading.ignored)
        if told:
            self._work.land(told, via)
        if removed:
            self._work.gone(removed, via)
        for body, reason in letters:
            self._work.dead_letter(body, via, reason)
            failpoint("watcher.dead_lettered")
        self._last_commit = datetime.now(UTC)
        self._nudged.set()

    def health(self) -> dict[str, Any]:
        """Whether the loop lives, how far it lags, and what troubles it; for people and probes."""
        now = time.monotonic()
        queue = {
            "waiting": self._depth.waiting if self._depth else None,
            "in_flight": self._depth.in_flight if self._depth else None,
            "oldest_seconds": self._oldest_seconds,
        }
        return {
            "alive": bool(self._beats) and all(now - beat < ALIVE_SECONDS for beat in self._beats.values()),
            "since": _written(self._since),
            "last_receive": _written(self._last_receive),
            "last_commit": _written(self._last_commit),
            "queue": queue if self._queue is not None else None,
            "next_close": _written(self._next_close),
            "unannounced": self._unannounced,
            "problems": {t.what: t.problem for t in (self._receiving, self._closing, self._announcing) if t.problem},
        }

    def _beat(self, who: str) -> None:
        self._beats[who] = time.monotonic()

    def _look(self) -> float:
        """Close and announce what is due; seconds until the next look."""
        self._beat("clock")
        if not self._closing.pause:
            with self._closing.watched():
                self._next_close = self._work.close_due()
                self._unannounced = self._work.unannounced()
        if not self._announcing.pause:
            with self._announcing.watched():
                self._work.publish_events()
                self._unannounced = 0
        due = (self._next_close - datetime.now(UTC)).total_seconds() if self._next_close else LOOK_SECONDS
        # Not sooner than this, because the ledger's clock says what is due, and it may be behind this machine's.
        return max(
            _SHORTEST_LOOK, min(self._closing.pause or due, self._announcing.pause or LOOK_SECONDS, LOOK_SECONDS)
        )

    def _receive_until_stopped(self) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="landing") as pool:
            while not self._stopping.is_set():
                self._beat("receiver")
                with self._receiving.watched():
                    self._receive(pool)
                self._stopping.wait(self._receiving.pause)

    def _receive(self, pool: ThreadPoolExecutor) -> None:
        queue = self._queue
        assert queue is not None, "only a watch with a queue receives"
        deliveries = queue.receive(self._wait_seconds, _BURST)
        self._last_receive = datetime.now(UTC)
        self._oldest_seconds = max((_age(one, self._last_receive) for one in deliveries), default=None)
        with self._holding:
            if self._stopping.is_set():
                queue.extend(deliveries, 0)
            elif deliveries:
                self._drain(pool, queue, deliveries)
        if time.monotonic() - self._depth_at > _DEPTH_SECONDS:
            self._depth, self._depth_at = queue.depth(), time.monotonic()

    def _drain(self, pool: ThreadPoolExecutor, queue: Deliveries, deliveries: Sequence[Delivery]) -> None:
        """Land a burst while the next is received, as long as many wait."""
        in_hand: deque[tuple[Future[None], Sequence[Delivery]]] = deque()
        try:
            while deliveries:
                in_hand.append((pool.submit(self._handle, queue, deliveries), deliveries))
                if len(in_hand) == _AHEAD:
                    self._finish(queue, *in_hand.popleft())
                more = len(deliveries) > _BURST // 2 and not self._stopping.is_set()
                deliveries = queue.receive(0, _BURST) if more else ()
        finally:
            while in_hand:
                self._finish(queue, *in_hand.popleft())

    def _finish(self, queue: Deliveries, handling: Future[None], deliveries: Sequence[Delivery]) -> None:
        while not wait([handling], _EXTEND_AFTER).done:
            self._beat("receiver")
            with suppress(StoreError):  # then another receiver may land the same, which changes nothing
                queue.extend(deliveries, _EXTEND_BY)
        self._beat("receiver")
        handling.result()

    def _handle(self, queue: Deliveries, deliveries: Sequence[Delivery]) -> None:
        """Land them together; where that fails by halves: what spoils one message shall not hold up the others."""
        try:
            self._land(queue, deliveries)
        except Exception as error:
            if _passes(error):
                raise
            if len(deliveries) == 1:
                self._give_up(queue, deliveries[0], error)
                return
            middle = len(deliveries) // 2
            self._handle(queue, deliveries[:middle])
            self._handle(queue, deliveries[middle:])

    def _give_up(self, queue: Deliveries, one: Delivery, error: Exception) -> None:
        _log.warning("attempt %d of %d to land a message failed: %s", one.attempts, _MOST_ATTEMPTS, error)
        if one.attempts >= _MOST_ATTEMPTS:
            self._work.dead_letter(one.body, _QUEUE, f"not landed in {one.attempts} attempts: {error}")
            queue.acknowledge([one])

    def _land(self, queue: Deliveries, deliveries: Sequence[Delivery]) -> None:
        failpoint("watcher.received")
        self.take([one.body for one in deliveries], _QUEUE)
        queue.acknowledge(deliveries)
        failpoint("watcher.acknowledged")


def _passes(error: Exception) -> bool:
    """Whether the ledger or the store is away, which says nothing about the message."""
    return isinstance(error, LabelyardError) and error.retry


def _age(one: Delivery, now: datetime) -> float:
    return (now - one.sent).total_seconds() if one.sent else 0.0


def _written(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
