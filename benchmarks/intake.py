"""From a queue to the ledger: labelyard's watch loop, and the loop that one would write instead.

    python benchmarks/intake.py                     # 3,000 events, 5 rounds, and the time from a put to its row
    python benchmarks/intake.py --events 10000 --rounds 3 --json intake.json

An S3 and SQS emulator (MiniStack) runs as a process of its own and contains the objects. Before each turn a fresh
queue is filled with the notifications about them. Each way is a process with a fresh SQLite ledger. The ways take
turns, so that a noisy machine disturbs all of them; the medians are compared. Measured are the seconds until every
event is a committed row and its message is off the queue, and the CPU seconds of that process.

    labelyard   the watch loop: receive, HEAD each object, register it in its batch with its history, close batches
                of 100, acknowledge
    register    the same without the queue: HEAD and register, 400 events at a time
    ledger      registration alone, without the HEAD requests
    script      boto3 and sqlite3: receive ten, then for each insert a row, commit, and delete the message. It HEADs no
                object, has no batches and keeps no history
    script10    the same with ten rows in one commit and ten messages deleted at once

The latency is that of the watch loop with one put at a time: from before the put to the commit of its row, and the part
that is labelyard's own, from the moment that the message is received. (MiniStack checks every 100 ms for messages that
a long poll waits for; half of that is in the median of the first figure.)
"""

from __future__ import annotations

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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from intake_ways import WAYS, WITHOUT_QUEUE, Figures, Setup, key, message, open_context
from servers import Servers, run_servers
from turns import BUCKET, turns

from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.sources.queues.sqs import SqsQueue
from labelyard.sources.watcher import Watcher


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3000, help="messages in the queue")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--puts", type=int, default=200, help="single puts, for the latency")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as name, run_servers(Path(name, "s")) as servers:
        folder = Path(name)
        _fill_bucket(servers, given.events)
        figures = _measure(servers, folder, given.events, given.rounds)
        latencies = measure_latency(servers, folder, given.puts)
    result = _summary(figures, latencies, given.events)
    _print(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1))


def _fill_bucket(servers: Servers, events: int) -> None:
    servers.client("s3").create_bucket(Bucket=BUCKET)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: servers.store.write(BUCKET, key(number), b"x"), range(events)))


def _new_queue(servers: Servers) -> str:
    created = servers.client("sqs").create_queue(QueueName=f"queue-{uuid4().hex[:12]}")
    return str(created["QueueUrl"])


# --- events per second ------------------------------------------------------------------------------------------------


def _measure(servers: Servers, folder: Path, events: int, rounds: int) -> dict[str, list[Figures]]:
    figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for turn, way in turns(list(WAYS), rounds):
        one = _turn(servers, folder / f"{way}{turn}", way, events)
        figures[way].append(one)
        rate, cost = events / one.seconds, one.cpu_seconds / events * 1e6
        print(f"  {turn + 1} {way:<10} {rate:8,.0f}/s  {cost:8,.0f} µs of CPU each")
    return figures


def _turn(servers: Servers, folder: Path, way: str, events: int) -> Figures:
    """Run one way once, in a process of its own, with a full queue and an empty folder."""
    folder.mkdir()
    queue_url, sqs = _new_queue(servers), servers.client("sqs")
    if way not in WITHOUT_QUEUE:
        for first in range(0, events, 10):
            entries = [{"Id": str(n), "MessageBody": message(n)} for n in range(first, min(first + 10, events))]
            sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
    setup = json.dumps(asdict(Setup(servers.store_url, queue_url, str(folder), events)))
    command = [sys.executable, str(Path(__file__).with_name("intake_ways.py")), way, setup]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    assert all(int(left[name]) == 0 for name in names), left
    assert _count_rows(folder) == events
    sqs.delete_queue(QueueUrl=queue_url)
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _count_rows(folder: Path) -> int:
    (file,) = folder.glob("*.db")
    with sqlite3.connect(file) as rows:
        count: int = rows.execute("SELECT count(*) FROM object WHERE key NOT LIKE 'in/warm/%'").fetchone()[0]
        return count


# --- latency ----------------------------------------------------------------------------------------------------------


