"""The ways to take notifications from a queue into a ledger that `intake.py` compares.

Each runs in a process of its own (`python benchmarks/intake_ways.py WAY SETUP`), which prints its figures as JSON.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports only what it needs, so that it starts like a program of its own
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from turns import BUCKET, SPEC

EVENTS_AT_ONCE = 400


@dataclass(frozen=True)
class Setup:
    """The input of a way: the emulator, a full queue, an empty folder, and the number of events."""

    store_url: str
    queue_url: str
    folder: str
    events: int


@dataclass(frozen=True)
class Figures:
    """Seconds until every event was a row and its message off the queue, and the process's CPU seconds meanwhile."""

    seconds: float
    cpu_seconds: float


def key(number: int) -> str:
    """Return the key of the n-th object: frames of four cameras in turn."""
    return f"in/camera {number % 4}/{number // 4:06d}.jpg"


def message(number: int) -> str:
    """Return the notification about the n-th object, as MiniStack writes it."""
    content = {"key": quote_plus(key(number), safe="/"), "size": 1, "eTag": "9dd4e461268c8034f5c8564e155c67a6"}
    record = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-23T09:10:42.407Z", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {**content, "sequencer": f"{number:016X}"}},
    }  # fmt: skip
    return json.dumps({"Records": [record]})


def open_context(setup: Setup) -> Any:
    """Create a ledger with the dataset in the setup's folder, and return labelyard's context."""
    from servers import store_settings

    from labelyard.config import DatasetSpec
    from labelyard.context import Context
    from labelyard.domain.objects import StoredObject
    from labelyard.ledger import Ledger, datasets, objects, upgrade
    from labelyard.settings import Settings
    from labelyard.storage.store import Store

    url = f"sqlite:///{setup.folder}/ledger.db"
    upgrade(url)
    settings = Settings(ledger=url, store=store_settings(setup.store_url))
    context = Context(settings, Ledger(url), Store(settings.store))
    spec = DatasetSpec.model_validate(SPEC)
    with context.ledger.transaction() as tx:
        datasets.apply(tx, spec)
        # A watcher runs for weeks: its SQL statements are compiled before the clock starts.
        warm = [StoredObject(BUCKET, f"in/warm/{n}.jpg", "e", 1) for n in range(150)]
        objects.register(tx, spec, warm, "sqs")
    return context


# --- the ways ---------------------------------------------------------------------------------------------------------


def labelyard(setup: Setup) -> Figures:
    """The watch loop over the queue, as `labelyard watch` runs it."""
    from labelyard.orchestration.events_over_rest import PrefectEvents
    from labelyard.pipeline.handle_notifications import PipelineHandler
    from labelyard.sources.queues.sqs import SqsQueue
    from labelyard.sources.watcher import Watcher

    context = open_context(setup)
    queue = SqsQueue(setup.queue_url, context.settings.store, setup.store_url)

    class Counting(PipelineHandler):
        left = setup.events

        def register(self, notified: Any, via: str) -> None:
            super().register(notified, via)
            self.left -= len(notified)
            if self.left <= 0:
                threading.Thread(target=loop.stop).start()

        def publish_events(self) -> int:
            return 0  # there is no Prefect here

    loop = Watcher(Counting(context, PrefectEvents(context.settings)), queue)
    return _timed(loop.run)


def register(setup: Setup) -> Figures:
    """HEAD and registration, without the queue."""
    from labelyard.pipeline.register_objects import register_objects

    context, events = open_context(setup), _notified_objects(setup.events)
    chunks = [events[n : n + EVENTS_AT_ONCE] for n in range(0, len(events), EVENTS_AT_ONCE)]
    return _timed(lambda: [register_objects(context, chunk, "sqs") for chunk in chunks])


def ledger(setup: Setup) -> Figures:
    """Registration, without the queue and the store."""
    from labelyard.config import DatasetSpec
    from labelyard.ledger import objects

    context, spec = open_context(setup), DatasetSpec.model_validate(SPEC)
    found = [event.object for event in _notified_objects(setup.events)]

    def run() -> None:
        for n in range(0, len(found), EVENTS_AT_ONCE):
            with context.ledger.transaction() as tx:
                objects.register(tx, spec, found[n : n + EVENTS_AT_ONCE], "sqs")

    return _timed(run)


def script(setup: Setup) -> Figures:
    """A script written in an hour: a row and a commit for each message, which is deleted then."""
    sqs, rows = _sqs(setup), _table(setup)

    def run() -> None:
        while messages := _receive(sqs, setup):
            for received in messages:
                with rows:
                    rows.execute("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", _row(received))
                sqs.delete_message(QueueUrl=setup.queue_url, ReceiptHandle=received["ReceiptHandle"])

    return _timed(run)


def script10(setup: Setup) -> Figures:
    """The same script with ten messages in one commit."""
    sqs, rows = _sqs(setup), _table(setup)

    def run() -> None:
        while messages := _receive(sqs, setup):
            with rows:
                rows.executemany("INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?)", map(_row, messages))
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=setup.queue_url, Entries=entries)

    return _timed(run)


WAYS: dict[str, Callable[[Setup], Figures]] = {
    "labelyard": labelyard, "register": register, "ledger": ledger, "script": script, "script10": script10,
}  # fmt: skip
WITHOUT_QUEUE = ("register", "ledger")


def _timed(run: Callable[[], object]) -> Figures:
    began, used = time.perf_counter(), time.process_time()
    run()
    return Figures(time.perf_counter() - began, time.process_time() - used)


def _notified_objects(events: int) -> list[Any]:
    from labelyard.sources.parsers import parse_message

    return [event for n in range(events) for event in parse_message(message(n).encode()).created]


def _sqs(setup: Setup) -> Any:
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("sqs", endpoint_url=setup.store_url, **keys)


def _table(setup: Setup) -> sqlite3.Connection:
    rows = sqlite3.connect(f"{setup.folder}/script.db")
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"):
        rows.execute(statement)
    rows.execute("CREATE TABLE object (bucket TEXT, key TEXT, etag TEXT, size INTEGER, UNIQUE (bucket, key, etag))")
    return rows


def _receive(sqs: Any, setup: Setup) -> Sequence[dict[str, Any]]:
    response = sqs.receive_message(QueueUrl=setup.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    found: Sequence[dict[str, Any]] = response.get("Messages", ())
    return found


def _row(received: dict[str, Any]) -> tuple[str, str, str, int]:
    (record,) = json.loads(received["Body"])["Records"]
    content = record["s3"]["object"]
    return record["s3"]["bucket"]["name"], unquote_plus(content["key"]), content["eTag"], content["size"]


if __name__ == "__main__":
    print(json.dumps(asdict(WAYS[sys.argv[1]](Setup(**json.loads(sys.argv[2]))))))
