"""The memory of this process, and of another one with its children."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PAUSE = 0.05


def current_and_reset_peak() -> int:
    """Return the bytes in memory now, and reset the peak to them where the system can do that."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return peak()


def peak() -> int:
    """Return the most bytes that were in memory."""
    if sys.platform == "linux":
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_with_children(process: subprocess.Popen[str]) -> int:
    """Wait for a process, on Linux; return the most bytes that it and its children had in memory at one time.

    Pages that several of them share count once.
    """
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(_proportional, _with_children(process.pid))))
        time.sleep(_PAUSE)
    return most


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _with_children(int(child))


def _proportional(pid: int) -> int:
    with suppress(OSError):
        return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    return 0  # it has ended


def _status(name: str) -> int:
    return _kilobytes(Path("/proc/self/status"), name)


def _kilobytes(path: Path, name: str) -> int:
    return next(
        (int(line.split()[1]) * 1024 for line in path.read_text().splitlines() if line.startswith(f"{name}:")), 0
    )
