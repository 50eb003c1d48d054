"""`labelyard message`, `labelyard notifications` and `labelyard watch` as a person starts them."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cheroot.wsgi import Server
from flask import Flask, request

from labelyard.ledger.tables import DeadLetter, Object
from tests.support.machine import LABELYARD, Machine
from tests.support.paths import RECORDINGS
from tests.support.waiting import eventually

MESSAGES = RECORDINGS / "s3-events"


def payload(name: str) -> bytes:
    return json.dumps(json.loads((MESSAGES / f"{name}.json").read_text())["payload"]).encode()


# --- message ----------------------------------------------------------------------------------------------------------


def test_message_shows_as_json_how_a_notification_is_read(machine: Machine) -> None:
    (machine.folder / "m.json").write_bytes(payload("localstack-2026.3.0__sns_envelope_Put_key_plus"))
    done = machine.run("message", "m.json", "--json")
    assert done.returncode == 0
    seen = json.loads(done.stdout)
    assert seen["ignored"] is None
    (one,) = seen["objects"]
    assert (one["key"], one["size"], len(one["etag"])) == ("n/a+b", 1, 32)
    assert one["bucket"].startswith("rec-")
    assert set(one) == {"bucket", "key", "etag", "size", "version_id", "event", "time", "source", "sequencer"}


def test_message_reads_standard_input_and_shows_control_characters(machine: Machine) -> None:
    done = machine.run("message", "-", stdin=payload("ceph-rgw-16.2.15__http_Put_key_ctrl"))
    assert done.returncode == 0
    assert rb"n/a\x01b" in done.stdout
    assert b"\x01" not in done.stdout


def test_message_tells_why_a_message_is_ignored(machine: Machine) -> None:
    done = machine.run("message", "--json", "-", stdin=payload("moto-5.2.5__sqs_TestEvent"))
    assert (done.returncode, json.loads(done.stdout)["objects"]) == (0, [])
    assert "s3:TestEvent" in json.loads(done.stdout)["ignored"]


def test_message_shows_what_a_deletion_removed_and_that_it_lands_nothing(machine: Machine) -> None:
    deletion = payload("localstack-2026.3.0__sqs_DeleteMarkerCreated")
    seen = json.loads(machine.run("message", "--json", "-", stdin=deletion).stdout)
    assert (seen["objects"], seen["refused"]) == ([], [])
    assert seen["ignored"] == "'ObjectRemoved:DeleteMarkerCreated': no new content"
    (one,) = seen["removed"]
    assert (one["key"], one["event"]) == ("ver.txt", "ObjectRemoved:DeleteMarkerCreated")
    assert b"'ver.txt'" in machine.run("message", "-", stdin=deletion).stdout


def test_message_ends_with_an_error_for_what_cannot_be_read(machine: Machine) -> None:
    done = machine.run("message", "-", stdin=b"hello")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"not JSON" in done.stderr
    assert b"Traceback" not in done.stderr
    done = machine.run("message", "-", "--json", stdin=b'{"Records": [7]}')
    assert done.returncode == 1
    assert "a number" in json.loads(done.stdout)["refused"][0]["reason"]


# --- notify -----------------------------------------------------------------------------------------------------------


def test_notify_shows_then_makes_then_finds_all_fine(machine: Machine) -> None:
    server = machine.server
    bucket = server.new_bucket()
    theirs = server.new_queue()
    arn = f"arn:aws:sqs:us-east-1:000000000000:{theirs.rsplit('/', 1)[-1]}"
    other = {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectTagging:*"]}
    s3, sqs = server.boto("s3"), server.boto("sqs")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [other]})
    spec = machine.apply(bucket)
    name = f"pictures-{bucket[-6:]}"
    url = f"{server.url}/000000000000/{name}"

    shown = machine.run("notify", spec.name, LABELYARD_WATCH__QUEUE_URL=url)
    assert shown.returncode == 0, shown.stderr
    assert b"make it with" in shown.stdout
    assert shown.stdout.decode().splitlines()[-1] == f"next: labelyard notifications {spec.name} --apply"
    assert name not in str(sqs.list_queues().get("QueueUrls"))

    made = machine.run("notify", spec.name, "--apply", LABELYARD_WATCH__QUEUE_URL=url)
    assert made.returncode == 0, made.stderr
    assert made.stdout.decode().splitlines()[-1] == "next: labelyard up, or labelyard watch"
    configured = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert other["Id"] in {one["Id"] for one in configured}
    assert len(configured) == 2
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ReceiveMessageWaitTimeSeconds"] == "20"
    assert f"arn:aws:s3:::{bucket}" in attributes["Policy"]
    server.store.write(bucket, "in/a.jpg", b"x")
    server.store.write(bucket, "elsewhere/a.jpg", b"x")
    server.store.delete(bucket, "in/a.jpg")
    bodies = [m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    assert any("in/a.jpg" in body and "ObjectCreated" in body for body in bodies)
    assert any("in/a.jpg" in body and "ObjectRemoved" in body for body in bodies)
    assert not any("elsewhere" in body for body in bodies)

    again = machine.run("notify", spec.name, LABELYARD_WATCH__QUEUE_URL=url)
    assert again.returncode == 0
    assert again.stdout.count(b"fine") == 3
    assert again.stdout.decode().splitlines()[-1] == "next: labelyard up, or labelyard watch"


def test_notify_takes_a_dataset_file_and_names_the_setting_for_a_new_queue(machine: Machine) -> None:
    bucket = machine.server.new_bucket()
    (machine.folder / "cats.yaml").write_text(
        f"name: cats\nsources:\n  - bucket: {bucket}\n    prefix: in/\ntask:\n  labels: [cat]\nannotators: [ann]\n"
        "export:\n  prefix: coco/\n"
    )
    made = machine.run("notify", "cats.yaml", "--apply")
    assert made.returncode == 0, made.stderr
    assert made.stdout.decode().splitlines()[-1] == (
        f"next: write LABELYARD_WATCH__QUEUE_URL={machine.server.url}/000000000000/labelyard into .env,"
        " then labelyard up, or labelyard watch"
    )


def test_notify_leaves_all_as_it_is_where_something_stands_against_it(machine: Machine) -> None:
    server = machine.server
    bucket = server.new_bucket()
    server.notify(bucket, server.new_queue())
    spec = machine.apply(bucket)
    before = server.boto("s3").get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    done = machine.run("notify", spec.name, "--apply")
    assert done.returncode == 1
    assert b"only one for the same objects" in done.stderr
    assert server.boto("s3").get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"] == before


def test_notify_refuses_a_fifo_queue_a_missing_bucket_and_a_store_without_sqs(machine: Machine) -> None:
    spec = machine.apply(machine.server.new_bucket())
    fifo = machine.run("notify", spec.name, "--apply", LABELYARD_WATCH__QUEUE_URL="https://sqs.x/1/q.fifo")
    assert (fifo.returncode, b"FIFO" in fifo.stderr) == (1, True)
    gone = machine.run("notify", machine.apply("no-such-bucket").name)
    assert (gone.returncode, b"create the bucket" in gone.stderr) == (1, True)
    minio = {**machine.environment}
    del minio["LABELYARD_WATCH__SQS_ENDPOINT_URL"]
    machine.environment = minio
    webhook = machine.run("notify", spec.name)
    assert (webhook.returncode, b"LABELYARD_WATCH__WEBHOOK" in webhook.stderr) == (1, True)


# --- watch ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def prefect() -> Iterator[tuple[str, list[Any]]]:
    """What of Prefect's API an announcement needs, and what was announced."""
    told: list[Any] = []
    app = Flask("events")

    @app.post("/api/events")
    def events() -> tuple[str, int]:
        told.extend(request.get_json())
        return "", 204

    server = Server(("127.0.0.1", 0), app)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.bind_addr[1]}/api", told
    server.stop()
    thread.join()


