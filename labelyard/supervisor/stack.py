"""The processes of labelyard on one machine: Prefect's server, the deployments, a worker, the watcher.

Server and worker are the fast ones of orchestration/fast_worker if the installed Prefect supports them, else Prefect's
own.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelyard.blocks import complete
from labelyard.errors import PrefectUnreachable, ProcessFailed, SettingsError
from labelyard.ledger import Ledger
from labelyard.orchestration import (
    CAUGHT_UP,
    NOTHING_NEW,
    PROCESS_WORKER,
    SERVER_UNAVAILABLE,
    TRIED_AGAIN,
    WAITING_FOR_CVAT,
    WAITING_FOR_WORKER,
)
from labelyard.orchestration.fast_worker import is_supported, slower_without, worker_type
from labelyard.orchestration.page_store import operations_url
from labelyard.settings import Settings, UpSettings, is_loopback, without_set
from labelyard.supervisor.process import Process, answers, prints
from labelyard.supervisor.supervisor import Supervisor

FOLDER = Path(".labelyard")
"""The folder of a running labelyard: logs, Prefect's database, and by default the ledger and the spool."""

_NO_OP_STATES = (
    NOTHING_NEW,
    SERVER_UNAVAILABLE,
    TRIED_AGAIN,
    WAITING_FOR_CVAT,
    WAITING_FOR_WORKER,
    CAUGHT_UP,
    "Cancelled",
)
_ROUTINE_EVENTS = (
    *(f"prefect.flow-run.{state}" for state in ("Scheduled", "Pending", "Submitting", "Running", "heartbeat")),
    *(f"prefect.flow-run.{state}" for state in _NO_OP_STATES),
    "prefect.flow-run.AwaitingConcurrencySlot",  # every five seconds while it waits
    "prefect.flow-run.pull-step.executed",
    "prefect.worker.submitted-flow-run",
    "prefect.worker.executed-flow-run",
)
"""Events of every run, also of one that changes nothing: 38 KB a run. Prefect has no request that deletes events."""

_LOCK = "up.lock"
_STARTED = "started"
"""What the lock file holds once everything has started."""

_PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")
_LABELYARD = (sys.executable, "-m", "labelyard")
_SERVER_MODULE = "labelyard.orchestration.fast_worker.server"
_PROCESS_WORKER_SETTINGS = {"PREFECT_WORKER_QUERY_SECONDS": "2"}  # by default it polls every 10 seconds
_SECONDS_BETWEEN_VACUUMS = 600
_SECONDS_BETWEEN_BLOCKS = 2.0
_START_SECONDS = 180.0  # generous: the first start of Prefect on a slow machine takes a minute


def server_settings(up: UpSettings) -> dict[str, str]:
    """Return the settings of the Prefect server that labelyard starts."""
    routine = up.keep_routine_events_hours * 3600
    return {
        # The default keeps leases in memory: a slot whose holder died together with the server would stay occupied.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        # Prefect keeps runs for ever by default, and the events of an idle day take more room than a month of work.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": str(_SECONDS_BETWEEN_VACUUMS),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(round(up.keep_runs_days * 86400)),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(
            dict.fromkeys(_ROUTINE_EVENTS, routine)
        ),
        # By default each state of each Prefect task is a transaction of its own: fifteen for a batch.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }


@dataclass(frozen=True)
class Links:
    """Addresses of a running labelyard."""

    prefect_api: str
    prefect_ui: str
    health: str
    operations: str

    def as_lines(self) -> dict[str, str]:
        """Return the pages that a person opens, by name."""
        return {
            "operations": self.operations,
            "runs": f"{self.prefect_ui}/runs",
            "watcher": self.health,
        }


def start_stack(supervisor: Supervisor, settings: Settings, report: Callable[[str], None]) -> Links:
    """Start every process in order. `report` is called with what is being waited for.

    Raises LedgerBehind, SettingsError, ProcessFailed, and SignalReceived when a signal arrives.
    """
    Ledger(settings.ledger).close()
    api = settings.prefect_api_or_ours
    environment = prefect_environment(settings, api)
    if not is_supported():
        report(slower_without())
    if settings.prefect_api_url is None:
        report("Prefect's server …")
        supervisor.start(prefect_server(settings, environment))
    report("deployments …")
    # The server of this folder is its ledger's, even if that is a new one.
    mine = ["--replace"] if settings.prefect_api_url is None else []
    supervisor.run(Process("deploy", [*_LABELYARD, "deploy", *mine], environment, ready_within=_START_SECONDS))
    _wait_for_blocks(supervisor, settings, report)
    report("worker and watcher …")
    port = settings.watch.port or free_ports(1)[0]
    health = f"http://{settings.watch.host}:{port}/healthz"
    supervisor.start(prefect_worker(settings, environment), _watcher(environment, port, health))
    if (lock := FOLDER / _LOCK).exists():
        lock.write_text(_STARTED)
    return Links(api, settings.prefect_ui, health, operations_url(settings))


