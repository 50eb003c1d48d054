"""Every recorded message of every producer is parsed to the object that was really written or deleted."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers import parse_message
from tests.support.paths import RECORDINGS

MESSAGES = RECORDINGS / "s3-events"
FILES = sorted(MESSAGES.glob("*.json"))
KEYS = {
    "Put": "dir/sub dir/a b+c.txt",
    "Put_zero": "dir/empty",
    "Put_folder": "dir/",
    "Put_versioned": "ver.txt",
    "Put_versioned_overwrite": "ver.txt",
    "Put_hook503_sync": "after503",
    "Put_broker": "dir/a b+c broker.txt",
    "Put_none": "dir/a b+c none.txt",
    "Put_routable": "dir/a b+c routable.txt",
    "Post": "post.txt",
    "Copy": "copy.txt",
    "CompleteMultipartUpload": "mp.bin",
}
"""The key that the recorder wrote, for the kinds whose note does not name it."""


def load(file: Path) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(file.read_text())
    return recording


def parsed(recording: dict[str, Any]) -> ParsedMessage:
    return parse_message(json.dumps(recording["payload"]).encode())


def kind(recording: dict[str, Any]) -> str:
    """The operation, without the transport and the number of a second message."""
    bare = re.sub(r"^(sqs|sns_envelope|sns_raw|eventbridge|http|amqp)_", "", recording["kind"])
    return re.sub(r"_\d$", "", bare)


def real_key(recording: dict[str, Any]) -> str:
    note = recording["note"]
    if not note.startswith("key repr: "):
        return KEYS[kind(recording)]
    key: str = ast.literal_eval(note.removeprefix("key repr: "))
    return key


def reports_a_creation(recording: dict[str, Any]) -> bool:
    payload = json.dumps(recording["payload"])
    return "ObjectCreated:" in payload or '"Object Created"' in payload


def reports_a_deletion(recording: dict[str, Any]) -> bool:
    payload = json.dumps(recording["payload"])
    return "ObjectRemoved:" in payload or '"Object Deleted"' in payload


def encodes_twice(recording: dict[str, Any]) -> bool:
    """LocalStack form-encodes keys for EventBridge, unlike AWS, and its messages look like those of AWS."""
    return recording["producer"].startswith("localstack") and recording["kind"].startswith("eventbridge")


def test_all_recordings_are_present() -> None:
    assert len(FILES) == 301


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recorded_message_is_parsed_to_the_object_that_was_written(file: Path) -> None:
    recording = load(file)
    message = parsed(recording)
    if not reports_a_creation(recording):
        assert message.created == message.rejected == ()
        assert message.ignored
        return
    key = real_key(recording)
    if key.endswith("/"):
        assert message.created == ()
        assert "folder marker" in str(message.ignored)
        return
    if encodes_twice(recording) and len(key.encode()) == 1024 and not key.isascii():
        assert "the most is 1024" in message.rejected[0].reason
        return
    (notified,) = message.created
    assert message.ignored == ()
    assert unquote(notified.object.key) == key if encodes_twice(recording) else notified.object.key == key
    assert notified.object.bucket == re.search(r"name\W+(rec-\d+|amqp-\d+)", json.dumps(recording["payload"]))[1]  # type: ignore[index]
    assert re.fullmatch(r"[0-9a-f]{32}(-\d+)?", notified.object.etag)
    assert isinstance(notified.object.size, int)
    assert notified.time is not None
    assert notified.time.year == 2026


DELETIONS = [file for file in FILES if reports_a_deletion(load(file))]
DELETED = {
    "Delete": "copy.txt",
    "Delete_version": "ver.txt",
    "DeleteMarkerCreated": "ver.txt",
    "Delete_missing": "never",
}


def test_deletions_of_all_producers_are_recorded() -> None:
    assert len(DELETIONS) == 19
    assert {load(file)["producer"].split("-")[0] for file in DELETIONS} == {"ceph", "localstack", "moto"}


@pytest.mark.parametrize("file", DELETIONS, ids=lambda file: file.stem)
def test_a_recorded_deletion_is_parsed_to_the_key_that_was_deleted(file: Path) -> None:
    recording = load(file)
    message = parsed(recording)
    (notified,) = message.deleted
    assert message.created == message.rejected == ()
    assert notified.object.key in {DELETED.get(kind(recording))} | {"a", "dir/empty", "mp.bin"}
    assert notified.object.bucket in json.dumps(recording["payload"])
    assert notified.event in str(message.ignored)
    assert (notified.object.version_id is not None) or "Delete_version" not in file.stem


@pytest.mark.parametrize("file", [f for f in FILES if f not in DELETIONS], ids=lambda file: file.stem)
def test_no_other_recording_is_parsed_to_a_deletion(file: Path) -> None:
    assert parsed(load(file)).deleted == ()


@pytest.mark.parametrize(
    "file", [f for f in FILES if "Body" in load(f)["transport_message"]], ids=lambda file: file.stem
)
def test_the_bytes_on_the_wire_are_parsed_like_the_payload(file: Path) -> None:
    recording = load(file)
    assert parse_message(recording["transport_message"]["Body"].encode()) == parsed(recording)


def test_all_producers_and_transports_agree_on_a_key() -> None:
    keys_by_kind: dict[str, set[str]] = {}
    for recording in map(load, FILES):
        if encodes_twice(recording):
            continue
        for one in parsed(recording).created:
            keys_by_kind.setdefault(kind(recording), set()).add(one.object.key)
    assert len(keys_by_kind) > 25
    assert {what: keys for what, keys in keys_by_kind.items() if len(keys) != 1} == {}


def test_only_a_sequencer_of_aws_is_kept() -> None:
    kept = {(r["producer"][:4], bool(o.sequencer)) for r in map(load, FILES) for o in parsed(r).created}
    assert ("ceph", True) not in kept
    assert ("loca", True) in kept


def test_a_version_id_is_kept_unless_it_is_null() -> None:
    versions = {o.object.version_id for r in map(load, FILES) for o in parsed(r).created}
    assert None in versions
    assert len(versions) > 10
    assert not versions & {"", "null"}


@pytest.mark.parametrize("file", [f for f in FILES if "TestEvent" in f.stem], ids=lambda file: file.stem)
def test_a_test_event_is_ignored_with_its_name(file: Path) -> None:
    message = parsed(load(file))
    assert message.created == ()
    assert "s3:TestEvent" in str(message.ignored)
