"""The command `labelyard message`."""

from __future__ import annotations

import json

from tests.support.machine import Machine
from tests.support.paths import recorded_payload


def test_message_prints_a_parsed_notification_as_json(machine: Machine) -> None:
    (machine.folder / "m.json").write_bytes(recorded_payload("localstack-2026.3.0__sns_envelope_Put_key_plus"))
    done = machine.call("message", "m.json", "--json")
    assert done.exit_code == 0
    parsed = json.loads(done.stdout)
    assert parsed["ignored"] == []
    (one,) = parsed["created"]
    assert (one["key"], one["size"], len(one["etag"])) == ("n/a+b", 1, 32)
    assert one["bucket"].startswith("rec-")
    assert set(one) == {"bucket", "key", "etag", "size", "version_id", "event", "time", "source", "sequencer"}


def test_message_reads_standard_input_and_escapes_control_characters(machine: Machine) -> None:
    done = machine.run("message", "-", stdin=recorded_payload("ceph-rgw-16.2.15__http_Put_key_ctrl"))
    assert done.returncode == 0
    assert rb"n/a\x01b" in done.stdout
    assert b"\x01" not in done.stdout


def test_message_prints_why_a_notification_is_ignored(machine: Machine) -> None:
    done = machine.call("message", "--json", "-", stdin=recorded_payload("moto-5.2.5__sqs_TestEvent"))
    assert (done.exit_code, json.loads(done.stdout)["created"]) == (0, [])
    assert "s3:TestEvent" in json.loads(done.stdout)["ignored"][0]


def test_message_prints_a_deletion_as_deleted_and_ignored(machine: Machine) -> None:
    deletion = recorded_payload("localstack-2026.3.0__sqs_DeleteMarkerCreated")
    parsed = json.loads(machine.call("message", "--json", "-", stdin=deletion).stdout)
    assert (parsed["created"], parsed["rejected"]) == ([], [])
    assert parsed["ignored"] == ["'ObjectRemoved:DeleteMarkerCreated': no new content"]
    (one,) = parsed["deleted"]
    assert (one["key"], one["event"]) == ("ver.txt", "ObjectRemoved:DeleteMarkerCreated")
    assert "'ver.txt'" in machine.call("message", "-", stdin=deletion).stdout


def test_message_exits_with_status_1_if_a_part_cannot_be_parsed(machine: Machine) -> None:
    done = machine.run("message", "-", stdin=b"hello")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"not JSON" in done.stderr
    assert b"Traceback" not in done.stderr
    done = machine.call("message", "-", "--json", stdin=b'{"Records": [7]}')
    assert done.exit_code == 1
    assert "a number" in json.loads(done.stdout)["rejected"][0]["reason"]
