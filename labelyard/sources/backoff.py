"""An activity that is retried until it succeeds, with growing pauses."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from labelyard.errors import LabelyardError

_log = logging.getLogger("labelyard.sources")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


@dataclass
class Backoff:
    """The failures in a row of one activity, such as "closing batches".

    A failure is logged unless it repeats the one before; the next success is logged too.
    """

    activity: str
    problem: str | None = None
    _pause: float = 0.0
    _retry_at: float = 0.0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run the block; record how it ended and raise nothing."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the watcher must survive every failure of its parts
            self.failed(error)
        else:
            self.succeeded()

    def failed(self, error: Exception) -> None:
        """Record a failure: the next attempt is due after a pause twice as long as the last."""
        problem = str(error) or type(error).__name__
        if problem != self.problem:
            traceback = None if isinstance(error, LabelyardError) else error
            _log.warning("%s: %s", self.activity, problem, exc_info=traceback)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        self.problem, self._retry_at = problem, time.monotonic() + self._pause

    def succeeded(self) -> None:
        """Record a success."""
        if self.problem is not None:
            _log.info("%s: works again", self.activity)
        self.problem, self._pause, self._retry_at = None, 0.0, 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next attempt is due; 0 if it is due or the last one succeeded."""
        return max(0.0, self._retry_at - time.monotonic())
