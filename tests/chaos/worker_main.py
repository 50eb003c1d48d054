"""The processes that a storm kills: each is forked warm, does one errand after the other, and dies where it is told to.

`python -m storms.worker CONFIG FD` is the process that they are forked from; it is single-threaded and never dies.
"""

from __future__ import annotations

import copy
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection

import stamina
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.orm import configure_mappers

import labelyard.sources.watcher as watch_module
from labelyard import failpoints
from labelyard.context import Context
from labelyard.cvat import Cvat, connect
from labelyard.domain.states import BatchState
from labelyard.errors import LabelyardError
from labelyard.ledger import Ledger, engine, migration
from labelyard.orchestration.events_api import PrefectEvents
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.close_batches import close_due
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.export_annotations import export_annotations
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.pipeline.publish_events import publish_again, publish_events
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from labelyard.settings import Settings, StoreSettings
from labelyard.sources.queues.sqs import SqsQueue
from labelyard.sources.watcher import Watcher
from labelyard.storage import Store

SPEED = 20.0
"""Seconds on a ledger's clock in a second: leases, waits and quiet times pass as fast as nobody could wait for them."""
_LOCK_SECONDS = 0.3
_CVAT_SECONDS = 1.0
"""A CVAT that says nothing for so long is a time-out."""


@dataclass(frozen=True)
class Errand:
    """What a process shall do: watch, ingest, export, sweep, collect; and where."""

    settings: Settings
    queue_url: str
    epoch: float
    what: str = ""
    batch: str = ""
    failpoint: str | None = None
    stops: bool = False
    """At the crash point it stops, as a machine that swaps or sleeps does, until it is let go on."""


@dataclass(frozen=True)
class Config:
    """Where a lane's servers are."""

    store_url: str
    cvat_url: str
    cvat_token: str

    @property
    def store(self) -> StoreSettings:
        """Settings that lead to the store."""
        return StoreSettings(
            endpoint_url=self.store_url, region="us-east-1", access_key_id="test",
            secret_access_key=SecretStr("test"), addressing_style="path",
        )  # fmt: skip


def clock(epoch: float) -> Callable[[], datetime]:
    """A clock that began at `epoch` and runs SPEED times as fast as the machine's."""
    return lambda: datetime.fromtimestamp(epoch + (time.time() - epoch) * SPEED, UTC)


class _Place(Context):
    """A workplace whose clients are those that were made before the fork."""

    warm: Warm

    def cvat(self, name: str) -> Cvat:  # noqa: ARG002 - there is one
        return self.warm.cvat


class Warm:
    """Clients that take long to make and hold no connection yet."""

    def __init__(self, config: Config) -> None:
        self.store = Store(config.store)
        self.queue = SqsQueue("http://none", config.store, config.store_url)
        self.cvat = connect(config.cvat_url, token=config.cvat_token, dialect="v1", timeout=_CVAT_SECONDS)
        self._ledger: Ledger | None = None
        self._compiled: dict[object, object] = {}

    def context(self, errand: Errand) -> Context:
        """The workplace of an errand; the ledger stays open as long as errands are about the same."""
        if self._ledger is None or self._ledger.url != make_url(errand.settings.ledger):
            if self._ledger is not None:
                self._ledger.close()
            self._ledger = Ledger(errand.settings.ledger, clock=clock(errand.epoch))
            # What SQLAlchemy compiles is the same for every ledger of a kind.
            self._ledger._engine = self._ledger._engine.execution_options(compiled_cache=self._compiled)
        context = _Place(errand.settings, self._ledger, self.store)
        context.warm = self
        return context


def serve(orders: Connection, warm: Warm) -> None:
    """Do errands until the lane is gone. A watcher ends when something is sent."""
    while True:
        try:
            errand: Errand = orders.recv()
        except EOFError:
            return
        orders.send(_do(errand, warm, orders))


def _do(errand: Errand, warm: Warm, orders: Connection) -> str:
    """What a run ends with: "" or its failure, as Prefect would show it."""
    try:
        failpoints.arm(errand.failpoint)
        failpoints.end = _stop if errand.stops else _die
        context = warm.context(errand)
        if errand.what == "watch":
            _watch(context, errand, warm, orders)
        else:
            _RUNS[errand.what](context, errand.batch)
    except LabelyardError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a flow run that fails
        return f"unforeseen: {type(error).__name__}: {error}"
    finally:
        failpoints.arm(None)
    return ""


_die = failpoints.end


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _watch(context: Context, errand: Errand, warm: Warm, orders: Connection) -> None:
    queue = copy.copy(warm.queue)
    queue.url = errand.queue_url
    watch = Watcher(PipelineHandler(context, PrefectEvents(context.settings)), queue, wait_seconds=1)
    loop = threading.Thread(target=watch.run, daemon=True)
    loop.start()
    orders.recv()
    watch.stop()
    loop.join()


def _ingest(context: Context, batch: str) -> None:
    with acquire_batch(context, batch) as lease:
        create_task(lease)
        upload_data(lease)
        wait_for_status(lease)
        assign_jobs(lease)


def _export(context: Context, batch: str) -> None:
    with acquire_batch(context, batch, (BatchState.COMPLETED,)) as lease:
        export_annotations(lease)


def _sweep(context: Context, _batch: str) -> None:
    events = PrefectEvents(context.settings)
    publish_again(context, events)
    publish_events(context, events)
    sweep_sources(context)
    close_due(context)
    publish_events(context, events)


def _collect(context: Context, _batch: str) -> None:
    collect(context)
    publish_events(context, PrefectEvents(context.settings))


_RUNS: dict[str, Callable[[Context, str], None]] = {
    "ingest": _ingest, "export": _export, "sweep": _sweep, "collect": _collect,
}  # fmt: skip
"""The bodies of the flows."""


def _fork_for(control: socket.socket, warm: Warm) -> None:
    """Fork a worker for each connection that the lane sends; tell how one ended when the lane asks."""
    while True:
        word, descriptors, *_ = socket.recv_fds(control, 16, 1)
        if not word:
            return
        if word == b"fork":
            pid = os.fork()
            if pid == 0:
                control.close()
                serve(Connection(descriptors[0]), warm)
                os._exit(0)
            os.close(descriptors[0])
            control.sendall(b"%d\n" % pid)
        else:
            _, status = os.waitpid(int(word), 0)
            control.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def main() -> None:
    """Make everything warm, then fork."""
    logging.disable(logging.ERROR)  # what fails here was asked for
    stamina.set_testing(True, attempts=4, cap=True)  # its own switch: try as often, wait for nothing
    engine._LOCK_SECONDS = _LOCK_SECONDS  # type: ignore[assignment]
    watch_module.LOOK_SECONDS = 0.2  # the ledger's clock runs ahead of the machine's
    warm = Warm(Config(**json.loads(sys.argv[1])))
    configure_mappers()
    migration._newest_revision()
    gc.collect()
    gc.freeze()  # what is shared with the children stays shared
    control = socket.socket(fileno=int(sys.argv[2]))
    control.sendall(b"ready\n")
    _fork_for(control, warm)


if __name__ == "__main__":
    main()
