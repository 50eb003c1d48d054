"""A process that ends what a killed supervisor leaves behind; a script of its own, so that it starts at once.

Its standard input is a pipe that only the supervisor holds: `+GROUP` and `-GROUP` lines say which process groups run.
When the pipe ends, so has the supervisor, whatever ended it; the groups named by then are ended: SIGTERM, ten seconds,
SIGKILL. What was started in the few microseconds before a SIGKILL of the supervisor and is not yet named goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

_GRACE = 10.0


def tell_group(group: int, signal_number: int) -> bool:
    """Send a signal to a process group (0 only looks); False if there is nobody any more."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):  # macOS denies it where only zombies are left
        return False
    return True


def named(lines: Iterable[str]) -> list[int]:
    """The groups that run when the pipe ends, in the order they were started."""
    groups: dict[int, None] = {}
    for line in lines:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups[group] = None
        else:
            groups.pop(group, None)
    return list(groups)


def end(groups: list[int]) -> None:
    """End all groups, those started last first."""
    alive = [group for group in reversed(groups) if tell_group(group, signal.SIGTERM)]
    deadline = time.monotonic() + _GRACE
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [group for group in alive if tell_group(group, 0)]
    for group in alive:
        tell_group(group, signal.SIGKILL)


if __name__ == "__main__":
    end(named(sys.stdin))
