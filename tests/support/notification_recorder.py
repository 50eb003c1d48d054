"""The watch loop's work, written down instead of done; every part of it can be made to fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from labelyard.sources.parsers import EventObject


class Recorder:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.landed: list[str] = []
        self.together: list[int] = []
        self.removed: list[str] = []
        self.letters: list[tuple[bytes, str, str]] = []
        self.via: set[str] = set()
        self.closed = 0
        self.announced = 0
        self.failures: dict[str, list[Exception]] = {}
        self.spoilt: dict[str, Exception] = {}
        self.next_close: timedelta | None = None
        self.slow = threading.Event()
        self.slow.set()

    def fail(self, what: str, error: Exception, times: int = 1) -> None:
        self.failures[what] = [error] * times

    def _perhaps_fail(self, what: str) -> None:
        if self.failures.get(what):
            raise self.failures[what].pop()

    def land(self, told: Sequence[EventObject], via: str) -> None:
        self.slow.wait(30)
        self._perhaps_fail("land")
        keys = [one.object.key for one in told]
        for key in keys:
            if key in self.spoilt:
                raise self.spoilt[key]
        with self.lock:
            self.landed += keys
            self.together.append(len(keys))
            self.via.add(via)

    def gone(self, told: Sequence[EventObject], via: str) -> None:
        self._perhaps_fail("gone")
        self.removed += [one.object.key for one in told]
        self.via.add(via)

    def dead_letter(self, body: bytes, source: str, reason: str) -> None:
        self._perhaps_fail("dead_letter")
        self.letters.append((body, source, reason))

    def close_due(self) -> datetime | None:
        self._perhaps_fail("close_due")
        self.closed += 1
        return datetime.now(UTC) + self.next_close if self.next_close else None

    def publish_events(self) -> int:
        self._perhaps_fail("announce")
        self.announced += 1
        return 0

    def unannounced(self) -> int:
        return 3
