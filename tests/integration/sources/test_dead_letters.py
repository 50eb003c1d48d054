"""`labelyard dead-letters`: what could not be read is shown, and read again."""

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
            dead_letters.put(tx, body, "sqs", "it was so")
    ledger.close()


def told(bucket: str, *keys: str, event: str = "ObjectCreated:Put") -> bytes:
    records = [
        {"eventName": event, "eventSource": "ceph:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
        for key in keys
    ]
    return json.dumps({"Records": records}).encode()


def listed(machine: Machine) -> list[dict[str, Any]]:
    letters: list[dict[str, Any]] = json.loads(machine.call("dead", "--json").stdout)
    return letters


def test_letters_are_listed_and_shown_without_their_control_characters(machine: Machine, bucket: str) -> None:
    assert "no dead letters" in machine.call("dead").stdout
    put_letters(machine, b"hello\n\x1b[31mred", b"\xff\x00\x07")
    table = machine.call("dead")
    assert (table.exit_code, "\x1b" in table.stdout) == (0, False)
    assert "hello" in table.stdout
    assert "it was so" in table.stdout
    first, second = listed(machine)
    assert (first["id"], first["source"], first["reason"], first["first_line"]) == (1, "sqs", "it was so", "hello")
    assert second["first_line"] == "\ufffd\x00\x07"
    shown = machine.call("dead", "show", "1")
    assert shown.stdout == "hello\n\\x1b[31mred\n"
    assert "it was so" in shown.stderr
    assert machine.call("dead", "show", "2").stdout == "\\xff\\x00\\x07\n"
    assert "2 messages could not be read: labelyard dead-letters" in machine.call("status").stdout


def test_many_letters_are_listed_in_part(machine: Machine, bucket: str) -> None:
    put_letters(machine, *(b"number %d" % n for n in range(60)))
    table = machine.call("dead").stdout
    assert ("number 59" in table, "number 9 " in table) == (True, False)
    assert "and 10 older ones: labelyard dead-letters --json" in table
    assert len(listed(machine)) == 60


def test_what_can_be_read_now_lands_and_the_rest_stays_with_its_reason(machine: Machine, bucket: str) -> None:
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    put_letters(machine, told(bucket, "in/a.jpg", "in/gone.jpg", "elsewhere.jpg"), b"hello", told(bucket, "in/a.jpg"))
    done = machine.call("dead", "resend", "--all")
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "1: 1 landed, 2 in no dataset or deleted",
        "2: stays: not JSON: Expecting value: line 1 column 1 (char 0) (nothing to land)",
        "3: 1 known already",
        "2 of 3 are done with",
    ]
    assert [row.key for row in machine.rows(Object)] == ["in/a.jpg"]
    assert [(line["id"], line["reason"][:8]) for line in listed(machine)] == [(2, "not JSON")]
    assert machine.call("dead", "resend", "1").stdout.startswith("1: 1 known already")
    assert "sent again" in machine.call("dead", "show", "1").stderr


def test_a_message_with_one_bad_record_lands_its_others_and_stays(machine: Machine, bucket: str) -> None:
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    message = json.loads(told(bucket, "in/a.jpg"))
    message["Records"].append(7)
    put_letters(machine, json.dumps(message).encode())
    assert "stays: a record is a JSON object, this is a number (1 landed)" in machine.call("dead", "resend", "1").stdout
    assert len(listed(machine)) == 1


def test_a_single_record_and_a_deletion_are_read_too(machine: Machine, bucket: str) -> None:
    machine.server.store.write(bucket, "in/a.jpg", b"x")
    put_letters(machine, json.dumps(json.loads(told(bucket, "in/a.jpg"))["Records"][0]).encode())
    assert machine.call("dead", "resend", "1").stdout.startswith("1: 1 landed")
    machine.server.store.delete(bucket, "in/a.jpg")
    put_letters(machine, told(bucket, "in/a.jpg", event="ObjectRemoved:Delete"))
    assert machine.call("dead", "resend", "--all").stdout.startswith("2: 1 noted as deleted")
    assert machine.rows(Object)[0].deleted_at is not None


def test_what_is_of_no_use_is_discarded_and_kept_in_the_ledger(machine: Machine, bucket: str) -> None:
    put_letters(machine, b"garbage", b"hello", b"more of it")
    assert isinstance(machine.call("dead", "discard", "1", "7").exception, NotFound)
    assert len(listed(machine)) == 3
    assert machine.call("dead", "discard", "1", "3").stdout == "2 discarded\n"
    assert [line["first_line"] for line in listed(machine)] == ["hello"]
    assert "1 message could not be read: labelyard dead-letters" in machine.call("status").stdout
    [first, _, _] = machine.rows(DeadLetter)
    assert first.discarded_at is not None
    assert machine.call("dead", "discard", "1", "2").exit_code == 0
    assert machine.rows(DeadLetter)[0].discarded_at == first.discarded_at
    shown = machine.call("dead", "show", "1")
    assert (shown.stdout, "discarded 20" in shown.stderr) == ("garbage\n", True)
    assert "could not be read" not in machine.call("status").stdout
    assert machine.call("dead", "resend", "--all").stdout == "0 of 0 are done with\n"


def test_while_the_store_is_away_a_letter_is_left_as_it_was(machine: Machine, bucket: str) -> None:
    put_letters(machine, told(bucket, "in/a.jpg"))
    machine.environment["LABELYARD_STORE__ENDPOINT_URL"] = "http://127.0.0.1:1"
    assert isinstance(machine.call("dead", "resend", "1").exception, StoreUnreachable)
    assert [(line["id"], line["reason"]) for line in listed(machine)] == [(1, "it was so")]


def test_a_letter_that_does_not_exist_is_named_with_the_command_that_lists_them(machine: Machine, bucket: str) -> None:
    missing = machine.call("dead", "show", "7").exception
    assert isinstance(missing, NotFound)
    assert missing.next_step == "labelyard dead-letters"


def test_resend_wants_to_know_what_to_send(machine: Machine, bucket: str) -> None:
    for words in ([], ["1", "--all"]):
        refused = machine.call("dead", "resend", *words)
        assert (refused.exit_code, "--all" in refused.stderr) == (2, True)
