"""A sweep of a million known keys: its time beyond that of the listing, and its memory.

    python benchmarks/sweep.py                         # 1,000,000 keys, SQLite
    python benchmarks/sweep.py --keys 100000 --rounds 5 --json sweep.json
    python benchmarks/sweep.py --ledger postgresql://user:password@host/database

A server creates the pages of the listing when they are asked for, in a process of its own (listing_server.py).
The ledger is filled by bulk insert, in batches of 100. Each way is a process, and the ways take turns:

    listing     labelyard's store lists the keys, and nothing else
    sweep       labelyard's sweep: the same listing, and every key is searched in the ledger; none is new
    script      the script that one would write instead: boto3's listing, and for each key a SELECT with sqlite3
    backfill    (with --backfill) registers all keys in an empty ledger

Memory is the process's peak above that of the idle process.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports only what it needs, in a process of its own
import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from listing_server import etag, key
from process_memory import current_and_reset_peak, peak
from servers import store_settings
from turns import BUCKET, IN_A_BATCH, SPEC, turns

GOAL_SECONDS = 60


@dataclass(frozen=True)
class Setup:
    """The input of a way: the listing server, the ledger, and the number of keys."""

    store_url: str
    ledger: str
    keys: int


@dataclass(frozen=True)
class Figures:
    """Seconds, CPU seconds of the process, and its peak memory above that of the idle process in bytes."""

    seconds: float
    cpu_seconds: float
    memory: int


# --- the ways ---------------------------------------------------------------------------------------------------------


def listing(setup: Setup) -> Figures:
    """The listing alone."""
    context = _context(setup)
    return _timed(lambda: sum(1 for _ in context.store.list(BUCKET, "in/")), setup.keys)


def sweep(setup: Setup) -> Figures:
    """The sweep, as flows/sweep_sources.py calls it."""
    from labelyard.pipeline.register_objects import sweep_sources as swept

    context = _context(setup)
    return _timed(lambda: swept(context).registered["street"].known, setup.keys)


def backfill(setup: Setup) -> Figures:
    """Registration of every key."""
    from labelyard.operations.backfill import backfill as backfilled

    context = _context(setup)
    return _timed(lambda: sum(chunk.new for chunk in backfilled(context, "street")), setup.keys)


def script(setup: Setup) -> Figures:
    """A listing with a SELECT for each key."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    pages = boto3.client("s3", endpoint_url=setup.store_url, **keys).get_paginator("list_objects_v2")
    rows = sqlite3.connect(setup.ledger.removeprefix("sqlite:///"))
    known = "SELECT 1 FROM object WHERE dataset = 'street' AND bucket = ? AND key = ? AND etag = ?"

    def run() -> int:
        count = 0
        for page in pages.paginate(Bucket=BUCKET, Prefix="in/"):
            for found in page["Contents"]:
                if rows.execute(known, (BUCKET, found["Key"], found["ETag"].strip('"'))).fetchone():
                    count += 1
        return count

    return _timed(run, setup.keys)


def _timed(run: Callable[[], int], keys: int) -> Figures:
    idle, began, used = current_and_reset_peak(), time.perf_counter(), time.process_time()
    count = run()
    figures = Figures(time.perf_counter() - began, time.process_time() - used, peak() - idle)
    assert count == keys, count
    return figures


def _context(setup: Setup) -> Any:
    from labelyard.context import Context
    from labelyard.ledger import Ledger
    from labelyard.settings import Settings
    from labelyard.storage.store import Store

    settings = Settings(ledger=setup.ledger, store=store_settings(setup.store_url))
    return Context(settings, Ledger(setup.ledger), Store(settings.store))


# --- the turns --------------------------------------------------------------------------------------------------------


WAYS: dict[str, Callable[[Setup], Figures]] = {
    "listing": listing,
    "sweep": sweep,
    "script": script,
    "backfill": backfill,
}


