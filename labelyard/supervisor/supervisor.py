"""The supervisor: starts parts, looks after them, and leaves no process behind.

Every part is a process group in a session of its own, so that Ctrl-C reaches the supervisor alone and it decides the
order. Signals (SIGINT, SIGTERM, SIGHUP) are only noted and seen at the next look: an exception in the middle of
starting a process would lose its number. The second one shortens every grace to nothing. Python gives a part the
default for every signal that has a handler here, also for a SIGINT that a shell without a terminal set to be ignored,
which would make Prefect's processes deaf to SIGTERM. What happens when the supervisor itself is killed: reaper.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO, Self

from labelyard.errors import ProcessFailed
from labelyard.supervisor.process import Output, Part
from labelyard.supervisor.reaper import tell_group

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_BYTES = 20 * 1024**2
"""A log file that has grown so large starts anew; the one before is kept as NAME.log.old."""

_GUARD = Path(__file__).with_name("reaper.py")
_LOOK = 0.1
_KILL_SECONDS = 5.0


class Interrupted(BaseException):
    """A signal asked for the end; `status` is the exit status that shells expect of it."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(signal.Signals(number).name)


@dataclass(frozen=True)
class Patience:
    """When a part that dies is started again: after `delay` seconds, twice as long after each death that follows.

    A part that dies `deaths` times in a row, each time less than `quick` seconds after its start, is given up.
    """

    delay: float = 0.5
    longest: float = 30.0
    quick: float = 15.0
    deaths: int = 5


@dataclass
class _Running:
    part: Part
    output: Output
    process: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)
    quick_deaths: int = 0
    start_at: float | None = None
    """When to start it again; None while it runs."""


