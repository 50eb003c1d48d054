"""Everything that labelyard needs on one machine: Prefect's server, the deployments, a worker, the watcher."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labelyard.errors import ProcessFailed, SettingsError
from labelyard.ledger import Ledger
from labelyard.settings import Settings, is_loopback
from labelyard.supervisor.process import Part, answers, prints
from labelyard.supervisor.supervisor import Supervisor

FOLDER = Path(".labelyard")
"""Where a running labelyard keeps what is its own: logs, Prefect's database, by default the ledger and the spool."""

SERVER_SETTINGS = {
    # In memory, which is the default, a slot whose holder died with the server would stay taken.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    # Runs, their logs and their pages go after 90 days; otherwise they would stay for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
"""What Prefect's server is started with."""

_PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")
_LABELYARD = (sys.executable, "-m", "labelyard")
_SLOW_MACHINE = 180.0


@dataclass(frozen=True)
class Links:
    """Where a running labelyard can be looked at."""

    prefect_api: str
    prefect_ui: str
    health: str


def start_everything(yard: Supervisor, settings: Settings, tell: Callable[[str], None]) -> Links:
    """Start every part in its order; `tell` hears what is being waited for.

    Raises LedgerBehind, SettingsError, PartFailed, and SignalReceived where a signal came.
    """
    Ledger(settings.ledger).close()
    api = settings.prefect_api_url or settings.up.prefect_api_url
    environment = prefect_environment(settings, api)
    if settings.prefect_api_url is None:
        tell("Prefect's server …")
        yard.start(prefect_server(settings, environment))
    tell("deployments …")
    yard.run(Part("deploy", [*_LABELYARD, "deploy"], environment, ready_within=_SLOW_MACHINE))
    tell("worker and watcher …")
    port = settings.watch.port or free_ports(1)[0]
    health = f"http://{settings.watch.host}:{port}/healthz"
    yard.start(prefect_worker(settings, environment), _watcher(environment, port, health))
    return Links(api, api.removesuffix("/api"), health)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on now, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def only_one_here(folder: Path = FOLDER) -> Iterator[None]:
    """Keep a second `labelyard up` out of the folder. Raises SettingsError where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                "another `labelyard up` runs here", where=str(folder.resolve()), next_step="labelyard doctor"
            ) from None
        yield


def prefect_environment(settings: Settings, api: str) -> dict[str, str]:
    """What leads a process to Prefect's API at `api`, and to no other Prefect of this machine."""
    given = {"PREFECT_API_URL": api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    if settings.prefect_api_auth_string is not None:
        given["PREFECT_API_AUTH_STRING"] = settings.prefect_api_auth_string.get_secret_value()
    if settings.prefect_api_url is None:
        given["PREFECT_HOME"] = str((FOLDER / "prefect").resolve())
    return given


def prefect_server(settings: Settings, environment: Mapping[str, str]) -> Part:
    """Prefect's server. Raises SettingsError where it would let everybody in, PartFailed where its port is taken."""
    host, port = settings.up.prefect_host, settings.up.prefect_port
    auth = settings.prefect_api_auth_string
    if auth is None and not is_loopback(host):
        raise SettingsError(
            f"LABELYARD_UP__PREFECT_HOST is {host}, and Prefect's API lets everybody in who can reach it",
            next_step="set PREFECT_API_AUTH_STRING=user:password, or listen on 127.0.0.1",
        )
    _must_be_free(host, port)
    own = dict(SERVER_SETTINGS)
    if auth is not None:
        own["PREFECT_SERVER_API_AUTH_STRING"] = auth.get_secret_value()
    command = [
        sys.executable,
        "-m",
        "labelyard.orchestration.fast_worker.server",
        "server",
        "start",
        "--host",
        host,
        "--port",
        str(port),
    ]
    ready = answers(f"{settings.up.prefect_api_url}/health")
    return Part("prefect-server", command, {**environment, **own}, ready, _SLOW_MACHINE)


def prefect_worker(settings: Settings, environment: Mapping[str, str], kind: str = "") -> Part:
    """A worker of the pool: of the pool's own type, or of another `kind`."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    command = [*_PREFECT, "worker", "start", "--pool", settings.deploy.pool, "--name", name]
    command += ["--type", kind] if kind else []
    # A run that is in the middle of something gets the time to finish it or to give its batch back.
    return Part("worker", command, environment, prints("started!"), _SLOW_MACHINE, end_within=20)


def _watcher(environment: Mapping[str, str], port: int, health: str) -> Part:
    return Part("watcher", [*_LABELYARD, "watch", "--port", str(port)], environment, answers(health), _SLOW_MACHINE)


def _must_be_free(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise ProcessFailed(
            f"Prefect's server cannot listen on {host}:{port}: {error.strerror}",
            next_step="set PREFECT_API_URL if Prefect runs there, else LABELYARD_UP__PREFECT_PORT to a free port",
        ) from error
