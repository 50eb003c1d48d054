"""The command `labelyard dead-letters`: list, show, replay, discard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labelyard.errors import NotFound, StoreUnreachable
from labelyard.ledger import Ledger, dead_letters
from labelyard.ledger.tables import DeadLetter, Object
from tests.support.machine import Machine


@pytest.fixture
def bucket(machine: Machine) -> str:
    name = machine.server.new_bucket()
    machine.apply(name)
    return name


def put_letters(machine: Machine, *bodies: bytes) -> None:
    ledger = Ledger(machine.ledger_url)
    with ledger.transaction() as tx:
        for body in bodies:
            dead_letters.put(tx, body, "sqs", "some reason")
    ledger.close()


def notification(bucket: str, *keys: str, event: str = "ObjectCreated:Put") -> bytes:
    records = [
        {"eventName": event, "eventSource": "ceph:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
        for key in keys
    ]
    return json.dumps({"Records": records}).encode()


def listed(machine: Machine) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = json.loads(machine.call("dead-letters", "list", "--json").stdout)
    return letters


def test_dead_letters_are_listed_and_shown_with_escaped_control_characters(machine: Machine, bucket: str) -> None:
    assert "no dead letters" in machine.call("dead-letters").stdout
    put_letters(machine, b"hello\n\x1b[31mred", b"\xff\x00\x07")
    table = machine.call("dead-letters")
    assert (table.exit_code, "\x1b" in table.stdout) == (0, False)
    assert "hello" in table.stdout
    assert "some reason" in table.stdout
    first, second = listed(machine)
    assert (first["id"], first["source"], first["reason"], first["first_line"]) == (1, "sqs", "some reason", "hello")
    assert second["first_line"] == "\ufffd\x00\x07"
    shown = machine.call("dead-letters", "show", "1")
    assert shown.stdout == "hello\n\\x1b[31mred\n"
    assert "some reason" in shown.stderr
    assert machine.call("dead-letters", "show", "2").stdout == "\\xff\\x00\\x07\n"
    assert "2 messages could not be parsed or registered: labelyard dead-letters" in machine.call("status").stdout


def test_only_the_newest_of_many_dead_letters_are_listed(machine: Machine, bucket: str) -> None:
    put_letters(machine, *(b"number %d" % n for n in range(60)))
    table = machine.call("dead-letters").stdout
    assert ("number 59" in table, "number 9 " in table) == (True, False)
    assert "and 10 older ones: labelyard dead-letters list --json" in table
    assert len(listed(machine)) == 60


def test_a_replay_registers_what_can_be_parsed_now_and_keeps_the_rest_with_its_reason(
    machine: Machine, bucket: str
) -> None:
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    put_letters(
        machine,
        notification(bucket, "in/a.jpg", "in/gone.jpg", "elsewhere.jpg"),
        b"hello",
        notification(bucket, "in/a.jpg"),
    )
    replayed = machine.call("dead-letters", "replay", "--all")
    assert replayed.exit_code == 1
    assert replayed.stdout.splitlines() == [
        "1: 1 registered, 2 in no dataset or deleted",
        "2: remains: not JSON: Expecting value: line 1 column 1 (char 0) (nothing to register)",
        "3: 1 already known",
        "2 of 3 replayed",
    ]
    assert [row.key for row in machine.rows(Object)] == ["in/a.jpg"]
    assert [(line["id"], line["reason"][:8]) for line in listed(machine)] == [(2, "not JSON")]
    assert machine.call("dead-letters", "replay", "1").stdout.startswith("1: 1 already known")
    assert "replayed 20" in machine.call("dead-letters", "show", "1").stderr


def test_a_replay_registers_the_good_records_of_a_message_and_keeps_it_for_the_bad_one(
    machine: Machine, bucket: str
) -> None:
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    message = json.loads(notification(bucket, "in/a.jpg"))
    message["Records"].append(7)
    put_letters(machine, json.dumps(message).encode())
    assert (
        "remains: a record is a JSON object, this is a number (1 registered)"
        in machine.call("dead-letters", "replay", "1").stdout
    )
    assert len(listed(machine)) == 1


def test_a_single_record_and_a_deletion_are_replayed_too(machine: Machine, bucket: str) -> None:
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    put_letters(machine, json.dumps(json.loads(notification(bucket, "in/a.jpg"))["Records"][0]).encode())
    assert machine.call("dead-letters", "replay", "1").stdout.startswith("1: 1 registered")
    machine.server.delete(bucket, "in/a.jpg")
    put_letters(machine, notification(bucket, "in/a.jpg", event="ObjectRemoved:Delete"))
    assert machine.call("dead-letters", "replay", "--all").stdout.startswith("2: 1 marked as deleted")
    assert machine.rows(Object)[0].deleted_at is not None


def test_discarded_letters_are_no_longer_counted_and_stay_in_the_ledger(machine: Machine, bucket: str) -> None:
    put_letters(machine, b"garbage", b"hello", b"more of it")
    assert isinstance(machine.call("dead-letters", "discard", "1", "7").exception, NotFound)
    assert len(listed(machine)) == 3
    assert machine.call("dead-letters", "discard", "1", "3").stdout == "2 discarded\n"
    assert [line["first_line"] for line in listed(machine)] == ["hello"]
    assert "1 message could not be parsed or registered: labelyard dead-letters" in machine.call("status").stdout
    [first, _, _] = machine.rows(DeadLetter)
    assert first.discarded_at is not None
    assert machine.call("dead-letters", "discard", "1", "2").exit_code == 0
    assert machine.rows(DeadLetter)[0].discarded_at == first.discarded_at
    shown = machine.call("dead-letters", "show", "1")
    assert (shown.stdout, "discarded 20" in shown.stderr) == ("garbage\n", True)
    assert "could not be parsed or registered" not in machine.call("status").stdout
    assert machine.call("dead-letters", "replay", "--all").stdout == "0 of 0 replayed\n"


def test_while_the_store_is_unreachable_a_replay_leaves_the_letter_unchanged(machine: Machine, bucket: str) -> None:
    put_letters(machine, notification(bucket, "in/a.jpg"))
    machine.environment["LABELYARD_STORE__ENDPOINT_URL"] = "http://127.0.0.1:1"
    assert isinstance(machine.call("dead-letters", "replay", "1").exception, StoreUnreachable)
    assert [(line["id"], line["reason"]) for line in listed(machine)] == [(1, "some reason")]


def test_the_error_for_an_unknown_id_names_the_command_that_lists_the_letters(machine: Machine, bucket: str) -> None:
    missing = machine.call("dead-letters", "show", "7").exception
    assert isinstance(missing, NotFound)
    assert missing.next_step == "labelyard dead-letters"


def test_replay_requires_ids_or_all(machine: Machine, bucket: str) -> None:
    for arguments in ([], ["1", "--all"]):
        usage = machine.call("dead-letters", "replay", *arguments)
        assert (usage.exit_code, "--all" in usage.stderr) == (2, True)
