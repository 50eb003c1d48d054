"""The main program of workers: they are forked ready to run, execute one command after the other, and may be killed.

`python -m tests.chaos.worker_main ADDRESSES FD` is the single-threaded process that they are forked from.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import Self

import stamina
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.orm import configure_mappers

import labelyard.sources.watcher as watcher_module
from labelyard import failpoints
from labelyard.context import Context
from labelyard.cvat import Cvat, connect
from labelyard.domain.states import BatchState
from labelyard.errors import LabelyardError
from labelyard.ledger import Ledger, engine, migration
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.check_quality import check_quality
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.collect_reported import collect_reported_tasks
from labelyard.pipeline.export_annotations import export_annotations
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.pipeline.publish_events import publish_events
from labelyard.pipeline.sweep import sweep
from labelyard.server_settings import StoreSettings, webhook_secrets
from labelyard.settings import Settings
from labelyard.sources.cvat_deliveries import CvatDeliveries
from labelyard.sources.queues.sqs import SqsQueue
from labelyard.sources.reported_tasks import ReportedTasks
from labelyard.sources.watcher import Watcher
from labelyard.sources.webhook import Webhook, serve
from labelyard.storage.store import Store
from tests.support.compiled_statements import share_compiled_statements
from tests.support.unsynchronized_ledgers import skip_synchronization
from tests.support.workspace import ingest_steps

CLOCK_SPEED = 20.0
"""Seconds on the ledger's clock per real second, so that leases and quiet times pass quickly."""
_LOCK_SECONDS = 0.3
_CVAT_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class WorkerCommand:
    """What a worker has to run (watch, ingest, export, sweep or collect), and with which settings."""

    settings: Settings
    queue_url: str
    epoch: float
    name: str = ""
    batch: str = ""
    port: int = 0
    """Where a watcher listens for CVAT's webhook, if the settings have one."""
    failpoint: str | None = None
    stop_at_failpoint: bool = False
    """Stop at the failpoint, as on a machine that swaps or sleeps, until SIGCONT; otherwise end there."""


@dataclass(frozen=True)
class ServerAddresses:
    """Where an environment's servers listen."""

    store_url: str
    cvat_url: str
    cvat_token: str
    cvat_dialect: str

    @property
    def store(self) -> StoreSettings:
        """Settings for the store."""
        return StoreSettings(
            endpoint_url=self.store_url, region="us-east-1", access_key_id="test",
            secret_access_key=SecretStr("test"), addressing_style="path",
        )  # fmt: skip


def clock(epoch: float) -> Callable[[], datetime]:
    """Return a clock that started at `epoch` and runs CLOCK_SPEED times as fast as the machine's."""
    return lambda: datetime.fromtimestamp(epoch + (time.time() - epoch) * CLOCK_SPEED, UTC)


class ContextWithClient(Context):
    """A context with a CVAT client of its own, such as one that was created before a fork."""

    cvat_client: Cvat

    @classmethod
    def with_client(cls, settings: Settings, ledger: Ledger, store: Store, cvat: Cvat) -> Self:
        """Return a context that uses `cvat` as every CVAT."""
        context = cls(settings, ledger, store)
        context.cvat_client = cvat
        return context

    def cvat(self, name: str) -> Cvat:
        organization = self.settings.cvat_named(name).organization  # of the one server
        return _in_organization(self.cvat_client, organization) if organization else self.cvat_client


@cache
def _in_organization(cvat: Cvat, organization: str) -> Cvat:
    """Return a client of the organization; it asks the server once for its version."""
    return cvat.in_organization(organization)


class Clients:
    """Clients that take long to create; they are created before the fork and connect after it."""

    def __init__(self, addresses: ServerAddresses) -> None:
        self.store = Store(addresses.store)
        self.queue = SqsQueue("http://none", addresses.store, addresses.store_url)
        self.cvat = connect(
            addresses.cvat_url, token=addresses.cvat_token, dialect=addresses.cvat_dialect,
            timeout=_CVAT_TIMEOUT_SECONDS,
        )  # fmt: skip
        self._ledger: Ledger | None = None

    def context(self, command: WorkerCommand) -> Context:
        """Return the context of a command; its ledger stays open for the next command of the same run."""
        if self._ledger is None or self._ledger.url != make_url(command.settings.ledger):
            if self._ledger is not None:
                self._ledger.close()
            self._ledger = Ledger(command.settings.ledger, clock=clock(command.epoch))
        return ContextWithClient.with_client(command.settings, self._ledger, self.store, self.cvat)


