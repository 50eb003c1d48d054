"""A NotificationHandler that records its calls; each of its methods can be made to fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from labelyard.sources.notifications import NotifiedObject


class NotificationRecorder:
    """What the watcher asked for: keys registered and deleted, dead letters, and counts of the other calls."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.registered: list[str] = []
        self.call_sizes: list[int] = []
        self.deleted: list[str] = []
        self.dead_letters: list[tuple[bytes, str, str]] = []
        self.via: set[str] = set()
        self.closings = 0
        self.queue_problems: list[str | None] = []
        self.publications = 0
        self.failures: dict[str, list[Exception]] = {}
        self.failing_keys: dict[str, Exception] = {}
        self.next_close: timedelta | None = None
        self.may_register = threading.Event()
        self.may_register.set()

    def fail(self, method: str, error: Exception, times: int = 1) -> None:
        """Let a method raise `error` the next few times."""
        self.failures[method] = [error] * times

    def _fail_if_asked(self, method: str) -> None:
        if self.failures.get(method):
            raise self.failures[method].pop()

    def register(self, notified: Sequence[NotifiedObject], via: str) -> None:
        self.may_register.wait(30)
        self._fail_if_asked("register")
        keys = [one.object.key for one in notified]
        for key in keys:
            if key in self.failing_keys:
                raise self.failing_keys[key]
        with self.lock:
            self.registered += keys
            self.call_sizes.append(len(keys))
            self.via.add(via)

    def mark_deleted(self, notified: Sequence[NotifiedObject], via: str) -> None:
        self._fail_if_asked("mark_deleted")
        self.deleted += [one.object.key for one in notified]
        self.via.add(via)

    def dead_letter(self, body: bytes, source: str, reason: str) -> None:
        self._fail_if_asked("dead_letter")
        self.dead_letters.append((body, source, reason))

    def close_due_batches(self) -> datetime | None:
        self._fail_if_asked("close_due_batches")
        self.closings += 1
        return datetime.now(UTC) + self.next_close if self.next_close else None

    def publish_events(self) -> int:
        self._fail_if_asked("publish_events")
        self.publications += 1
        return 0

    def count_unpublished(self) -> int:
        return 3

    def record_queue(self, problem: str | None) -> None:
        self._fail_if_asked("record_queue")
        self.queue_problems.append(problem)
