"""A real Prefect server for tests, on SQLite and as a process of its own, and workers."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from labelyard.orchestration.pull import find_project
from labelyard.settings import UpSettings
from labelyard.supervisor.stack import free_ports, server_command, server_settings
from tests.support.waiting import eventually

_START_SECONDS = 240
RUN_SECONDS = 300
_STOP_SECONDS = 90
_new_databases: list[bytes] = []
"""The database of this process's first server right after its start. With it the next one runs no migrations, which
take ten seconds of CPU."""


@dataclass(frozen=True)
class PrefectServer:
    """A running server; `environment` is for processes that use this server and no other."""

    api_url: str
    home: Path
    deployed: list[dict[str, str]] = field(default_factory=list)
    """The settings of each deploy, in order."""

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LABELYARD_"))
        }
        return {
            **inherited,
            "PREFECT_HOME": str(self.home),
            "PREFECT_PROFILES_PATH": str(self.home / "profiles.toml"),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the API's response; repeat the request while SQLite is busy, as Prefect's own client does."""

        def send() -> httpx.Response | None:
            response = httpx.request(method, f"{self.api_url}{path}", json=body, timeout=90)
            return None if response.status_code == httpx.codes.SERVICE_UNAVAILABLE else response

        response = eventually(send, f"a response to {method} {path}", 120)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def command(self, *command: str, folder: Path | None = None, **settings: str) -> str:
        """Run a command of the virtual environment, by default in the project's folder, and return its output."""
        program, environment = Path(sys.executable).with_name(command[0]), {**self.environment, **settings}
        done = subprocess.run(
            [str(program), *command[1:]], env=environment, cwd=folder or find_project(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        if "deploy" in command:
            self.deployed.append(settings)
        return done.stdout

    def post_batch_event(self, event: str, batch: str, **payload: Any) -> None:
        """Post an event about a batch, as labelyard does."""
        self.post_event(event, f"labelyard.batch.{batch}", batch=batch, **payload)

    def post_event(self, event: str, resource: str, occurred: datetime | None = None, **payload: Any) -> None:
        """Post an event about any resource, by default as one of now."""
        document = {
            "id": str(uuid4()), "occurred": (occurred or datetime.now(UTC)).isoformat(), "event": event,
            "resource": {"prefect.resource.id": resource}, "related": [], "payload": payload,
        }  # fmt: skip
        self.call("POST", "/events", [document])

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run of a deployment (`flow/name`) and return its id."""
        found = self.call("GET", f"/deployments/name/{deployment}")
        run = self.call(
            "POST",
            f"/deployments/{found['id']}/create_flow_run",
            {"parameters": parameters, "state": {"type": "SCHEDULED"}},
        )
        return str(run["id"])

    def delete_scheduled_runs(self) -> None:
        """Delete the runs that are due within an hour and have not begun."""
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": soon}}
        while runs := self.call("POST", "/flow_runs/filter", {"flow_runs": due, "limit": 200}):
            for run in runs:
                self.call("DELETE", f"/flow_runs/{run['id']}")

    def state(self, run_id: str) -> str:
        """Return the name of a run's state."""
        return str(self.call("GET", f"/flow_runs/{run_id}")["state_name"])

    def reaches(self, run_id: str, *states: str) -> Any:
        """Wait until a run is in one of these states, and return it."""

        def read() -> Any:
            run = self.call("GET", f"/flow_runs/{run_id}")
            return run if run["state_name"] in states else None

        return eventually(read, f"run {run_id} to be {' or '.join(states)}, not {self.state(run_id)}", RUN_SECONDS)

    def runs(self, batch: str, tag: str) -> list[Any]:
        """Return the flow runs with a tag for a batch, oldest first."""
        body = {"sort": "START_TIME_ASC", "limit": 200, "flow_runs": {"tags": {"all_": [tag]}}}
        return [run for run in self.call("POST", "/flow_runs/filter", body) if run["parameters"].get("batch") == batch]

    def ended(self, batch: str, tag: str = "ingest", attempt: int | None = None) -> Any:
        """Wait until all runs for a batch (or for the `attempt`-th event about it) have ended, and return one.

        Right after a deploy the replaced trigger may fire too; a run that found the batch leased by another run is not
        returned if there is another one.
        """
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        def read() -> Any:
            runs = [run for run in self.runs(batch, tag) if attempt in (None, run["parameters"].get("attempt"))]
            runs.sort(key=lambda run: run["state_name"] == "Taken by another run")
            return runs[0] if runs and all(run["state_type"] in ends for run in runs) else None

        return eventually(read, f"the run of {batch} to end", RUN_SECONDS)

    def logs(self, run: Any, words: str) -> list[str]:
        """Wait until `words` are in the log of a run, and return its lines. (Prefect sends logs in bundles.)"""
        body = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200, "sort": "TIMESTAMP_ASC"}

        def read() -> list[str] | None:
            lines = [f"{line['name']}: {line['message']}" for line in self.call("POST", "/logs/filter", body)]
            return lines if any(words in line for line in lines) else None

        return eventually(read, f"{words!r} in the log of {run['name']}", RUN_SECONDS)

    def artifacts(self, run: Any) -> dict[str, Any]:
        """Return the artifacts of a run by key: the newest of each."""
        body = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "CREATED_DESC"}
        return {artifact["key"]: artifact for artifact in reversed(self.call("POST", "/artifacts/filter", body))}

    def page(self, key: str) -> str:
        """Return the Markdown of a page; it has one version."""
        asked = {"artifacts": {"key": {"any_": [key]}}}
        [version] = self.call("POST", "/artifacts/filter", asked)
        return str(version["data"])

    @contextmanager
    def worker(self, pool: str, kind: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker of `kind` on a pool, and end it as an init system would; it logs to `folder`/worker.log."""
        command = [
            sys.executable,
            "-m",
            "prefect",
            "worker",
            "start",
            "--pool",
            pool,
            "--type",
            kind,
            "--name",
            f"{kind}-{pool}",
        ]
        with (folder / "worker.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment, **settings},
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


@contextmanager
def run_prefect_server() -> Iterator[PrefectServer]:
    """Run a server on a free port with its own PREFECT_HOME."""
    with (
        tempfile.TemporaryDirectory(prefix="labelyard-prefect-", ignore_cleanup_errors=True) as folder,
        serving(Path(folder), free_ports(1)[0]) as (server, _),
    ):
        yield server


@contextmanager
def serving(
    home: Path, port: int, command: Sequence[str] = (), **settings: str
) -> Iterator[tuple[PrefectServer, subprocess.Popen[bytes]]]:
    """Run a server as `labelyard up` starts it; yield it and its process. The same `home` and `port` restart it."""
    server, log_file = PrefectServer(f"http://127.0.0.1:{port}/api", home), home / "log"
    quick = {"PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1"}
    environment = {**server.environment, **server_settings(UpSettings()), **quick, **settings}
    start = [*(command or server_command()), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    database = home / "prefect.db"
    is_new = not database.exists()
    if is_new and _new_databases:
        database.write_bytes(_new_databases[0])
    with log_file.open("ab") as log:
        process = subprocess.Popen(start, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: _healthy(server, process, log_file), "a response of the Prefect server", _START_SECONDS)
        if is_new and not _new_databases:
            _new_databases.append(_copy(database))
        yield server, process
    finally:
        process.terminate()
        process.wait(timeout=_STOP_SECONDS)


def _copy(database: Path) -> bytes:
    """Return the content of a database that a server uses."""
    with closing(sqlite3.connect(database)) as used, closing(sqlite3.connect(":memory:")) as copy:
        used.backup(copy)
        return copy.serialize()


def _healthy(server: PrefectServer, process: subprocess.Popen[bytes], log: Path) -> bool | None:
    assert process.poll() is None, log.read_text(errors="replace")
    try:
        return True if httpx.get(f"{server.api_url}/health", timeout=2).is_success else None
    except httpx.TransportError:
        return None
