"""Small flow runs a minute: our worker with Prefect on PostgreSQL and on SQLite, and the stock process worker.

The flow does nothing, so what is measured is what every run costs: it is made by the API as a trigger does, taken by
a worker, begun, and ended. All runs are there at once, as after a burst.

    python benchmarks/runs.py [--postgres postgresql://USER:PASSWORD@HOST/EMPTY_DATABASE] [--runs 300] [--json FILE]

Prefect wants a PostgreSQL with the extension pg_trgm, which the one of the package index lacks; without --postgres only
SQLite is measured.
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
from labelyard.supervisor import Part, Supervisor
from labelyard.supervisor.stack import free_ports, prefect_environment, prefect_server, prefect_worker

_PROJECT = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: FOLDER}
deployments:
  - {name: small, entrypoint: "flows.py:small", work_pool: {name: labelyard}}
"""
_FLOW = """
from prefect import flow

@flow(persist_result=False)
def small():
    pass
"""
_KINDS = ("labelyard", "process")
_CREATIONS_AT_ONCE = 4
_LONGEST_SECONDS = 150.0
_STOCK_SHARE = 8
"""The stock worker gets so many times fewer runs: each takes it seconds, and the rate is the same."""


@click.command()
@click.option("--runs", default=300, show_default=True, help="Flow runs for our worker.")
@click.option("--postgres", help="The URL of an empty PostgreSQL database for Prefect, with pg_trgm.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, runs: int, postgres: str | None, to: Path | None) -> None:
    """Measure, and show a table."""
    console, rates = Console(), {}
    databases = {"sqlite": None} | ({"postgresql": postgres} if postgres else {})
    with Progress(console=console, transient=True) as progress:
        for database, url in databases.items():
            with _server(url) as context:
                for kind in _KINDS:
                    count = runs if kind == "labelyard" else max(runs // _STOCK_SHARE, 10)
                    rates[f"{kind} on {database}"] = round(_rate(context, kind, count, progress), 1)
    told = {"runs": runs, "runs_per_minute": rates, "load": round(os.getloadavg()[0], 1)}
    show(console, told)
    if to is not None:
        to.write_text(json.dumps(told, indent=1) + "\n")


class _Place:
    """A Prefect server with one small deployment."""

    def __init__(self, yard: Supervisor, settings: Settings, environment: Mapping[str, str]) -> None:
        self.yard, self.settings, self.environment = yard, settings, environment
        self.api = httpx.Client(base_url=settings.up.prefect_api_url, timeout=60)

    def ask(self, path: str, body: Any = None) -> Any:
        """What the API answers; a busy SQLite (503) is asked again, as Prefect's own client does."""
        while (answer := self.api.post(path, json=body or {})).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(0.5)
        return answer.raise_for_status().json()

    def completed(self) -> int:
        """How many runs have ended well."""
        count: int = self.ask("/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})
        return count


@contextmanager
def _server(postgres: str | None) -> Iterator[_Place]:
    """Prefect as `labelyard up` starts it, on a PostgreSQL, or on a SQLite of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="labelyard-benchmark-", ignore_cleanup_errors=True) as name,
        chdir(name),  # entrypoints are looked for here
        Supervisor(Path(name) / "logs", lambda line: print(f"  {line}", file=sys.stderr)) as yard,
    ):
        folder = Path(name).resolve()
        settings = Settings(up=UpSettings(prefect_port=free_ports(1)[0]), prefect_api_url=None, _env_file=None)
        environment = prefect_environment(settings, settings.up.prefect_api_url)
        environment["PREFECT_HOME"] = str(folder / "home")
        if postgres is not None:
            url = make_url(postgres).set(drivername="postgresql+asyncpg")
            environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = url.render_as_string(hide_password=False)
        (folder / "flows.py").write_text(_FLOW)
        (folder / "prefect.yaml").write_text(_PROJECT.replace("FOLDER", str(folder)))
        yard.start(prefect_server(settings, environment))
        prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
        yard.run(Part("pool", [*prefect, "work-pool", "create", "labelyard", "--type", "labelyard"], environment))
        deploy = ["deploy", "--all", "--prefect-file", str(folder / "prefect.yaml")]
        yard.run(Part("deploy", [*prefect, *deploy], environment, ready_within=180))
        yield _Place(yard, settings, environment)


def _rate(context: _Place, kind: str, runs: int, progress: Progress) -> float:
    """Runs a minute, from the first that is made to the end of the last."""
    bar = progress.add_task(kind, total=runs)
    context.yard.start(prefect_worker(context.settings, context.environment, kind))
    deployment = context.api.get("/deployments/name/small/small").raise_for_status().json()["id"]
    path = f"/deployments/{deployment}/create_flow_run"
    before = context.completed() + 1
    context.ask(path)  # the first one loads the flow
    context.yard.watch(lambda: context.completed() == before)
    began = time.monotonic()
    with ThreadPoolExecutor(_CREATIONS_AT_ONCE) as pool:
        made = [pool.submit(context.ask, path) for _ in range(runs)]
        while (done := context.completed() - before) < runs and time.monotonic() - began < _LONGEST_SECONDS:
            progress.update(bar, completed=done)
            context.yard.look()
            time.sleep(0.25)
        for one in made:
            one.cancel()
    seconds = time.monotonic() - began
    context.yard.end("worker")
    return done / seconds * 60


def show(console: Console, told: Mapping[str, Any]) -> None:
    """The figures."""
    rates = told["runs_per_minute"]
    table = Table("worker and Prefect's database", "runs a minute", "of the stock worker")
    for way, rate in rates.items():
        stock = rates[f"process on {way.rpartition(' ')[2]}"]
        table.add_row(way, f"{rate:.0f}", f"{rate / stock:.1f}")
    console.print(table)
    console.print(f"load {told['load']}")


if __name__ == "__main__":
    main()
