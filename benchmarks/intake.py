"""From a queue to the ledger: labelyard's watch loop, and the loop that somebody would write instead.

    python benchmarks/intake.py                     # 3,000 events, 5 rounds, and the time from a put to its row
    python benchmarks/intake.py --events 10000 --rounds 3 --json intake.json

An S3 and SQS emulator (MiniStack) runs as a process of its own. It holds the objects; before each turn a fresh queue
is filled with the messages that it would send of them. Each way is a process too, with a fresh SQLite ledger, and they
take turns, so that a noisy machine disturbs them alike; the medians are compared. Measured are the seconds until every
event is a committed row and its message is off the queue, and the processor seconds of that process.

    labelyard   the watch loop itself: receive, look at the object in the store, land it in its batch with its history,
                close batches of 100, acknowledge
    landing     the same without the queue: look and land, 400 events at a time
    ledger      landing alone, without a look at the store
    script      boto3 and sqlite3: receive ten, insert a row and commit, delete the message, one by one. It looks at no
                object, knows no batches and keeps no history
    script10    the same, more cleverly: ten rows in one commit, ten messages deleted at once

The latency is taken of the watch loop with one put at a time: from before the put to the commit of its row, and the
part of it that is labelyard's own, from the moment that the queue hands the message out (MiniStack looks every 100 ms
for messages that a long poll waits for: half of that is in the first figure's middle).
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports what it needs, and only that, in a process of its own
import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

BUCKET = "incoming"
WAYS = ("labelyard", "landing", "ledger", "script", "script10")
SPEC = {
    "name": "street",
    "sources": [{"bucket": BUCKET, "prefix": "in/"}],
    "annotators": ["ann"],
    "batch": {"max_objects": 100},
    "task": {"labels": ["car"]},
    "export": {"prefix": "out"},
}
BURST = 400


@dataclass(frozen=True)
class Place:
    """What a way needs to know: the emulator, the queue, a folder of its own, and how many events there are."""

    url: str
    queue: str
    folder: str
    events: int


@dataclass(frozen=True)
class Figures:
    """Seconds until every event was a row and off the queue, and the processor seconds of the process meanwhile."""

    seconds: float
    processor: float


def key(number: int) -> str:
    """The key of an object: the frames of cameras, as they come in."""
    return f"in/camera {number % 4}/{number // 4:06d}.jpg"


# --- the ways ---------------------------------------------------------------------------------------------------------


def labelyard(context: Place) -> Figures:
    """The watch loop over the queue, as `labelyard watch` runs it."""
    from labelyard.pipeline.handle_notifications import PipelineHandler
    from labelyard.sources.queues.sqs import SqsQueue
    from labelyard.sources.watcher import Watcher

    lease = _workplace(context)
    queue = SqsQueue(context.queue, lease.settings.store, context.url)

    class Counting(PipelineHandler):
        left = context.events

        def register(self, notified: Any, via: str) -> None:
            super().register(notified, via)
            self.left -= len(notified)
            if self.left <= 0:
                threading.Thread(target=loop.stop).start()

        def publish_events(self) -> int:
            return 0  # there is no Prefect here

    loop = Watcher(Counting(lease), queue)
    return _timed(loop.run)


def landing(context: Place) -> Figures:
    """Look and land, without the queue."""
    from labelyard.pipeline.register_objects import register_objects

    lease, told = _workplace(context), _told(context.events)
    return _timed(lambda: [register_objects(lease, told[n : n + BURST], "sqs") for n in range(0, len(told), BURST)])


def ledger(context: Place) -> Figures:
    """Landing, without the store."""
    from labelyard.config import DatasetSpec
    from labelyard.ledger import objects

    lease, spec = _workplace(context), DatasetSpec.model_validate(SPEC)
    found = [one.object for one in _told(context.events)]

    def run() -> None:
        for n in range(0, len(found), BURST):
            with lease.ledger.transaction() as tx:
                objects.register(tx, spec, found[n : n + BURST], "sqs")

    return _timed(run)


def script(context: Place) -> Figures:
    """What somebody writes in an hour: a row and a commit for each message, then it is deleted."""
    sqs, rows = _sqs(context), _table(context)

    def run() -> None:
        while messages := _received(sqs, context):
            for message in messages:
                with rows:
                    rows.execute("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", _row(message))
                sqs.delete_message(QueueUrl=context.queue, ReceiptHandle=message["ReceiptHandle"])

    return _timed(run)


def script10(context: Place) -> Figures:
    """The same, ten at a time."""
    sqs, rows = _sqs(context), _table(context)

    def run() -> None:
        while messages := _received(sqs, context):
            with rows:
                rows.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", map(_row, messages))
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=context.queue, Entries=entries)

    return _timed(run)


def _timed(run: Callable[[], object]) -> Figures:
    began, used = time.perf_counter(), time.process_time()
    run()
    return Figures(time.perf_counter() - began, time.process_time() - used)


def _workplace(context: Place) -> Any:
    from labelyard.config import DatasetSpec
    from labelyard.context import Context
    from labelyard.domain.objects import StoredObject
    from labelyard.ledger import Ledger, datasets, objects, upgrade
    from labelyard.settings import Settings
    from labelyard.storage import Store

    url = f"sqlite:///{context.folder}/ledger.db"
    upgrade(url)
    at = {"endpoint_url": context.url, "region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}
    settings = Settings(ledger=url, store={**at, "addressing_style": "path"})
    lease = Context(settings, Ledger(url), Store(settings.store))
    spec = DatasetSpec.model_validate(SPEC)
    with lease.ledger.transaction() as tx:
        datasets.apply(tx, spec)
        # A watcher runs for weeks: its statements are compiled before the clock starts.
        warm = [StoredObject(BUCKET, f"in/warm/{n}.jpg", "e", 1) for n in range(150)]
        objects.register(tx, spec, warm, "sqs")
    return lease


def _told(events: int) -> list[Any]:
    from labelyard.sources.parsers import parse_message

    return [notified for n in range(events) for notified in parse_message(message(n).encode()).created]


def _sqs(context: Place) -> Any:
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("sqs", endpoint_url=context.url, **keys)


def _table(context: Place) -> sqlite3.Connection:
    rows = sqlite3.connect(f"{context.folder}/script.db")
    for words in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"):
        rows.execute(words)
    rows.execute("CREATE TABLE object (bucket TEXT, key TEXT, etag TEXT, size INTEGER, UNIQUE (bucket, key, etag))")
    return rows


def _received(sqs: Any, context: Place) -> Sequence[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=context.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    found: Sequence[dict[str, Any]] = answer.get("Messages", ())
    return found


def _row(told: dict[str, Any]) -> tuple[str, str, str, int]:
    from urllib.parse import unquote_plus

    (record,) = json.loads(told["Body"])["Records"]
    thing = record["s3"]["object"]
    return record["s3"]["bucket"]["name"], unquote_plus(thing["key"]), thing["eTag"], thing["size"]


# --- the latency ------------------------------------------------------------------------------------------------------


def latency(server: Any, folder: Path, puts: int) -> tuple[list[float], list[float]]:
    """Seconds from before each put, and from its message's arrival, to the commit of its row; one put at a time."""
    from labelyard.pipeline.handle_notifications import PipelineHandler
    from labelyard.sources.queues.sqs import SqsQueue
    from labelyard.sources.watcher import Watcher

    queue = server.new_queue()
    server.notify(BUCKET, queue)
    lease = _workplace(Place(server.url, queue, str(folder), 0))
    landed: dict[str, float] = {}
    ours: list[float] = []
    arrived = threading.Event()

    class Receiving(SqsQueue):
        at = 0.0

        def receive(self, wait_seconds: int = 20, max_messages: int = 10) -> list[Any]:
            received = super().receive(wait_seconds, max_messages)
            self.at = time.perf_counter()
            return received

    class Stamping(PipelineHandler):
        def register(self, notified: Any, via: str) -> None:
            super().register(notified, via)
            now = time.perf_counter()
            ours.append(now - source.at)
            landed.update((one.object.key, now) for one in notified)
            arrived.set()

        def publish_events(self) -> int:
            return 0

    source = Receiving(queue, lease.settings.store, server.url)
    loop = Watcher(Stamping(lease), source)
    running = threading.Thread(target=loop.run)
    running.start()
    took, pause = [], random.Random(1)
    for number in range(puts):
        time.sleep(pause.uniform(0, 0.3))  # at no fixed distance from MiniStack's looks
        name = f"in/late/{number:05d}.jpg"
        arrived.clear()
        began = time.perf_counter()
        server.store.write(BUCKET, name, b"x")
        while name not in landed:
            assert arrived.wait(60), name
            arrived.clear()
        took.append(landed[name] - began)
    loop.stop()
    running.join()
    return took, ours


