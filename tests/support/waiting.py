"""Waiting for the effects of other threads and processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")


def eventually(read: Callable[[], _T | None], what: str = "the condition", seconds: float = 20) -> _T:
    """Call `read` until its result is true, and return that. Raises AssertionError that names `what` was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        found = read()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(seconds / 2000)  # rarely, where it may take long: each call is load for the servers


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[Any], log: Path, seconds: float) -> None:
    """Wait for a condition while a process runs. Raises AssertionError with the process's log."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
