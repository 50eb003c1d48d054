"""The command `labelyard watch`."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from labelyard.errors import SettingsError
from labelyard.ledger.tables import DeadLetter, Object
from tests.support.http_server import serve_handler
from tests.support.machine import LABELYARD, Machine
from tests.support.paths import recorded_payload
from tests.support.waiting import eventually


@pytest.fixture
def prefect() -> Iterator[tuple[str, list[Any]]]:
    """The address of an API that accepts events, and the events that it received."""
    published: list[Any] = []

    class Events(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            published.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with serve_handler(Events) as url:
        yield f"{url}/api", published


def test_watch_registers_closes_publishes_and_stops_cleanly(machine: Machine, prefect: tuple[str, list[Any]]) -> None:
    api, published = prefect
    bucket, queue = machine.server.new_bucket(), machine.server.new_queue()
    machine.server.notify(bucket, queue)
    machine.apply(bucket, max_objects=100, quiet="1s")
    keys = ["in/a b+c.jpg", "in/ü/%20.png", "in/../x.jpg"]
    for key in [*keys, "out/no.jpg", "in/no.txt"]:
        machine.server.store.write(bucket, key, b"x")
    machine.server.boto("sqs").send_message(QueueUrl=queue, MessageBody="hello")
    process = subprocess.Popen(
        [*LABELYARD, "watch", "--queue-url", queue, "--webhook"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=machine.folder, env={**machine.environment, "PREFECT_API_URL": api},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"watching queue {queue} and http://127.0.0.1:")
        healthz = line.rsplit("; ", 1)[1].strip()
        eventually(lambda: len(machine.rows(Object)) == 3, seconds=40)
        eventually(lambda: len(published) == 1, seconds=40)
        eventually(lambda: machine.rows(DeadLetter))
        by_http = json.loads(recorded_payload("ceph-rgw-16.2.15__http_Put"))
        by_http["Records"][0]["s3"]["bucket"]["name"] = bucket
        by_http["Records"][0]["s3"]["object"]["key"] = "in/late.jpg"
        machine.server.store.write(bucket, "in/late.jpg", b"late")
        assert httpx.post(healthz.replace("healthz", "notify"), json=by_http, timeout=30).status_code == 200
        assert len(machine.rows(Object)) == 4
        health = httpx.get(healthz).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        log = process.stderr.read()
    assert health["alive"] is True
    assert {row.key for row in machine.rows(Object)} == {*keys, "in/late.jpg"}
    assert published[0]["event"] == "labelyard.batch.closed"
    assert "Traceback" not in log


def test_a_deletion_reaches_the_ledger_by_the_queue_that_notifications_created(machine: Machine) -> None:
    bucket = machine.server.new_bucket()
    spec = machine.apply(bucket)
    queue = f"{machine.server.url}/000000000000/pictures-{bucket[-6:]}"
    applied = machine.call("notifications", spec.name, "--apply", LABELYARD_WATCH__QUEUE_URL=queue)
    assert applied.exit_code == 0, applied.output
    process = subprocess.Popen(
        [*LABELYARD, "watch", "--queue-url", queue], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=machine.folder, env=machine.environment,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("watching queue")
        machine.server.store.write(bucket, "in/a b+c.jpg", b"x")
        eventually(lambda: len(machine.rows(Object)) == 1, seconds=40)
        machine.server.delete(bucket, "in/a b+c.jpg")
        eventually(lambda: machine.rows(Object)[0].deleted_at, seconds=40)
        process.terminate()
        assert process.wait(30) == 0
    assert machine.rows(Object)[0].quarantine_reason == "deleted before its upload"


def test_a_watcher_that_cannot_register_returns_its_messages_and_ends_within_the_grace_period(
    machine: Machine, prefect: tuple[str, list[Any]]
) -> None:
    api, _ = prefect
    bucket, queue = machine.server.new_bucket(), machine.server.new_queue(VisibilityTimeout="600")
    machine.apply(bucket)
    machine.server.notify(bucket, queue)
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    sqs = machine.server.boto("sqs")
    process = subprocess.Popen(
        [*LABELYARD, "watch", "--queue-url", queue], stderr=subprocess.PIPE, text=True, cwd=machine.folder,
        env={**machine.environment, "PREFECT_API_URL": api, "LABELYARD_LOG_FORMAT": "json"},
    )  # fmt: skip
    with process, closing(sqlite3.connect(machine.folder / "ledger.db", isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")  # another process holds the lock that registering needs
            eventually(lambda: _in_flight(sqs, queue) > 0, "the message to be received", seconds=40)
            stopped = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            took = time.monotonic() - stopped
        finally:
            process.kill()
        assert process.stderr is not None
        log = [json.loads(line)["message"] for line in process.stderr]
    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)["Messages"]
    assert any("in/a.jpg" in message["Body"] for message in messages)
    assert any(line.startswith("messages returned to the queue") for line in log)
    assert took < 10


def _in_flight(sqs: Any, queue: str) -> int:
    name = "ApproximateNumberOfMessagesNotVisible"
    return int(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])["Attributes"][name])


def test_watch_requires_a_token_for_a_host_that_other_machines_can_reach(machine: Machine) -> None:
    machine.apply("pictures")
    done = machine.call("watch", "--host", "0.0.0.0")
    assert isinstance(done.exception, SettingsError)
    assert "LABELYARD_WATCH__WEBHOOK_TOKEN" in done.exception.next_step