class _TimedQueue(SqsQueue):
    """Notes when it has last received messages."""

    received_at = 0.0

    def receive(self, wait_seconds: int = 20, max_messages: int = 10) -> list[Any]:
        received = super().receive(wait_seconds, max_messages)
        self.received_at = time.perf_counter()
        return received


class _TimedHandler(PipelineHandler):
    """Notes when each object was registered, and how long that took from its receipt."""

    def __init__(self, context: Any, queue: _TimedQueue) -> None:
        super().__init__(context, PrefectEvents(context.settings))
        self._queue = queue
        self.registered_at: dict[str, float] = {}
        self.own_seconds: list[float] = []
        self.progress = threading.Event()

    def register(self, notified: Any, via: str) -> None:
        super().register(notified, via)
        now = time.perf_counter()
        self.own_seconds.append(now - self._queue.received_at)
        self.registered_at.update((one.object.key, now) for one in notified)
        self.progress.set()

    def publish_events(self) -> int:
        return 0  # there is no Prefect here


def measure_latency(servers: Servers, folder: Path, puts: int) -> tuple[list[float], list[float]]:
    """Return the seconds from each put, and from the receipt of its message, to the commit of its row."""
    queue_url = _new_queue(servers)
    _notify(servers, queue_url)
    context = open_context(Setup(servers.store_url, queue_url, str(folder), 0))
    queue = _TimedQueue(queue_url, context.settings.store, servers.store_url)
    steps = _TimedHandler(context, queue)
    loop = Watcher(steps, queue)
    thread = threading.Thread(target=loop.run)
    thread.start()
    seconds, pauses = [], random.Random(1)
    for number in range(puts):
        time.sleep(pauses.uniform(0, 0.3))  # not in step with MiniStack's polling
        name = f"in/latency/{number:05d}.jpg"
        steps.progress.clear()
        began = time.perf_counter()
        servers.store.write(BUCKET, name, b"x")
        while name not in steps.registered_at:
            assert steps.progress.wait(60), name
            steps.progress.clear()
        seconds.append(steps.registered_at[name] - began)
    loop.stop()
    thread.join()
    return seconds, steps.own_seconds


def _notify(servers: Servers, queue_url: str) -> None:
    """Let the bucket send its notifications to the queue."""
    arn = f"arn:aws:sqs:us-east-1:000000000000:{queue_url.rsplit('/', 1)[-1]}"
    queues = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]
    servers.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": queues}
    )


# --- the result -------------------------------------------------------------------------------------------------------


def _summary(
    figures: dict[str, list[Figures]], latencies: tuple[list[float], list[float]], events: int
) -> dict[str, Any]:
    rates = {way: [events / one.seconds for one in done] for way, done in figures.items()}
    cost = {way: [one.cpu_seconds / events * 1e6 for one in done] for way, done in figures.items()}
    script = statistics.median(rates["script"])
    return {
        "events": events,
        "rounds": len(figures["script"]),
        "ways": {
            way: {
                "events_per_second": round(statistics.median(rates[way])),
                "best": round(max(rates[way])),
                "of_script": round(statistics.median(rates[way]) / script, 2),
                "cpu_microseconds": round(statistics.median(cost[way])),
            }
            for way in WAYS
        },
        "put_to_row_ms": _quantiles(latencies[0]),
        "received_to_row_ms": _quantiles(latencies[1]),
        "load": round(os.getloadavg()[0], 1),
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100)
    return {"puts": len(seconds), "p50": round(cuts[49] * 1e3, 1), "p99": round(cuts[98] * 1e3, 1)}


def _print(result: dict[str, Any]) -> None:
    print(f"{result['events']:,} events, {result['rounds']} rounds")
    print(f"{'way':<10} {'events/s':>9} {'best':>9} {'of script':>10} {'µs of CPU each':>15}")
    for way, one in result["ways"].items():
        print(
            f"{way:<10} {one['events_per_second']:9,} {one['best']:9,} {one['of_script']:10.2f}"
            f" {one['cpu_microseconds']:15,}"
        )
    for name in ("put_to_row_ms", "received_to_row_ms"):
        latency = result[name]
        print(f"{name}: p50 {latency['p50']}, p99 {latency['p99']} ({latency['puts']} puts, one at a time)")
    print(f"load of the machine at the end: {result['load']}")


if __name__ == "__main__":
    main()