# --- the turns --------------------------------------------------------------------------------------------------------


RUNS: dict[str, Callable[[Place], Figures]] = {
    "labelyard": labelyard,
    "landing": landing,
    "ledger": ledger,
    "script": script,
    "script10": script10,
}


def main() -> None:
    """Measure, or (as a process of its own) run one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3000, help="messages in the queue")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--puts", type=int, default=200, help="single puts, for the latency")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(asdict(RUNS[given.run](Place(**json.loads(given.context))))))
        return
    from tests.support.emulator import run_emulator

    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as folder, run_emulator() as server:
        _fill(server, given.events)
        figures = _measure(server, Path(folder), given.events, given.rounds)
        latencies = latency(server, Path(folder), given.puts)
    told = _summary(figures, latencies, given.events)
    _tell(told)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1))


def _fill(server: Any, events: int) -> None:
    server.boto("s3").create_bucket(Bucket=BUCKET)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: server.store.write(BUCKET, key(number), b"x"), range(events)))


def message(number: int) -> str:
    """The notification of one object, as MiniStack writes it."""
    thing = {"key": quote_plus(key(number), safe="/"), "size": 1, "eTag": "9dd4e461268c8034f5c8564e155c67a6"}
    record = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-23T09:10:42.407Z", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {**thing, "sequencer": f"{number:016X}"}},
    }  # fmt: skip
    return json.dumps({"Records": [record]})


def _measure(server: Any, folder: Path, events: int, rounds: int) -> dict[str, list[Figures]]:
    figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for turn in range(rounds):
        for way in WAYS[turn % len(WAYS) :] + WAYS[: turn % len(WAYS)]:
            figures[way].append(_turn(server, folder / f"{way}{turn}", way, events))
            done = figures[way][-1]
            rate, cost = events / done.seconds, done.processor / events * 1e6
            print(f"  {turn + 1} {way:<10} {rate:8,.0f}/s  {cost:8,.0f} µs of processor each")
    return figures


def _turn(server: Any, folder: Path, way: str, events: int) -> Figures:
    """One way, once, in a process of its own, with a full queue and an empty folder."""
    folder.mkdir()
    queue, sqs = server.new_queue(), server.boto("sqs")
    if way not in ("landing", "ledger"):
        for first in range(0, events, 10):
            entries = [{"Id": str(n), "MessageBody": message(n)} for n in range(first, min(first + 10, events))]
            sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    context = json.dumps(asdict(Place(server.url, queue, str(folder), events)))
    words = [sys.executable, __file__, "--run", way, "--place", context]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert all(int(left[name]) == 0 for name in names), left
    assert _rows(folder) == events
    sqs.delete_queue(QueueUrl=queue)
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _rows(folder: Path) -> int:
    (file,) = folder.glob("*.db")
    with sqlite3.connect(file) as rows:
        count: int = rows.execute("SELECT count(*) FROM object WHERE key NOT LIKE 'in/warm/%'").fetchone()[0]
        return count


def _summary(
    figures: dict[str, list[Figures]], latencies: tuple[list[float], list[float]], events: int
) -> dict[str, Any]:
    rates = {way: [events / one.seconds for one in done] for way, done in figures.items()}
    cost = {way: [one.processor / events * 1e6 for one in done] for way, done in figures.items()}
    script = statistics.median(rates["script"])
    ways = {
        way: {
            "events_per_second": round(statistics.median(rates[way])),
            "best": round(max(rates[way])),
            "of_script": round(statistics.median(rates[way]) / script, 2),
            "processor_microseconds": round(statistics.median(cost[way])),
        }
        for way in WAYS
    }
    return {
        "events": events,
        "rounds": len(figures["script"]),
        "ways": ways,
        "put_to_row_ms": _quantiles(latencies[0]),
        "received_to_row_ms": _quantiles(latencies[1]),
        "load": round(os.getloadavg()[0], 1),
    }


def _quantiles(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"puts": len(took), "p50": round(cuts[49] * 1e3, 1), "p99": round(cuts[98] * 1e3, 1)}


def _tell(told: dict[str, Any]) -> None:
    print(f"{told['events']:,} events, {told['rounds']} rounds")
    print(f"{'way':<10} {'events/s':>9} {'best':>9} {'of script':>10} {'µs of processor each':>21}")
    for way, one in told["ways"].items():
        print(
            f"{way:<10} {one['events_per_second']:9,} {one['best']:9,} {one['of_script']:10.2f}"
            f" {one['processor_microseconds']:21,}"
        )
    for name in ("put_to_row_ms", "received_to_row_ms"):
        late = told[name]
        print(f"{name}: p50 {late['p50']}, p99 {late['p99']} ({late['puts']} puts, one at a time)")
    print(f"load of the machine at the end: {told['load']}")


if __name__ == "__main__":
    main()
