"""Worker processes that execute one command after the other and may be killed or stopped at any point."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection

import psutil

from tests.chaos.worker_main import ServerAddresses, WorkerCommand
from tests.support.paths import ROOT


class Worker:
    """A worker process. `exit_status` is known once it has ended."""

    def __init__(self, forker: WorkerForker) -> None:
        self._forker = forker
        ours, theirs = socket.socketpair()
        self.pid = forker.fork(theirs.fileno())
        theirs.close()
        self.connection = Connection(ours.detach())
        self.command: WorkerCommand | None = None
        self.exit_status: int | None = None
        self.stopped_at: float | None = None
        self._killed = False

    def start(self, command: WorkerCommand) -> None:
        """Let it execute a command."""
        self.command, self.stopped_at = command, None
        with suppress(BrokenPipeError):
            self.connection.send(command)

    def result(self) -> str | None:
        """Return what the command ended with: "" or its failure. None while it runs, and if the process was killed."""
        try:
            if self.exit_status is not None or not self.connection.poll():
                return None
            failure: str = self.connection.recv()
            if self._killed:
                return None
        except (EOFError, ConnectionResetError):
            self.exit_status = self._forker.wait(self.pid)
            self.connection.close()
            return None
        self.command = None
        return failure

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        return self.exit_status is None and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def send_signal(self, number: int) -> None:
        """Send a signal such as SIGKILL, unless the process has ended and its id may belong to another one."""
        if self.exit_status is None:
            self._killed |= number == signal.SIGKILL
            os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it and wait."""
        self.send_signal(signal.SIGKILL)
        while self.exit_status is None:
            self.connection.poll(1)
            self.result()


class WorkerForker:
    """The process that workers are forked from, with everything imported; it never dies itself."""

    def __init__(self, addresses: ServerAddresses) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.chaos.worker_main", json.dumps(asdict(addresses)), str(theirs.fileno())]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL
        )
        theirs.close()
        self._control, self._responses = ours, ours.makefile()
        self._response()

    def fork(self, descriptor: int) -> int:
        """Start a worker that receives commands on the descriptor; return its process id."""
        socket.send_fds(self._control, [b"fork"], [descriptor])
        return int(self._response())

    def wait(self, pid: int) -> int:
        """Wait until a worker has ended; return its exit status, or the negative number of its signal."""
        self._control.sendall(b"%d" % pid)
        return int(self._response())

    def close(self) -> None:
        """End the process."""
        self._responses.close()
        self._control.close()
        self._process.wait(10)

    def _response(self) -> str:
        line = self._responses.readline()
        if not line:
            raise RuntimeError("tests.chaos.worker_main ended: its error output is above")
        return line
