"""Small flow runs per minute: labelyard's worker with Prefect on PostgreSQL and SQLite, and Prefect's process worker.

The flow does nothing, so the overhead of a run is measured: it is created by the API as a trigger does it, picked up by
a worker, started, and ended. All runs are created at once, as after a burst.

    python benchmarks/runs.py [--postgres postgresql://USER:PASSWORD@HOST/EMPTY_DATABASE] [--runs 300] [--json FILE]

Prefect needs a PostgreSQL with the extension pg_trgm, which the one from the package index lacks. Without --postgres
only SQLite is measured.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import make_url

from labelyard.settings import Settings, UpSettings
from labelyard.supervisor import Process, Supervisor
from labelyard.supervisor.stack import free_ports, prefect_environment, prefect_server, prefect_worker

PROJECT = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: FOLDER}
deployments:
  - {name: small, entrypoint: "flows.py:small", work_pool: {name: labelyard}}
"""
FLOW = """
from prefect import flow

@flow(persist_result=False)
def small():
    pass
"""
_KINDS = ("labelyard", "process")
_PARALLEL_REQUESTS = 4
_TIMEOUT_SECONDS = 150.0
_PROCESS_WORKER_SHARE = 8
"""The process worker gets this many times fewer runs: each takes seconds, and the rate is the same."""


@click.command()
@click.option("--runs", default=300, show_default=True, help="Flow runs for labelyard's worker.")
@click.option("--postgres", help="The URL of an empty PostgreSQL database for Prefect, with pg_trgm.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, runs: int, postgres: str | None, to: Path | None) -> None:
    """Measure, and print a table."""
    console, rates = Console(), {}
    databases = {"sqlite": None} | ({"postgresql": postgres} if postgres else {})
    with Progress(console=console, transient=True) as progress:
        for database, url in databases.items():
            with run_prefect(FLOW, PROJECT, postgres=url) as prefect:
                for kind in _KINDS:
                    count = runs if kind == "labelyard" else max(runs // _PROCESS_WORKER_SHARE, 10)
                    rates[f"{kind} on {database}"] = round(_rate(prefect, kind, count, progress), 1)
    result = {"runs": runs, "runs_per_minute": rates, "load": round(os.getloadavg()[0], 1)}
    show(console, result)
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n")


class Prefect:
    """A Prefect server with a deployment."""

    def __init__(self, supervisor: Supervisor, settings: Settings, environment: Mapping[str, str]) -> None:
        self.supervisor, self.settings, self.environment = supervisor, settings, environment
        self.api = httpx.Client(base_url=settings.up.prefect_api_url, timeout=60)

    def post(self, path: str, body: Any = None) -> Any:
        """Return the API's response; repeat the request while SQLite is busy (503), as Prefect's own client does."""
        while (response := self.api.post(path, json=body or {})).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(0.5)
        return response.raise_for_status().json()

    def completed(self) -> int:
        """Return how many runs are completed."""
        count: int = self.post("/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})
        return count


@contextmanager
def run_prefect(flow: str, project: str, *, postgres: str | None = None, **up: float) -> Iterator[Prefect]:
    """Start Prefect as `labelyard up` does, on PostgreSQL or on SQLite, and deploy `project` with flows.py = `flow`.

    The current folder is the server's; `up` are settings of `labelyard up`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="labelyard-benchmark-", ignore_cleanup_errors=True) as name,
        chdir(name),  # entrypoints are relative to it
        Supervisor(Path(name) / "logs", lambda line: print(f"  {line}", file=sys.stderr)) as supervisor,
    ):
        folder = Path(name).resolve()
        own = UpSettings.model_validate({"prefect_port": free_ports(1)[0], **up})
        settings = Settings(up=own, prefect_api_url=None, _env_file=None)
        environment = prefect_environment(settings, settings.up.prefect_api_url)
        environment["PREFECT_HOME"] = str(folder / "home")
        if postgres is not None:
            url = make_url(postgres).set(drivername="postgresql+asyncpg")
            environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = url.render_as_string(hide_password=False)
        (folder / "flows.py").write_text(flow)
        (folder / "prefect.yaml").write_text(project.replace("FOLDER", str(folder)))
        supervisor.start(prefect_server(settings, environment))
        command = [sys.executable, "-m", "prefect", "--no-prompt"]
        supervisor.run(
            Process("pool", [*command, "work-pool", "create", "labelyard", "--type", "labelyard"], environment)
        )
        deploy = ["deploy", "--all", "--prefect-file", str(folder / "prefect.yaml")]
        supervisor.run(Process("deploy", [*command, *deploy], environment, ready_within=180))
        yield Prefect(supervisor, settings, environment)


def _rate(prefect: Prefect, kind: str, runs: int, progress: Progress) -> float:
    """Return runs per minute, from the creation of the first to the end of the last."""
    bar = progress.add_task(kind, total=runs)
    prefect.supervisor.start(prefect_worker(prefect.settings, prefect.environment, kind))
    deployment = prefect.api.get("/deployments/name/small/small").raise_for_status().json()["id"]
    path = f"/deployments/{deployment}/create_flow_run"
    before = prefect.completed() + 1
    prefect.post(path)  # the first run loads the flow
    prefect.supervisor.watch(lambda: prefect.completed() == before)
    began = time.monotonic()
    with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
        requests = [pool.submit(prefect.post, path) for _ in range(runs)]
        while (done := prefect.completed() - before) < runs and time.monotonic() - began < _TIMEOUT_SECONDS:
            progress.update(bar, completed=done)
            prefect.supervisor.check()
            time.sleep(0.25)
        for request in requests:
            request.cancel()
    seconds = time.monotonic() - began
    prefect.supervisor.stop("worker")
    return done / seconds * 60


def show(console: Console, result: Mapping[str, Any]) -> None:
    """Print the figures."""
    rates = result["runs_per_minute"]
    table = Table("worker and Prefect's database", "runs a minute", "of the process worker")
    for name, rate in rates.items():
        process_rate = rates[f"process on {name.rpartition(' ')[2]}"]
        table.add_row(name, f"{rate:.0f}", f"{rate / process_rate:.1f}")
    console.print(table)
    console.print(f"load {result['load']}")


if __name__ == "__main__":
    main()