def test_watch_lands_closes_announces_and_ends_cleanly(machine: Machine, prefect: tuple[str, list[Any]]) -> None:
    api, told = prefect
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
        eventually(lambda: len(told) == 1, seconds=40)
        eventually(lambda: machine.rows(DeadLetter))
        by_http = json.loads(payload("ceph-rgw-16.2.15__http_Put"))
        by_http["Records"][0]["s3"]["bucket"]["name"] = bucket
        by_http["Records"][0]["s3"]["object"]["key"] = "in/late.jpg"
        machine.server.store.write(bucket, "in/late.jpg", b"late")
        assert httpx.post(healthz.replace("healthz", "notify"), json=by_http, timeout=30).status_code == 200
        assert len(machine.rows(Object)) == 4
        health = httpx.get(healthz).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        words = process.stderr.read()
    assert health["alive"] is True
    assert {row.key for row in machine.rows(Object)} == {*keys, "in/late.jpg"}
    assert told[0]["event"] == "labelyard.batch.closed"
    assert "Traceback" not in words


def test_a_deletion_reaches_the_ledger_by_what_notify_has_made(machine: Machine) -> None:
    bucket = machine.server.new_bucket()
    spec = machine.apply(bucket)
    queue = f"{machine.server.url}/000000000000/pictures-{bucket[-6:]}"
    made = machine.run("notify", spec.name, "--apply", LABELYARD_WATCH__QUEUE_URL=queue)
    assert made.returncode == 0, made.stderr
    process = subprocess.Popen(
        [*LABELYARD, "watch", "--queue-url", queue], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=machine.folder, env=machine.environment,
    )  # fmt: skip
    with process:
        machine.server.store.write(bucket, "in/a b+c.jpg", b"x")
        eventually(lambda: len(machine.rows(Object)) == 1, seconds=40)
        machine.server.store.delete(bucket, "in/a b+c.jpg")
        eventually(lambda: machine.rows(Object)[0].deleted_at, seconds=40)
        process.terminate()
        assert process.wait(30) == 0
    assert machine.rows(Object)[0].refused == "deleted before its upload"


def test_watch_refuses_to_be_reached_without_a_token(machine: Machine) -> None:
    machine.apply("pictures")
    done = machine.run("watch", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert b"LABELYARD_WATCH__WEBHOOK_TOKEN" in done.stderr
