"""Process faults: processes of the full stack are killed, stopped, crashed or out of disk; supervisors restart them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import select

from labelyard.failpoints import EXIT_STATUS
from labelyard.ledger import Ledger
from labelyard.ledger.tables import Batch
from tests.chaos.fault_plan import ProcessFault
from tests.chaos.full_stack import FullStack
from tests.chaos.scenario import Scenario

_PAUSE_SECONDS = 0.1
_ONE_BYTE = 1


class ProcessFaults:
    """Injects each process fault at its time, and ends those that last."""

    def __init__(self, stack: FullStack, scenario: Scenario) -> None:
        self.scenario, self._stack = scenario, stack
        self._faults = list(scenario.plan.process_faults)
        self._lasting: list[tuple[threading.Timer, Callable[[], None]]] = []
        self._up_log = stack.supervisor.log_of("up")
        self._store_died = False
        self._crashes_before = self._crashes()
        self._armed_at: int | None = None
        """The number of crashes when a failpoint was armed; None if none is armed."""

    @property
    def busy(self) -> bool:
        """Whether a run has the lease of a batch."""
        return is_a_batch_leased(self.scenario.ledger)

    def tick(self, now: float) -> None:
        """Restart dead processes and inject due faults; a fault waits until its process runs."""
        self._stack.supervisor.check()
        if self._store_died:
            with suppress(BotoCoreError, ClientError):
                self._stack.create_bucket_and_queue()
                self._store_died = False
        if self._armed_at is not None and self._crashes() > self._armed_at:
            self._disarm()
        for fault in [fault for fault in self._faults if self.scenario.started_at + fault.at <= now]:
            if not self.scenario.faults_stopped and self._inject(fault):
                self._faults.remove(fault)

    def pause(self) -> None:
        """Wait a moment."""
        time.sleep(_PAUSE_SECONDS)

    def collect_soon(self) -> None:
        """Do nothing: the schedule of collect_finished is short enough."""

    def stop_faults(self) -> None:
        """End lasting faults, and restart processes with an armed failpoint."""
        for timer, end in self._lasting:
            timer.cancel()
            end()
        if self._armed_at is not None:
            self._disarm()
            self._stack.kill("worker")
        if any(fault.failpoint for fault in self.scenario.plan.process_faults):
            self._stack.kill("watcher")
        self._stack.wait_until_servers_respond()
        self._stack.create_bucket_and_queue()
        self.scenario.fault_counts["died at a failpoint"] += self._crashes() - self._crashes_before

    def _crashes(self) -> int:
        return self._up_log.read_text().count(f"ended with status {EXIT_STATUS};")

    def _inject(self, fault: ProcessFault) -> bool:
        """Inject a fault; return False if its process does not run now."""
        if fault.kind == "crash":
            self._armed_at = self._crashes()
            self._stack.write_settings(LABELYARD_FAILPOINT=fault.failpoint)
            if fault.process == "watcher":  # it reads its settings only at its start
                self._stack.kill("watcher")
            self._log(f"{fault.process} will end at {fault.failpoint}")
            return True
        found = self._stack.processes(fault.process)
        if found:
            name = {"kill": self._kill, "stop": self._stop, "full": self._fill_disk}[fault.kind](fault, found)
            self.scenario.fault_counts[f"{name}: {fault.process}"] += 1
            self._log(f"{fault.process}: {name}")
        return bool(found)

    def _disarm(self) -> None:
        """Arm no failpoint for new processes. A watcher that has started meanwhile crashes a second time."""
        self._stack.write_settings()
        self._armed_at = None

    def _kill(self, fault: ProcessFault, _found: Sequence[psutil.Process]) -> str:
        if fault.process == "sandbox":
            self.scenario.cvat_rules.described()  # keeps the counts, which the sandbox loses with its process
        self._stack.kill(fault.process)
        self._store_died |= fault.process == "emulator"
        return "kill -9"

    def _stop(self, fault: ProcessFault, found: Sequence[psutil.Process]) -> str:
        send_signal(found, signal.SIGSTOP)
        self._end_after(fault.seconds, lambda: send_signal(found, signal.SIGCONT))
        return "stopped for a while"

    def _fill_disk(self, fault: ProcessFault, found: Sequence[psutil.Process]) -> str:
        """Limit the size of the processes' files, so that none can grow."""
        before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in found]
        for process, (_, hard) in zip(found, before, strict=True):
            process.rlimit(psutil.RLIMIT_FSIZE, (_ONE_BYTE, hard))

        def lift_limit() -> None:
            for process, limits in zip(found, before, strict=True):
                with suppress(psutil.Error):
                    process.rlimit(psutil.RLIMIT_FSIZE, limits)

        self._end_after(fault.seconds, lift_limit)
        return "disk full"

    def _end_after(self, seconds: float, end: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, end)  # a thread: this one may wait for the stopped process itself
        timer.start()
        self._lasting.append((timer, end))

    def _log(self, line: str) -> None:
        self.scenario.log.append(f"{time.time() - self.scenario.started_at:.1f} s: {line}")


def is_a_batch_leased(ledger: Ledger) -> bool:
    """Return whether a run has the lease of a batch."""
    with ledger.read_only() as tx:
        return tx.scalar(select(Batch.id).where(Batch.leased_until > tx.now).limit(1)) is not None


def send_signal(processes: Sequence[psutil.Process], number: int) -> None:
    """Send a signal to those of the processes that still run."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