def execute_commands(connection: Connection, clients: Clients) -> None:
    """Execute commands until the connection is closed. A watcher ends when something is sent."""
    while True:
        try:
            command: WorkerCommand = connection.recv()
        except EOFError:
            return
        connection.send(_execute(command, clients, connection))


def _execute(command: WorkerCommand, clients: Clients, connection: Connection) -> str:
    """Return how a command ended: "" or its failure, as Prefect would show it."""
    try:
        failpoints.arm(command.failpoint)
        failpoints.end = _stop if command.stop_at_failpoint else _end
        context = clients.context(command)
        if command.name == "watch":
            _watch(context, command, clients, connection)
        else:
            _RUNS[command.name](context, command.batch)
    except LabelyardError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a flow run that fails
        return f"unexpected: {type(error).__name__}: {error}"
    finally:
        failpoints.arm(None)
    return ""


_end = failpoints.end


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _watch(context: Context, command: WorkerCommand, clients: Clients, connection: Connection) -> None:
    queue = copy.copy(clients.queue)
    queue.url = command.queue_url
    watch = Watcher(PipelineHandler(context, PrefectEvents(context.settings)), queue, wait_seconds=1)
    loop = threading.Thread(target=watch.run, daemon=True)
    with _collecting_reported(context, watch, command.port):
        loop.start()
        connection.recv()
        watch.stop()
        loop.join()


@contextmanager
def _collecting_reported(context: Context, watch: Watcher, port: int) -> Iterator[None]:
    """Serve the endpoint of CVAT's webhook, if the settings have one, as `labelyard watch` does."""
    secrets = webhook_secrets(context.settings.cvat)
    if not secrets:
        yield
        return
    reported = ReportedTasks(partial(collect_reported_tasks, context), watch.tick_soon)
    webhook = Webhook(None, watch.health, None, CvatDeliveries(secrets, reported.report))
    with reported.running(), serve(webhook, "127.0.0.1", port):
        yield


def _ingest(context: Context, batch: str) -> None:
    with acquire_batch(context, batch) as lease:
        ingest_steps(lease)


def _export(context: Context, batch: str) -> None:
    with acquire_batch(context, batch, (BatchState.COMPLETED,)) as lease:
        export_annotations(lease)


def _sweep(context: Context, _batch: str) -> None:
    sweep(context, PrefectEvents(context.settings))


def _collect(context: Context, _batch: str) -> None:
    collect(context)
    publish_events(context, PrefectEvents(context.settings))
    check_quality(context)


_RUNS: dict[str, Callable[[Context, str], None]] = {
    "ingest": _ingest, "export": _export, "sweep": _sweep, "collect": _collect,
}  # fmt: skip
"""The bodies of the flows."""


def _fork_workers(control: socket.socket, clients: Clients) -> None:
    """Fork a worker for each connection that is sent, and report the exit status of a worker when asked."""
    while True:
        request, descriptors, *_ = socket.recv_fds(control, 16, 1)
        if not request:
            return
        if request == b"fork":
            pid = os.fork()
            if pid == 0:
                control.close()
                execute_commands(Connection(descriptors[0]), clients)
                os._exit(0)
            os.close(descriptors[0])
            control.sendall(b"%d\n" % pid)
        else:
            _, status = os.waitpid(int(request), 0)
            control.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def main() -> None:
    """Create what all workers share, then fork them."""
    share_compiled_statements()
    skip_synchronization()
    logging.disable(logging.ERROR)  # failures are expected
    stamina.set_testing(True, attempts=4, cap=True)  # as many attempts, without waiting
    engine._LOCK_SECONDS = _LOCK_SECONDS  # type: ignore[assignment]
    watcher_module.TICK_SECONDS = 0.2  # the ledger's clock runs faster than the machine's
    clients = Clients(ServerAddresses(**json.loads(sys.argv[1])))
    configure_mappers()
    migration._newest_revision()
    gc.collect()
    gc.freeze()  # memory that is shared with the workers stays shared
    control = socket.socket(fileno=int(sys.argv[2]))
    control.sendall(b"ready\n")
    _fork_workers(control, clients)


if __name__ == "__main__":
    main()
