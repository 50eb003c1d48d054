"""A sweep of a million keys that the ledger knows: what it costs beyond listing them, and in memory.

    python benchmarks/sweep.py                         # 1,000,000 keys, SQLite
    python benchmarks/sweep.py --keys 100000 --rounds 5 --json sweep.json
    python benchmarks/sweep.py --ledger postgresql://user:password@host/database

A server makes the pages of a listing as they are asked for, in a process of its own (tests/listing_server.py).
The ledger is filled by bulk insert, in batches of 100. Each way is a process, and they take turns:

    listing     what labelyard's store needs to list them, and nothing else
    sweep       labelyard's sweep: the same listing, and every key looked for in the ledger; nothing is new
    script      what somebody would write instead: boto3's listing, and for each key a SELECT with sqlite3
    backfill    (with --backfill) all of them land in an empty ledger

Memory is the process's peak above what it held before.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports what it needs, and only that, in a process of its own
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

from measuring import memory, peak

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

BUCKET = "incoming"
IN_A_BATCH = 100
GOAL_SECONDS = 60
SPEC = {
    "name": "street",
    "sources": [{"bucket": BUCKET, "prefix": "in/"}],
    "annotators": ["ann"],
    "batch": {"max_objects": IN_A_BATCH},
    "task": {"labels": ["car"]},
    "export": {"prefix": "out"},
}


@dataclass(frozen=True)
class Place:
    """What a way needs to know: where the listing is, the ledger, and how many keys there are."""

    url: str
    ledger: str
    keys: int


@dataclass(frozen=True)
class Figures:
    """Seconds, the processor seconds of the process meanwhile, and its peak memory above the beginning's, in bytes."""

    seconds: float
    processor: float
    memory: int


# --- the ways ---------------------------------------------------------------------------------------------------------


def listing(context: Place) -> Figures:
    """List them."""
    lease = _workplace(context)
    return _timed(lambda: sum(1 for _ in lease.store.list(BUCKET, "in/")), context.keys)


def sweep(context: Place) -> Figures:
    """The sweep, as flows/sweep_sources calls it."""
    from labelyard.pipeline.register_objects import sweep_sources as swept

    lease = _workplace(context)
    return _timed(lambda: swept(lease).registered["street"].known, context.keys)


def backfill(context: Place) -> Figures:
    """All of them land."""
    from labelyard.operations.backfill import backfill as backfilled

    lease = _workplace(context)
    return _timed(lambda: sum(chunk.new for chunk in backfilled(lease, "street")), context.keys)


def script(context: Place) -> Figures:
    """A SELECT for each key."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    pages = boto3.client("s3", endpoint_url=context.url, **keys).get_paginator("list_objects_v2")
    rows = sqlite3.connect(context.ledger.removeprefix("sqlite:///"))
    known = "SELECT 1 FROM object WHERE dataset = 'street' AND bucket = ? AND key = ? AND etag = ?"

    def run() -> int:
        count = 0
        for page in pages.paginate(Bucket=BUCKET, Prefix="in/"):
            for found in page["Contents"]:
                if rows.execute(known, (BUCKET, found["Key"], found["ETag"].strip('"'))).fetchone():
                    count += 1
        return count

    return _timed(run, context.keys)


def _timed(run: Callable[[], int], keys: int) -> Figures:
    idle, began, used = memory(), time.perf_counter(), time.process_time()
    count = run()
    figures = Figures(time.perf_counter() - began, time.process_time() - used, peak() - idle)
    assert count == keys, count
    return figures


def _workplace(context: Place) -> Any:
    from labelyard.context import Context
    from labelyard.ledger import Ledger
    from labelyard.settings import Settings
    from labelyard.storage import Store

    at = {"endpoint_url": context.url, "region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}
    settings = Settings(ledger=context.ledger, store={**at, "addressing_style": "path"})
    return Context(settings, Ledger(context.ledger), Store(settings.store))


# --- the turns --------------------------------------------------------------------------------------------------------


RUNS: dict[str, Callable[[Place], Figures]] = {
    "listing": listing,
    "sweep": sweep,
    "script": script,
    "backfill": backfill,
}


def main() -> None:
    """Measure, or (as a process of its own) run one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys in the bucket")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each way")
    parser.add_argument("--ledger", help="a fresh ledger's address; by default an SQLite file in a temporary folder")
    parser.add_argument("--backfill", action="store_true", help="land them too, at the end, once")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=tuple(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(asdict(RUNS[given.run](Place(**json.loads(given.context))))))
        return
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as folder, _server(given.keys) as url:
        context = Place(url, given.ledger or f"sqlite:///{folder}/ledger.db", given.keys)
        fill(context)
        ways = ("listing", "sweep", "script") if context.ledger.startswith("sqlite") else ("listing", "sweep")
        figures: dict[str, list[Any]] = {way: [] for way in ways}
        for turn in range(given.rounds):
            for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
                figures[way].append(_turn(way, context))
        if given.backfill:
            empty = Place(url, f"sqlite:///{folder}/empty.db", given.keys)
            begin(empty)
            figures["backfill"] = [_turn("backfill", empty)]
    told = _summary(figures, given.keys)
    _tell(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1))


