"""Stops the process groups of a supervisor that was killed. Run as a script, so that it starts at once.

Standard input is a pipe whose other end only the supervisor holds. A line `+GROUP` says that a process group was
started, `-GROUP` that it ended. The end of the pipe means that the supervisor is dead: the groups that are left get
SIGTERM, and SIGKILL ten seconds later. A group that was started in the microseconds before the supervisor was killed,
and not yet written to the pipe, keeps running.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

_GRACE_SECONDS = 10.0


def signal_group(group: int, signal_number: int) -> bool:
    """Send a signal to a process group; signal 0 only tests. Return whether the group exists."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):  # macOS raises PermissionError when only zombies are left
        return False
    return True


def running_groups(lines: Iterable[str]) -> list[int]:
    """Return the groups that still run at the end of `lines`, in the order of their start."""
    groups: dict[int, None] = {}
    for line in lines:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups[group] = None
        else:
            groups.pop(group, None)
    return list(groups)


def stop_groups(groups: list[int]) -> None:
    """Stop all groups, the newest first."""
    alive = [group for group in reversed(groups) if signal_group(group, signal.SIGTERM)]
    deadline = time.monotonic() + _GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [group for group in alive if signal_group(group, 0)]
    for group in alive:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    stop_groups(running_groups(sys.stdin))
