"""Waiting for what other threads and processes bring about."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")


def eventually(look: Callable[[], _T | None], what: str = "it to hold", seconds: float = 20) -> _T:
    """What `look` gives, once it gives something true. Raises AssertionError naming `what` was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(seconds / 2000)  # what may take long is looked at more rarely: a look costs the servers something


def wait_until(true: Callable[[], bool], process: subprocess.Popen[Any], said: Path, seconds: float) -> None:
    """Wait until something holds, as long as a process runs; where it does not, the failure shows what it `said`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.1)