class Supervisor:
    """A supervisor of parts, as a context: at its end every process is gone, in the reverse order of their start.

    Only in the main thread, because of the signals. `logs` is the folder of the log files, `tell` is told of what a
    person should hear (a part that died, a part that had to be killed), `waiting` is called ten times a second while
    a part gets ready.
    """

    def __init__(
        self,
        logs: Path,
        tell: Callable[[str], None] = print,
        patience: Patience | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._logs, self._tell, self._patience, self._waiting = logs, tell, patience or Patience(), waiting
        self._running: list[_Running] = []
        self._signals: list[int] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._guard: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            self._handlers[number] = signal.signal(number, self._note)
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._guard = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(_GUARD)], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
        except BaseException:
            self._give_signals_back()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for running in reversed(self._running):
                self._end(running)
            assert self._guard is not None
            with suppress(BrokenPipeError):
                self._guard.communicate()
        finally:
            self._give_signals_back()

    def log_of(self, part: str) -> Path:
        """Where a part's output goes."""
        return self._logs / f"{part}.log"

    def start(self, *parts: Part) -> None:
        """Start parts side by side and return when all are ready.

        Raises PartFailed where one ends, or is not ready in time: a first start that fails would fail again.
        """
        fresh = [self._begin(part) for part in parts]
        while fresh:
            self._obey()
            fresh = [running for running in fresh if not self._ready(running)]
            if fresh:
                self._wait()

    def run(self, part: Part) -> None:
        """Run a part that ends by itself. Raises PartFailed unless it ends with status 0 within `ready_within`."""
        running = self._begin(part)
        while running.process.poll() is None:
            self._obey()
            self._in_time(running)
            self._wait()
        if running.process.returncode != 0:
            raise self._failed(running, f"ended with {_status(running.process.returncode)}")
        self._end(running)
        self._running.remove(running)

    def end(self, name: str) -> None:
        """End a part for good; the others go on."""
        for running in [running for running in self._running if running.part.name == name]:
            self._end(running)
            self._running.remove(running)

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Look after the parts until `until` says so, or a signal comes.

        Raises Interrupted, or PartFailed for a part that dies as often as it is started.
        """
        while not until():
            self.look()
            time.sleep(_LOOK)

    def look(self) -> None:
        """One look at every part: what died is started again. Raises as `watch` does."""
        self._obey()
        for running in self._running:
            self._keep(running)
            _start_log_anew(running)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _obey(self) -> None:
        if self._signals:
            raise Interrupted(self._signals[0])

    def _wait(self) -> None:
        self._waiting()
        time.sleep(_LOOK)

    def _begin(self, part: Part) -> _Running:
        self._obey()
        log = self.log_of(part.name)
        with log.open("ab") as file:
            output = Output(log, file.tell())
            running = _Running(part, output, self._spawn(part, file))
        self._running.append(running)
        self._tell_guard(f"+{running.process.pid}")
        return running

    def _spawn(self, part: Part, log: BinaryIO) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603
                part.command, env={**os.environ, **part.environment}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ProcessFailed(f"{part.name} could not be started: {error}", next_step="labelyard doctor") from error

    def _ready(self, running: _Running) -> bool:
        ready = running.part.ready(running.output)
        # Asked second: another process may have answered in the place of one that died.
        if running.process.poll() is not None:
            raise self._failed(running, f"ended with {_status(running.process.returncode)} before it was ready")
        if not ready:
            self._in_time(running)
        return ready

    def _in_time(self, running: _Running) -> None:
        if time.monotonic() - running.since > running.part.ready_within:
            raise self._failed(running, f"is not ready after {running.part.ready_within:g} s")

    def _failed(self, running: _Running, what: str) -> ProcessFailed:
        return ProcessFailed(
            f"{running.part.name} {what}. Its last lines:\n{running.output.last_lines()}",
            next_step=f"read {running.output.path}",
        )

    def _keep(self, running: _Running) -> None:
        if running.start_at is None and running.process.poll() is not None:
            self._mourn(running)
        if running.start_at is not None and time.monotonic() >= running.start_at:
            with running.output.path.open("ab") as file:
                running.output = Output(running.output.path, file.tell())
                running.process = self._spawn(running.part, file)
            self._tell_guard(f"+{running.process.pid}")
            running.since, running.start_at = time.monotonic(), None

    def _mourn(self, running: _Running) -> None:
        patience, how = self._patience, _status(running.process.returncode)
        self._sweep_up(running)
        quick = time.monotonic() - running.since < patience.quick
        running.quick_deaths = running.quick_deaths + 1 if quick else 1
        if running.quick_deaths >= patience.deaths:
            raise self._failed(running, f"ended with {how}, for the {running.quick_deaths}th time in a row")
        wait = min(patience.delay * 2 ** (running.quick_deaths - 1), patience.longest)
        running.start_at = time.monotonic() + wait
        self._tell(f"{running.part.name} ended with {how}; started again in {wait:g} s ({running.output.path})")

    def _sweep_up(self, running: _Running) -> None:
        """Kill what a dead part has left of its group: it may hold the port that the next one needs."""
        tell_group(running.process.pid, signal.SIGKILL)
        self._tell_guard(f"-{running.process.pid}")

    def _end(self, running: _Running) -> None:
        if running.start_at is not None:
            return
        group = running.process.pid
        tell_group(group, signal.SIGTERM)
        if not self._gone(running, running.part.end_within, hurry=True):
            tell_group(group, signal.SIGKILL)
            self._tell(f"{running.part.name} was killed: it did not end by itself")
            self._gone(running, _KILL_SECONDS)
        self._tell_guard(f"-{group}")

    def _gone(self, running: _Running, within: float, *, hurry: bool = False) -> bool:
        deadline = time.monotonic() + within
        while running.process.poll() is None or tell_group(running.process.pid, 0):
            if time.monotonic() > deadline or (hurry and len(self._signals) > 1):
                return False
            time.sleep(0.02)
        return True

    def _tell_guard(self, line: str) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        with suppress(BrokenPipeError):  # somebody killed the guard: only the net is gone
            self._guard.stdin.write(line + "\n")
            self._guard.stdin.flush()

    def _give_signals_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


def _status(code: int) -> str:
    return f"status {code}" if code >= 0 else signal.Signals(-code).name


def _start_log_anew(running: _Running) -> None:
    # The part writes in append mode, so that it goes on at the new end; a line written in between may be lost.
    log = running.output.path
    if log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.old"))
        os.truncate(log, 0)
        running.output = Output(log)
