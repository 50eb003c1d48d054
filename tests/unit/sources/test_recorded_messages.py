"""Every recorded message of every producer is read as what was really put into the bucket, or deleted."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from labelyard.sources.parsers import Reading, read_message
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
"""What the recorder put, for the kinds whose note does not tell the key."""


def load(file: Path) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads(file.read_text())
    return recording


def read(recording: dict[str, Any]) -> Reading:
    return read_message(json.dumps(recording["payload"]).encode())


def kind(recording: dict[str, Any]) -> str:
    """What was done, without the transport and without the number of a second message."""
    bare = re.sub(r"^(sqs|sns_envelope|sns_raw|eventbridge|http|amqp)_", "", recording["kind"])
    return re.sub(r"_\d$", "", bare)


def real_key(recording: dict[str, Any]) -> str:
    note = recording["note"]
    if not note.startswith("key repr: "):
        return KEYS[kind(recording)]
    key: str = ast.literal_eval(note.removeprefix("key repr: "))
    return key


def tells_of_new_content(recording: dict[str, Any]) -> bool:
    said = json.dumps(recording["payload"])
    return "ObjectCreated:" in said or '"Object Created"' in said


def tells_of_a_deletion(recording: dict[str, Any]) -> bool:
    said = json.dumps(recording["payload"])
    return "ObjectRemoved:" in said or '"Object Deleted"' in said


def encodes_twice(recording: dict[str, Any]) -> bool:
    """LocalStack form-encodes keys for EventBridge, which AWS does not: nothing in its messages tells it from AWS."""
    return recording["producer"].startswith("localstack") and recording["kind"].startswith("eventbridge")


def test_all_recordings_are_here() -> None:
    assert len(FILES) == 301


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recorded_message_tells_the_object_that_was_put(file: Path) -> None:
    recording = load(file)
    reading = read(recording)
    if not tells_of_new_content(recording):
        assert reading.objects == reading.refused == ()
        assert reading.ignored
        return
    key = real_key(recording)
    if key.endswith("/"):
        assert reading.objects == ()
        assert "folder marker" in str(reading.ignored)
        return
    if encodes_twice(recording) and len(key.encode()) == 1024 and not key.isascii():
        assert "the most is 1024" in reading.refused[0].reason
        return
    (told,) = reading.objects
    assert reading.ignored is None
    assert unquote(told.object.key) == key if encodes_twice(recording) else told.object.key == key
    assert told.object.bucket == re.search(r"name\W+(rec-\d+|amqp-\d+)", json.dumps(recording["payload"]))[1]  # type: ignore[index]
    assert re.fullmatch(r"[0-9a-f]{32}(-\d+)?", told.object.etag)
    assert isinstance(told.object.size, int)
    assert told.time is not None
    assert told.time.year == 2026


DELETIONS = [file for file in FILES if tells_of_a_deletion(load(file))]
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
def test_a_recorded_deletion_tells_the_key_that_was_deleted(file: Path) -> None:
    recording = load(file)
    reading = read(recording)
    (told,) = reading.removed
    assert reading.objects == reading.refused == ()
    assert told.object.key in {DELETED.get(kind(recording))} | {"a", "dir/empty", "mp.bin"}
    assert told.object.bucket in json.dumps(recording["payload"])
    assert told.event in str(reading.ignored)
    assert (told.object.version_id is not None) or "Delete_version" not in file.stem


@pytest.mark.parametrize("file", [f for f in FILES if f not in DELETIONS], ids=lambda file: file.stem)
def test_nothing_else_tells_of_a_deletion(file: Path) -> None:
    assert read(load(file)).removed == ()


@pytest.mark.parametrize(
    "file", [f for f in FILES if "Body" in load(f)["transport_message"]], ids=lambda file: file.stem
)
def test_the_bytes_on_the_wire_are_read_as_the_payload_is(file: Path) -> None:
    recording = load(file)
    assert read_message(recording["transport_message"]["Body"].encode()) == read(recording)


def test_all_producers_and_transports_agree_on_a_key() -> None:
    told: dict[str, set[str]] = {}
    for recording in map(load, FILES):
        if encodes_twice(recording):
            continue
        for one in read(recording).objects:
            told.setdefault(kind(recording), set()).add(one.object.key)
    assert len(told) > 25
    assert {what: keys for what, keys in told.items() if len(keys) != 1} == {}


def test_only_a_sequencer_of_aws_is_kept() -> None:
    kept = {(r["producer"][:4], bool(o.sequencer)) for r in map(load, FILES) for o in read(r).objects}
    assert ("ceph", True) not in kept
    assert ("loca", True) in kept


def test_a_version_id_is_kept_where_it_says_something() -> None:
    versions = {o.object.version_id for r in map(load, FILES) for o in read(r).objects}
    assert None in versions
    assert len(versions) > 10
    assert not versions & {"", "null"}


@pytest.mark.parametrize("file", [f for f in FILES if "TestEvent" in f.stem], ids=lambda file: file.stem)
def test_a_test_event_is_ignored_with_its_name(file: Path) -> None:
    reading = read(load(file))
    assert reading.objects == ()
    assert "s3:TestEvent" in str(reading.ignored)