def _wait_for_blocks(supervisor: Supervisor, settings: Settings, report: Callable[[str], None]) -> None:
    """Wait until the blocks that the settings name can be read: a person creates them in the server just started."""
    reported, due = "", 0.0

    def complete_now() -> bool:
        nonlocal reported, due
        if time.monotonic() < due:
            return False
        try:
            complete(settings)
        except (SettingsError, PrefectUnreachable) as error:
            if str(error) != reported:
                report(f"waiting for a block, {error}\n  Prefect's UI: {settings.prefect_ui}/blocks")
            reported, due = str(error), time.monotonic() + _SECONDS_BETWEEN_BLOCKS
            return False
        return True

    supervisor.watch(complete_now)


def free_ports(count: int) -> list[int]:
    """Return unused ports of the loopback interface, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def lock_folder(folder: Path = FOLDER) -> Iterator[None]:
    """Keep a second `labelyard up` out of the folder. Raises SettingsError when one runs there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                "another `labelyard up` runs here", where=str(folder.resolve()), next_step="labelyard doctor"
            ) from None
        yield


def is_starting(folder: Path = FOLDER) -> bool:
    """Return whether a `labelyard up` holds the folder and has not started everything yet."""
    try:
        with (folder / _LOCK).open() as lock:
            if lock.read() == _STARTED:
                return False
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def prefect_environment(settings: Settings, api: str) -> dict[str, str]:
    """Return the environment that points a process to the Prefect API at `api` and to no other Prefect."""
    given = {"PREFECT_API_URL": api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    given |= settings.prefect_variables()
    if settings.prefect_api_url is None:
        given["PREFECT_HOME"] = str((FOLDER / "prefect").resolve())
    return given


def prefect_server(settings: Settings, environment: Mapping[str, str]) -> Process:
    """Return the process of Prefect's server.

    Raises SettingsError when it would listen beyond loopback without a password, ProcessFailed when its port is taken.
    """
    host, port = settings.up.prefect_host, settings.up.prefect_port
    password = settings.prefect_password()
    if password is None and not is_loopback(host):
        raise SettingsError(
            f"LABELYARD_UP__PREFECT_HOST is {host}, and Prefect's API accepts everybody who can reach it",
            next_step="set PREFECT_API_AUTH_STRING=user:password, or listen on 127.0.0.1",
        )
    _require_free_port(host, port)
    own = without_set(server_settings(settings.up))
    if password is not None:
        own["PREFECT_SERVER_API_AUTH_STRING"] = password
    command = [*server_command(), "server", "start", "--host", host, "--port", str(port)]
    ready = answers(f"{settings.up.prefect_api_url}/health")
    return Process("prefect-server", command, {**environment, **own}, ready, _START_SECONDS)


def server_command() -> list[str]:
    """Return Prefect's command with the faster server if the installed Prefect supports it, else Prefect's own."""
    return [sys.executable, "-m", _SERVER_MODULE] if is_supported() else list(_PREFECT)


def prefect_worker(settings: Settings, environment: Mapping[str, str], kind: str = "") -> Process:
    """Return the process of a worker of the pool, of type `kind`, by default the fastest that is supported."""
    kind = kind or worker_type()
    name = f"{socket.gethostname()}-{os.getpid()}"
    command = [*_PREFECT, "worker", "start", "--pool", settings.deploy.pool, "--type", kind, "--name", name]
    own = _PROCESS_WORKER_SETTINGS if kind == PROCESS_WORKER else {}
    # Time for a run to finish its step or to release its batch.
    return Process("worker", command, {**own, **environment}, prints("started!"), _START_SECONDS, stop_within=20)


def _watcher(environment: Mapping[str, str], port: int, health: str) -> Process:
    return Process("watcher", [*_LABELYARD, "watch", "--port", str(port)], environment, answers(health), _START_SECONDS)


def _require_free_port(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise ProcessFailed(
            f"Prefect's server cannot listen on {host}:{port}: {error.strerror}",
            next_step="set PREFECT_API_URL if Prefect runs there, else LABELYARD_UP__PREFECT_PORT to a free port",
        ) from error
