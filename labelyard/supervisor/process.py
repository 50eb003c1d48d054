"""What the supervisor runs: a command, and a test whether it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

_SHOWN_LINES = 12
_READ_BYTES = 256 * 1024
_PROBE_TIMEOUT = 2.0


@dataclass(frozen=True)
class Output:
    """The output of a process since its start: its log file from offset `start` (bytes)."""

    path: Path
    start: int = 0

    def text(self) -> str:
        """Return the newest output, at most 256 KiB."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(min(self.start, size), size - _READ_BYTES))
            return file.read().decode(errors="replace")

    def last_lines(self) -> str:
        """Return the last lines, as an error message quotes them."""
        lines = [line.rstrip() for line in self.text().splitlines() if line.strip()]
        return "\n".join(f"  | {line}" for line in lines[-_SHOWN_LINES:]) or "  | (no output)"


Ready = Callable[[Output], bool]
"""Whether a process is ready, given its output. Called repeatedly until it returns true."""


def answers(url: str) -> Ready:
    """Return a test that is true once `url` answers with status 2xx."""
    direct = build_opener(ProxyHandler({}))  # httpx would load all certificates for each probe

    def ready(_: Output) -> bool:
        try:
            with direct.open(url, timeout=_PROBE_TIMEOUT):
                return True
        except (OSError, HTTPException):
            return False

    return ready


def prints(text: str) -> Ready:
    """Return a test that is true once the process has written `text`."""

    def ready(output: Output) -> bool:
        return text in output.text()

    return ready


def _immediately(_: Output) -> bool:
    return True


@dataclass(frozen=True)
class Process:
    """A process for the supervisor to run.

    `environment` is added to the supervisor's own. `ready_within` and `stop_within` are in seconds: a process that is
    not ready in time has failed, and one that ignores SIGTERM for `stop_within` gets SIGKILL.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Ready = _immediately
    ready_within: float = 60.0
    stop_within: float = 10.0