def main() -> None:
    """Measure, or run one way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys in the bucket")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each way")
    parser.add_argument("--ledger", help="the URL of an empty database; by default a SQLite file in a temporary folder")
    parser.add_argument(
        "--backfill", action="store_true", help="register them in an empty ledger too, at the end, once"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=tuple(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--setup", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(asdict(WAYS[given.run](Setup(**json.loads(given.setup))))))
        return
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as folder, _server(given.keys) as url:
        setup = Setup(url, given.ledger or f"sqlite:///{folder}/ledger.db", given.keys)
        fill(setup)
        ways = ("listing", "sweep", "script") if setup.ledger.startswith("sqlite") else ("listing", "sweep")
        figures: dict[str, list[Any]] = {way: [] for way in ways}
        for _, way in turns(ways, given.rounds):
            figures[way].append(_turn(way, setup))
        if given.backfill:
            empty = Setup(url, f"sqlite:///{folder}/empty.db", given.keys)
            create_ledger(empty)
            figures["backfill"] = [_turn("backfill", empty)]
    result = _summary(figures, given.keys)
    _print(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))


@contextmanager
def _server(keys: int) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("listing_server.py")), str(keys)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(30)


def create_ledger(setup: Setup) -> None:
    """Create the ledger, with the dataset."""
    from labelyard.config import DatasetSpec
    from labelyard.ledger import Ledger, datasets, upgrade

    upgrade(setup.ledger)
    ledger = Ledger(setup.ledger)
    with ledger.transaction() as tx:
        datasets.apply(tx, DatasetSpec.model_validate(SPEC))
    ledger.close()


def fill(setup: Setup) -> None:
    """Create a ledger in which all keys are registered, in batches of 100."""
    from sqlalchemy import insert

    from labelyard.domain.naming import batch_id
    from labelyard.domain.states import BatchState
    from labelyard.ledger import Ledger
    from labelyard.ledger.tables import Batch, Object

    create_ledger(setup)
    ledger, now = Ledger(setup.ledger), datetime.now(UTC)
    step = 10_000
    for first in range(0, setup.keys, step):
        numbers = range(first, min(first + step, setup.keys))
        ids = sorted({n // IN_A_BATCH + 1 for n in numbers})
        with ledger.transaction() as tx:
            tx.execute(insert(Batch), [
                {"id": batch_id("street", number), "dataset": "street", "version": 1, "number": number,
                 "state": BatchState.EXPORTED, "objects": IN_A_BATCH, "bytes": 0, "opened_at": now,
                 "last_registered_at": now, "attempts": 0, "event_count": 1, "changed_at": now}
                for number in ids
            ])  # fmt: skip
            tx.execute(insert(Object), [
                {"dataset": "street", "bucket": BUCKET, "key": key(n), "etag": etag(n), "size": 1000,
                 "registered_at": now, "registered_via": "sqs",
                 "batch_id": batch_id("street", n // IN_A_BATCH + 1)}
                for n in numbers
            ])  # fmt: skip
    ledger.close()


def _turn(way: str, setup: Setup) -> Figures:
    command = [sys.executable, __file__, "--run", way, "--setup", json.dumps(asdict(setup))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = Figures(**json.loads(done.stdout.splitlines()[-1]))
    print(f"  {way:<9} {figures.seconds:8.1f} s, {figures.cpu_seconds:8.1f} s of CPU, {figures.memory / 1e6:6.1f} MB")
    return figures


def _summary(figures: dict[str, list[Figures]], keys: int) -> dict[str, Any]:
    middle = {way: statistics.median(one.seconds for one in done) for way, done in figures.items()}
    return {
        "keys": keys,
        "rounds": len(figures["sweep"]),
        "ways": {
            way: {
                "seconds": round(middle[way], 1),
                "keys_per_second": round(keys / middle[way]),
                "of_listing": round(middle[way] / middle["listing"], 2),
                "cpu_seconds": round(statistics.median(one.cpu_seconds for one in done), 1),
                "memory_mb": round(max(one.memory for one in done) / 1e6, 1),
            }
            for way, done in figures.items()
        },
        "sweep_beyond_listing_seconds": round(middle["sweep"] - middle["listing"], 1),
        "load": round(os.getloadavg()[0], 1),
    }


def _print(result: dict[str, Any]) -> None:
    print(f"{result['keys']:,} keys, {result['rounds']} rounds")
    print(f"{'way':<10} {'seconds':>8} {'keys/s':>9} {'of listing':>11} {'CPU s':>12} {'MB above idle':>14}")
    for way, one in result["ways"].items():
        print(
            f"{way:<10} {one['seconds']:8.1f} {one['keys_per_second']:9,} {one['of_listing']:11.2f}"
            f" {one['cpu_seconds']:12.1f} {one['memory_mb']:14.1f}"
        )
    beyond = result["sweep_beyond_listing_seconds"]
    print(f"the sweep takes {beyond} s beyond the listing (goal for 1,000,000 keys: {GOAL_SECONDS} s)")
    print(f"load of the machine at the end: {result['load']}")


if __name__ == "__main__":
    main()