@contextmanager
def _server(keys: int) -> Iterator[str]:
    words = [sys.executable, str(ROOT / "tests" / "listing_server.py"), str(keys)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(30)


def begin(context: Place) -> None:
    """Make the ledger, and the dataset in it."""
    from labelyard.config import DatasetSpec
    from labelyard.ledger import Ledger, datasets, upgrade

    upgrade(context.ledger)
    ledger = Ledger(context.ledger)
    with ledger.transaction() as tx:
        datasets.apply(tx, DatasetSpec.model_validate(SPEC))
    ledger.close()


def fill(context: Place) -> None:
    """Make the ledger as it is after all keys landed: a row each, in batches of 100."""
    from sqlalchemy import insert

    from labelyard.domain.naming import batch_id
    from labelyard.domain.states import BatchState
    from labelyard.ledger import Ledger
    from labelyard.ledger.tables import Batch, Object
    from tests.support.listing_server import etag, numbered

    begin(context)
    ledger, now = Ledger(context.ledger), datetime.now(UTC)
    step = 10_000
    for first in range(0, context.keys, step):
        numbers = range(first, min(first + step, context.keys))
        ids = sorted({n // IN_A_BATCH + 1 for n in numbers})
        with ledger.transaction() as tx:
            tx.execute(insert(Batch), [
                {"id": batch_id("street", number), "dataset": "street", "version": 1, "number": number,
                 "state": BatchState.EXPORTED, "objects": IN_A_BATCH, "bytes": 0, "opened_at": now,
                 "last_registered_at": now, "attempts": 0, "event_count": 1, "changed_at": now}
                for number in ids
            ])  # fmt: skip
            tx.execute(insert(Object), [
                {"dataset": "street", "bucket": BUCKET, "key": numbered(n), "etag": etag(n), "size": 1000,
                 "registered_at": now, "registered_via": "sqs", "batch_id": batch_id("street", n // IN_A_BATCH + 1)}
                for n in numbers
            ])  # fmt: skip
    ledger.close()


def _turn(way: str, context: Place) -> Figures:
    words = [sys.executable, __file__, "--run", way, "--place", json.dumps(asdict(context))]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    figures = Figures(**json.loads(done.stdout.splitlines()[-1]))
    print(
        f"  {way:<9} {figures.seconds:8.1f} s, {figures.processor:8.1f} s of processor, {figures.memory / 1e6:6.1f} MB"
    )
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
                "processor_seconds": round(statistics.median(one.processor for one in done), 1),
                "memory_mb": round(max(one.memory for one in done) / 1e6, 1),
            }
            for way, done in figures.items()
        },
        "sweep_beyond_listing_seconds": round(middle["sweep"] - middle["listing"], 1),
        "load": round(os.getloadavg()[0], 1),
    }


def _tell(told: dict[str, Any]) -> None:
    print(f"{told['keys']:,} keys, {told['rounds']} rounds")
    print(f"{'way':<10} {'seconds':>8} {'keys/s':>9} {'of listing':>11} {'processor s':>12} {'MB above idle':>14}")
    for way, one in told["ways"].items():
        print(
            f"{way:<10} {one['seconds']:8.1f} {one['keys_per_second']:9,} {one['of_listing']:11.2f}"
            f" {one['processor_seconds']:12.1f} {one['memory_mb']:14.1f}"
        )
    beyond = told["sweep_beyond_listing_seconds"]
    print(f"the sweep takes {beyond} s beyond the listing (goal for 1,000,000 keys: {GOAL_SECONDS} s)")
    print(f"load of the machine at the end: {told['load']}")


if __name__ == "__main__":
    main()
