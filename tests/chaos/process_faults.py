"""The stage at a site: the blows of the plan fall on whole processes; the yard and `up` start them again."""

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
from labelyard.ledger.tables import Batch
from tests.chaos.fault_plan import Blow
from tests.chaos.full_stack import Site
from tests.chaos.scenario import Scene

_REST_SECONDS = 0.1
_ONE_BYTE = 1


class Siege:
    """Lets each blow fall at its time, and ends what lasts."""

    def __init__(self, site: Site, scene: Scene) -> None:
        self.scene, self._site = scene, site
        self._blows = list(scene.plan.blows)
        self._lasting: list[tuple[threading.Timer, Callable[[], None]]] = []
        self._up_log = site.yard.log_of("up")
        self._store_died = False
        self._deaths_before = self._deaths()
        self._armed_at: int | None = None
        """How many had died at a crash point when the last one was told of; None once somebody has."""

    @property
    def busy(self) -> bool:
        """Whether a run has a batch."""
        with self.scene.ledger.read_only() as tx:
            held = select(Batch.id).where(Batch.leased_until > tx.now)
            return tx.scalar(held.limit(1)) is not None

    def tick(self, now: float) -> None:
        """Let fall what is due; a blow waits for the part that it is meant for."""
        self._site.yard.look()
        if self._store_died:
            with suppress(BotoCoreError, ClientError):
                self._site.make_bucket_and_queue()
                self._store_died = False
        if self._armed_at is not None and self._deaths() > self._armed_at:
            self._disarm()
        for blow in [blow for blow in self._blows if self.scene.began + blow.at <= now and not self.scene.calm]:
            if self._fall(blow):
                self._blows.remove(blow)

    def rest(self) -> None:
        """Let a moment pass."""
        time.sleep(_REST_SECONDS)

    def collect_soon(self) -> None:
        """The schedule is soon enough."""

    def calm_down(self) -> None:
        """End what lasts; whoever still has a crash point ahead starts anew."""
        for timer, end in self._lasting:
            timer.cancel()
            end()
        if self._armed_at is not None:
            self._disarm()
            self._site.kill("worker")
        if any(blow.failpoint for blow in self.scene.plan.blows):
            self._site.kill("watcher")
        self._site.wait_until_all_answer()
        self._site.make_bucket_and_queue()
        self.scene.faults["died at a crash point"] += self._deaths() - self._deaths_before

    def _deaths(self) -> int:
        return self._up_log.read_text().count(f"ended with status {EXIT_STATUS};")

    def _fall(self, blow: Blow) -> bool:
        """Let a blow fall; whether there was somebody."""
        if blow.what == "crash":
            self._armed_at = self._deaths()
            self._site.write_settings(LABELYARD_FAILPOINT=blow.failpoint)
            if blow.part == "watcher":  # it reads its settings once
                self._site.kill("watcher")
            self._say(f"{blow.part} is told to die at {blow.failpoint}")
            return True
        found = self._site.processes(blow.part)
        if found:
            words = {"kill": self._kill, "stop": self._stop, "full": self._fill_disk}[blow.what](blow, found)
            self.scene.faults[f"{words}: {blow.part}"] += 1
            self._say(f"{blow.part}: {words}")
        return bool(found)

    def _disarm(self) -> None:
        """Let what starts now live; a watcher that has started meanwhile dies there a second time."""
        self._site.write_settings()
        self._armed_at = None

    def _kill(self, blow: Blow, _found: Sequence[psutil.Process]) -> str:
        if blow.part == "sandbox":
            self.scene.cvat_faults.described()  # it forgets how often
        self._site.kill(blow.part)
        self._store_died |= blow.part == "emulator"
        return "kill -9"

    def _stop(self, blow: Blow, found: Sequence[psutil.Process]) -> str:
        _send(found, signal.SIGSTOP)
        self._last(blow.seconds, lambda: _send(found, signal.SIGCONT))
        return "stopped for a while"

    def _fill_disk(self, blow: Blow, found: Sequence[psutil.Process]) -> str:
        """Let its files grow no more."""
        before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in found]
        for process, (_, hard) in zip(found, before, strict=True):
            process.rlimit(psutil.RLIMIT_FSIZE, (_ONE_BYTE, hard))

        def lift() -> None:
            for process, limits in zip(found, before, strict=True):
                with suppress(psutil.Error):
                    process.rlimit(psutil.RLIMIT_FSIZE, limits)

        self._last(blow.seconds, lift)
        return "disk full"

    def _last(self, seconds: float, end: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, end)  # in a thread: this one may wait for whom it has stopped
        timer.start()
        self._lasting.append((timer, end))

    def _say(self, words: str) -> None:
        self.scene.said.append(f"{time.time() - self.scene.began:.1f} s: {words}")


def _send(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
