"""The supervisor: starts processes, restarts those that end, and stops all of them at the end.

Every process leads a session and process group of its own. Ctrl-C therefore reaches only the supervisor, and the
supervisor decides the order in which processes stop. Signals (SIGINT, SIGTERM, SIGHUP) are only recorded and handled at
the next check: an exception in the middle of a start would lose the process id. A second signal cuts every grace period
short. Python resets handled signals to their defaults in child processes. That matters for SIGINT: a shell without a
terminal sets it to be ignored, and Prefect's processes would then not react to SIGTERM. `reaper.py` handles the death
of the supervisor itself.
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

from labelyard.errors import ProcessFailed, SignalReceived
from labelyard.supervisor.process import Output, Process
from labelyard.supervisor.reaper import signal_group

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_BYTES = 20 * 1024**2
"""Size at which a log file is truncated; its former content is kept as NAME.log.old."""

_REAPER = Path(__file__).with_name("reaper.py")
_CHECK_SECONDS = 0.1
_KILL_SECONDS = 5.0


@dataclass(frozen=True)
class RestartPolicy:
    """When a process that ended is started again: after `delay` seconds, doubled with each failure in a row.

    A process that ends `failures` times in a row, each time less than `quick` seconds after its start, is not started
    again.
    """

    delay: float = 0.5
    longest: float = 30.0
    quick: float = 15.0
    failures: int = 5


@dataclass
class _Running:
    process: Process
    output: Output
    popen: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)
    quick_failures: int = 0
    restart_at: float | None = None
    """When to start it again; None while it runs."""


class Supervisor:
    """A context in which processes run; on exit all of them are stopped, the newest first.

    Works only in the main thread, because of the signals. `logs` is the folder of the log files. `report` is called
    with a line when a process ended or had to be killed. `waiting` is called ten times a second while processes get
    ready.
    """

    def __init__(
        self,
        logs: Path,
        report: Callable[[str], None] = print,
        policy: RestartPolicy | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._logs, self._report, self._policy, self._waiting = logs, report, policy or RestartPolicy(), waiting
        self._running: list[_Running] = []
        self._signals: list[int] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._reaper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # started by nohup
            self._handlers[number] = signal.signal(number, self._record_signal)
        try:
            self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            # -I -S: without site-packages it starts within milliseconds.
            self._reaper = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(_REAPER)], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
        except BaseException:
            self._restore_handlers()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for running in reversed(self._running):
                self._stop(running)
            assert self._reaper is not None
            with suppress(BrokenPipeError):
                self._reaper.communicate()
        finally:
            self._restore_handlers()

    def log_of(self, name: str) -> Path:
        """Return the log file of the process called `name`."""
        return self._logs / f"{name}.log"

    def start(self, *processes: Process) -> None:
        """Start processes side by side and return when all are ready.

        Raises ProcessFailed when one ends, or is not ready in time. There is no second try at the first start.
        """
        starting = [self._launch(process) for process in processes]
        while starting:
            self._raise_on_signal()
            starting = [running for running in starting if not self._is_ready(running)]
            if starting:
                self._wait()

    def run(self, process: Process) -> None:
        """Run a process to its end. Raises ProcessFailed unless it ends with status 0 within `ready_within`."""
        running = self._launch(process)
        while running.popen.poll() is None:
            self._raise_on_signal()
            self._check_deadline(running)
            self._wait()
        if running.popen.returncode != 0:
            raise self._failure(running, f"ended with {_status(running.popen.returncode)}")
        self._stop(running)
        self._running.remove(running)

    def stop(self, name: str) -> None:
        """Stop a process for good; the others keep running."""
        for running in [running for running in self._running if running.process.name == name]:
            self._stop(running)
            self._running.remove(running)

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keep the processes running until `until` returns true or a signal arrives.

        Raises SignalReceived on a signal, and ProcessFailed for a process that ends as often as it is started.
        """
        while not until():
            self.check()
            time.sleep(_CHECK_SECONDS)

    def check(self) -> None:
        """Check every process once and restart those that ended. Raises as `watch` does."""
        self._raise_on_signal()
        for running in self._running:
            self._keep_running(running)
            _rotate_log(running)

    def _record_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _raise_on_signal(self) -> None:
        if self._signals:
            raise SignalReceived(self._signals[0])

    def _wait(self) -> None:
        self._waiting()
        time.sleep(_CHECK_SECONDS)

    def _launch(self, process: Process) -> _Running:
        self._raise_on_signal()
        log = self.log_of(process.name)
        log.touch(mode=0o600)
        with log.open("ab") as file:
            output = Output(log, file.tell())
            running = _Running(process, output, self._spawn(process, file))
        self._running.append(running)
        self._notify_reaper(f"+{running.popen.pid}")
        return running

    def _spawn(self, process: Process, log: BinaryIO) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603
                process.command, env={**os.environ, **process.environment}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ProcessFailed(
                f"{process.name} could not be started: {error}", next_step="labelyard doctor"
            ) from error

    def _is_ready(self, running: _Running) -> bool:
        ready = running.process.ready(running.output)
        # Polled second: another process may have answered on the port of one that ended.
        if running.popen.poll() is not None:
            raise self._failure(running, f"ended with {_status(running.popen.returncode)} before it was ready")
        if not ready:
            self._check_deadline(running)
        return ready

    def _check_deadline(self, running: _Running) -> None:
        if time.monotonic() - running.since > running.process.ready_within:
            raise self._failure(running, f"is not ready after {running.process.ready_within:g} s")

    def _failure(self, running: _Running, what: str) -> ProcessFailed:
        return ProcessFailed(
            f"{running.process.name} {what}. Its last lines:\n{running.output.last_lines()}",
            next_step=f"read {running.output.path}",
        )

    def _keep_running(self, running: _Running) -> None:
        if running.restart_at is None and running.popen.poll() is not None:
            self._schedule_restart(running)
        if running.restart_at is not None and time.monotonic() >= running.restart_at:
            with running.output.path.open("ab") as file:
                running.output = Output(running.output.path, file.tell())
                running.popen = self._spawn(running.process, file)
            self._notify_reaper(f"+{running.popen.pid}")
            running.since, running.restart_at = time.monotonic(), None

    def _schedule_restart(self, running: _Running) -> None:
        policy, status = self._policy, _status(running.popen.returncode)
        self._kill_leftovers(running)
        quick = time.monotonic() - running.since < policy.quick
        running.quick_failures = running.quick_failures + 1 if quick else 1
        if running.quick_failures >= policy.failures:
            raise self._failure(running, f"ended with {status}, for the {running.quick_failures}th time in a row")
        wait = min(policy.delay * 2 ** (running.quick_failures - 1), policy.longest)
        running.restart_at = time.monotonic() + wait
        self._report(f"{running.process.name} ended with {status}; started again in {wait:g} s ({running.output.path})")

    def _kill_leftovers(self, running: _Running) -> None:
        """Kill what is left of an ended process's group: it may hold the port that the next start needs."""
        signal_group(running.popen.pid, signal.SIGKILL)
        self._notify_reaper(f"-{running.popen.pid}")

    def _stop(self, running: _Running) -> None:
        if running.restart_at is not None:
            return
        group = running.popen.pid
        signal_group(group, signal.SIGTERM)
        if not self._has_ended(running, running.process.stop_within, interruptible=True):
            signal_group(group, signal.SIGKILL)
            self._report(f"{running.process.name} was killed: it did not stop by itself")
            self._has_ended(running, _KILL_SECONDS)
        self._notify_reaper(f"-{group}")

    def _has_ended(self, running: _Running, within: float, *, interruptible: bool = False) -> bool:
        """Wait for the whole group to end. With `interruptible` a second signal ends the wait."""
        deadline = time.monotonic() + within
        while running.popen.poll() is None or signal_group(running.popen.pid, 0):
            if time.monotonic() > deadline or (interruptible and len(self._signals) > 1):
                return False
            time.sleep(0.02)
        return True

    def _notify_reaper(self, line: str) -> None:
        assert self._reaper is not None
        assert self._reaper.stdin is not None
        with suppress(BrokenPipeError):  # the reaper was killed: the processes still stop with the supervisor
            self._reaper.stdin.write(line + "\n")
            self._reaper.stdin.flush()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


def _status(code: int) -> str:
    return f"status {code}" if code >= 0 else signal.Signals(-code).name


def _rotate_log(running: _Running) -> None:
    # The process writes in append mode and continues at the new end. A line written in between may be lost.
    log = running.output.path
    if log.stat().st_size > LOG_BYTES:
        shutil.copy(log, log.with_suffix(".log.old"))  # with its mode: private
        os.truncate(log, 0)
        running.output = Output(log)
