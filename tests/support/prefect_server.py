"""The Prefect server that tests speak to: a real one on SQLite, as a process of its own, and workers beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from labelyard.orchestration.pull import find_project
from labelyard.supervisor.stack import SERVER_SETTINGS, server_command
from tests.support.emulator import free_port
from tests.support.waiting import eventually

_START_SECONDS = 240
RUN_SECONDS = 300
_STOP_SECONDS = 90


@dataclass(frozen=True)
class PrefectServer:
    """A running server; `environment` is what a process needs to speak to it and to nothing else."""

    api_url: str
    home: Path

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
        """What the API answers; a busy database (SQLite) is asked again, as Prefect's own client does."""

        def ask() -> httpx.Response | None:
            answer = httpx.request(method, f"{self.api_url}{path}", json=body, timeout=30)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

        answer = eventually(ask, f"{method} {path} to be answered", 30)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def command(self, *words: str, folder: Path | None = None, **settings: str) -> str:
        """What a command of the virtual environment prints, run in the project's folder unless told otherwise."""
        program, environment = Path(sys.executable).with_name(words[0]), {**self.environment, **settings}
        done = subprocess.run(
            [str(program), *words[1:]], env=environment, cwd=folder or find_project(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish_events(self, event: str, batch: str, **payload: Any) -> None:
        """Post an event as labelyard does."""
        self.tell(event, f"labelyard.batch.{batch}", batch=batch, **payload)

    def tell(self, event: str, about: str, **payload: Any) -> None:
        """Post any event about a resource."""
        told = {
            "id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": event,
            "resource": {"prefect.resource.id": about}, "related": [], "payload": payload,
        }  # fmt: skip
        self.call("POST", "/events", [told])

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run of a deployment (`flow/name`); its id."""
        found = self.call("GET", f"/deployments/name/{deployment}")
        run = self.call(
            "POST",
            f"/deployments/{found['id']}/create_flow_run",
            {"parameters": parameters, "state": {"type": "SCHEDULED"}},
        )
        return str(run["id"])

    def state(self, run_id: str) -> str:
        """The name of a run's state."""
        return str(self.call("GET", f"/flow_runs/{run_id}")["state_name"])

    def reaches(self, run_id: str, *states: str) -> Any:
        """The run, once it is in one of these states."""

        def look() -> Any:
            run = self.call("GET", f"/flow_runs/{run_id}")
            return run if run["state_name"] in states else None

        return eventually(look, f"run {run_id} to be {' or '.join(states)}, not {self.state(run_id)}", RUN_SECONDS)

    def runs(self, batch: str, tag: str) -> list[Any]:
        """The flow runs with a tag that were started for a batch, oldest first."""
        asked = {"sort": "START_TIME_ASC", "limit": 200, "flow_runs": {"tags": {"all_": [tag]}}}
        return [run for run in self.call("POST", "/flow_runs/filter", asked) if run["parameters"].get("batch") == batch]

    def ended(self, batch: str, tag: str = "ingest", attempt: int | None = None) -> Any:
        """The run of a batch, or of its announcement `attempt`, once all that were started for it have ended.

        Right after a deploy the trigger that it replaced may fire too: the run that finds the batch taken is left out
        where another one had it.
        """
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        def look() -> Any:
            runs = [run for run in self.runs(batch, tag) if attempt in (None, run["parameters"].get("attempt"))]
            runs.sort(key=lambda run: run["state_name"] == "Taken by another run")
            return runs[0] if runs and all(run["state_type"] in ends for run in runs) else None

        return eventually(look, f"the run of {batch} to end", RUN_SECONDS)

    def logs(self, run: Any, words: str) -> list[str]:
        """The log of a run as the UI shows it, once `words` stand in it: Prefect sends logs in bundles."""
        asked = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200, "sort": "TIMESTAMP_ASC"}

        def look() -> list[str] | None:
            lines = [f"{line['name']}: {line['message']}" for line in self.call("POST", "/logs/filter", asked)]
            return lines if any(words in line for line in lines) else None

        return eventually(look, f"{words!r} to stand in the log of {run['name']}", RUN_SECONDS)

    def artifacts(self, run: Any) -> dict[str, Any]:
        """The artifacts that a run made, by key: the newest of each."""
        asked = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "CREATED_DESC"}
        return {artifact["key"]: artifact for artifact in reversed(self.call("POST", "/artifacts/filter", asked))}

    @contextmanager
    def worker(self, pool: str, kind: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker of `kind` on a pool, ended as an init system would; its words stand in `folder`/worker.log."""
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
    """A server on a free port with a home of its own, ended with its process."""
    with (
        tempfile.TemporaryDirectory(prefix="labelyard-prefect-", ignore_cleanup_errors=True) as folder,
        serving(Path(folder), free_port()) as (server, _),
    ):
        yield server


@contextmanager
def serving(
    home: Path, port: int, command: Sequence[str] = (), **settings: str
) -> Iterator[tuple[PrefectServer, subprocess.Popen[bytes]]]:
    """A server and its process, as `labelyard up` starts it; the same `home` and `port` again are its restart.

    `command` replaces Prefect's command.
    """
    server, words = PrefectServer(f"http://127.0.0.1:{port}/api", home), home / "log"
    quick = {"PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1"}
    environment = {**server.environment, **SERVER_SETTINGS, **quick, **settings}
    start = [*(command or server_command()), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with words.open("ab") as log:
        process = subprocess.Popen(start, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: _healthy(server, process, words), "the Prefect server to answer", _START_SECONDS)
        yield server, process
    finally:
        process.terminate()
        process.wait(timeout=_STOP_SECONDS)


def _healthy(server: PrefectServer, process: subprocess.Popen[bytes], words: Path) -> bool | None:
    assert process.poll() is None, words.read_text(errors="replace")
    try:
        return True if httpx.get(f"{server.api_url}/health", timeout=2).is_success else None
    except httpx.TransportError:
        return None
