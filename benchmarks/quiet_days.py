"""The size of Prefect's SQLite after 1,000 and 10,000 scheduled looks that found nothing new.

Each look is a flow run on a real server, executed by the fast worker, that ends as labelyard's no-op runs do. They are
pruned as housekeeping prunes them. Measured twice: while the events of every run are kept, and with the server deleting
them after half a minute, which shows the size that remains however long labelyard runs.

    python benchmarks/quiet_days.py [--looks 1000 --looks 10000] [--json FILE]
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from prefect.settings import PREFECT_API_URL, temporary_settings
from runs import Prefect, run_prefect

from labelyard.orchestration.noop_runs import prune_noop_runs
from labelyard.supervisor.stack import prefect_worker

_PROJECT = """
pull:
  - prefect.deployments.steps.set_working_directory: {directory: FOLDER}
deployments:
  - {name: look, entrypoint: "flows.py:look", work_pool: {name: labelyard}, tags: [labelyard, scheduled]}
"""
_FLOW = """
from prefect import flow
from labelyard.orchestration.states import no_op, report_failures

@flow(name="look", persist_result=False)
@report_failures
def look():
    return no_op({})
"""
_AT_ONCE = 50
_PARALLEL_REQUESTS = 4
_SHORT_HOURS = 30 / 3600
_SECONDS_BETWEEN_VACUUMS = "10"
_SECONDS_TO_VACUUM = 60.0


@dataclass(frozen=True)
class Size:
    """Prefect's database after so many looks: bytes in use (free pages are left out), and the rows of large tables."""

    looks: int
    events: str
    megabytes: float
    free_megabytes: float
    rows: Mapping[str, int]
    megabytes_by_table: Mapping[str, float]
    locked: int
    looks_a_minute: float


@click.command()
@click.option("--looks", multiple=True, default=(1000, 10000), show_default=True, help="Measure after so many looks.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(*, looks: tuple[int, ...], to: Path | None) -> None:
    """Measure, and print one line each time."""
    to = to and to.absolute()
    sizes: list[Size] = []
    # The server's process inherits it; the default is ten minutes.
    os.environ["PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS"] = _SECONDS_BETWEEN_VACUUMS
    for events, hours in {"kept": 24.0, "deleted after 30 s": _SHORT_HOURS}.items():
        with run_prefect(_FLOW, _PROJECT, keep_routine_events_hours=hours) as prefect:
            prefect.supervisor.start(prefect_worker(prefect.settings, prefect.environment))
            for size in _measure(prefect, sorted(looks), events):
                sizes.append(size)
                print(json.dumps(asdict(size)), flush=True)
                if to is not None:
                    to.write_text(json.dumps([asdict(one) for one in sizes], indent=1) + "\n")


def _measure(prefect: Prefect, looks: list[int], events: str) -> Iterator[Size]:
    done, began = 0, time.monotonic()
    for target in looks:
        while done < target:
            _run(prefect, _AT_ONCE)
            done += _AT_ONCE
        minutes = (time.monotonic() - began) / 60
        if events != "kept":
            until = time.monotonic() + _SECONDS_TO_VACUUM
            prefect.supervisor.watch(lambda until=until: time.monotonic() > until)  # type: ignore[misc]
        yield _size(prefect, done, events, done / minutes)


def _run(prefect: Prefect, count: int) -> None:
    """Start that many runs at once, wait for their end, and prune them."""
    deployment = prefect.api.get("/deployments/name/look/look").raise_for_status().json()["id"]
    with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
        for _ in pool.map(prefect.post, [f"/deployments/{deployment}/create_flow_run"] * count):
            pass
    waiting = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}}
    prefect.supervisor.watch(lambda: prefect.post("/flow_runs/count", waiting) == 0)
    with temporary_settings({PREFECT_API_URL: prefect.settings.up.prefect_api_url}):
        prune_noop_runs()


def _size(prefect: Prefect, looks: int, events: str, rate: float) -> Size:
    log = prefect.supervisor.log_of("prefect-server").read_text(errors="replace")
    with sqlite3.connect("home/prefect.db") as database:
        page, count, free = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
        return Size(
            looks=looks,
            events=events,
            megabytes=round(page * (count - free) / 1e6, 1),
            free_megabytes=round(page * free / 1e6, 1),
            rows=_largest(_rows(database)),
            megabytes_by_table=_largest(_megabytes(database)),
            locked=log.count("database is locked"),
            looks_a_minute=round(rate),
        )


def _rows(database: sqlite3.Connection) -> dict[str, float]:
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}


def _megabytes(database: sqlite3.Connection) -> dict[str, float]:
    """Return the megabytes of each table with its indexes, or nothing if this SQLite cannot say it."""
    query = """SELECT coalesce(m.tbl_name, s.name), sum(s.pgsize) / 1e6 FROM dbstat s
               LEFT JOIN sqlite_master m ON m.name = s.name GROUP BY 1"""
    try:
        return {name: round(size, 2) for name, size in database.execute(query)}
    except sqlite3.OperationalError:
        return {}


def _largest(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(values.items(), key=lambda item: -item[1])[:8])


if __name__ == "__main__":
    main()
