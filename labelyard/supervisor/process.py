"""What a part is: a command, and how one sees that it is ready."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

_SHOWN_LINES = 12
_READ_BYTES = 256 * 1024
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Output:
    """What a process has written since it was started: its log file, from `start` (in bytes) on."""

    path: Path
    start: int = 0

    def text(self) -> str:
        """The newest output, at most 256 KiB of it."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(min(self.start, size), size - _READ_BYTES))
            return file.read().decode(errors="replace")

    def last_lines(self) -> str:
        """The last lines, for a person who wants to know why it ended."""
        lines = [line.rstrip() for line in self.text().splitlines() if line.strip()]
        return "\n".join(f"  | {line}" for line in lines[-_SHOWN_LINES:]) or "  | (it said nothing)"


Ready = Callable[[Output], bool]
"""Tells whether a part is ready; asked again and again until it says yes."""


def answers(url: str) -> Ready:
    """Ready when `url` answers with a 2xx."""
    direct = build_opener(ProxyHandler({}))  # httpx would load every certificate anew at each look

    def ready(_: Output) -> bool:
        try:
            with direct.open(url, timeout=_LOOK_SECONDS):
                return True
        except (OSError, HTTPException):
            return False

    return ready


def listens(port: int, host: str = "127.0.0.1") -> Ready:
    """Ready when somebody takes connections at the port."""

    def ready(_: Output) -> bool:
        with socket.socket() as probe:
            probe.settimeout(_LOOK_SECONDS)
            return probe.connect_ex((host, port)) == 0

    return ready


def prints(words: str) -> Ready:
    """Ready when the part has written `words`."""

    def ready(output: Output) -> bool:
        return words in output.text()

    return ready


def _at_once(_: Output) -> bool:
    return True


@dataclass(frozen=True)
class Part:
    """A process of the yard.

    `environment` is added to the supervisor's own. `ready_within` and `end_within` are seconds; a part that has not
    ended by then, after SIGTERM, is killed.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Ready = _at_once
    ready_within: float = 60.0
    end_within: float = 10.0
