"""The limit of requests without credentials, which 2.x counts by client."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

PERIOD_SECONDS = 60


class Throttle:
    """At most `limit` requests of a client within a minute; 0 means any number."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def admit(self, client: str) -> int:
        """Count a request and return 0, or return the seconds after which the client may send the next one."""
        if not self._limit:
            return 0
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(client, deque())
            while times and times[0] <= now - PERIOD_SECONDS:
                times.popleft()
            if len(times) >= self._limit:
                return max(1, math.ceil(times[0] + PERIOD_SECONDS - now))
            times.append(now)
            return 0
