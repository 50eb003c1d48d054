"""What every parser in PARSERS must do, shown by one example of each form and by a recorded payload."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import pytest

from labelyard.errors import MessageError
from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers import PARSERS, parse_message
from tests.support.paths import RECORDINGS

ETAG = "9dd4e461268c8034f5c8564e155c67a6"
Document = dict[str, Any]
HOSTILE_KEYS = [
    "a b+c%20d&e=f.jpg", "/leading/../x//y/. ", "\x01\x1b[31m\x7f\t\r\n", "grüße/\U0001f600\u200b\u202e.png",
    '"><script>\'`$(x)', "\\..\\..\\windows", "null", "k" * 1024, "é" * 512,
]  # fmt: skip
UNSTORABLE_KEYS = ["a\0b", "k" * 1025, "é" * 513]


@dataclass(frozen=True)
class Example:
    """How a store writes one notification; `recordings` are file names of its real ones."""

    write: Callable[[str, bool], Document]
    irrelevant: Document
    recordings: str | None


def s3_record(source: str, event: str, key: str) -> Document:
    fields = {"key": key, "eTag": ETAG, "size": 17}
    return {"eventSource": source, "eventName": event, "s3": {"bucket": {"name": "pictures"}, "object": fields}}


def s3(source: str, prefix: str = "", encode: Callable[[str], str] = quote_plus) -> Callable[[str, bool], Document]:
    def write(key: str, deleted: bool) -> Document:
        event = "ObjectRemoved:Delete" if deleted else "ObjectCreated:Put"
        return {"Records": [s3_record(source, prefix + event, encode(key))]}

    return write


def eventbridge(key: str, deleted: bool) -> Document:
    detail = {"bucket": {"name": "pictures"}, "object": {"key": key, "etag": ETAG, "size": 17}}
    return {"detail-type": "Object Deleted" if deleted else "Object Created", "source": "aws.s3", "detail": detail}


def sns(key: str, deleted: bool) -> Document:
    return {"Type": "Notification", "Message": json.dumps(s3("aws:s3")(key, deleted))}


EXAMPLES = {
    "ceph": Example(
        s3("ceph:s3", encode=str), s3_record("ceph:s3", "ObjectSynced:Create", "a"), "ceph-*__http_Put.json"
    ),
    "minio": Example(s3("minio:s3", "s3:"), s3_record("minio:s3", "s3:ObjectAccessed:Get", "a"), None),
    "eventbridge": Example(
        eventbridge, {**eventbridge("a", False), "detail-type": "Object Tags Added"}, "moto-*__eventbridge_Put.json"
    ),
    "s3_compatible": Example(
        s3("store-node-3:s3", encode=str), s3_record("store-node-3:s3", "ObjectTagging:Put", "a"), None
    ),
    "aws_s3": Example(s3("aws:s3"), {"Service": "Amazon S3", "Event": "s3:TestEvent"}, "localstack-*__sqs_Put.json"),
    "sns": Example(
        sns, {"Type": "SubscriptionConfirmation", "Message": "Confirm…"}, "localstack-*__sns_envelope_Put.json"
    ),
}
each_parser = pytest.mark.parametrize("name", PARSERS)


def parse(document: Document) -> ParsedMessage:
    return parse_message(json.dumps(document).encode())


def recognised_by(document: Document) -> str:
    return next(name for name, parser in PARSERS.items() if parser.recognises(document))


def test_every_parser_has_an_example() -> None:
    assert set(EXAMPLES) == set(PARSERS)


@each_parser
def test_its_documents_are_recognised_by_it_and_by_no_parser_before_it(name: str) -> None:
    document = EXAMPLES[name].write("a", False)
    records = document.get("Records", [document])
    assert [recognised_by(record) for record in records] == [name]


@each_parser
def test_a_creation_is_parsed(name: str) -> None:
    parsed = parse(EXAMPLES[name].write("in/a b.jpg", False))
    (notified,) = parsed.created
    assert (notified.object.bucket, notified.object.key, notified.object.etag) == ("pictures", "in/a b.jpg", ETAG)
    assert notified.object.size == 17
    assert parsed == ParsedMessage(created=(notified,))


@each_parser
def test_a_deletion_is_parsed_and_creates_nothing(name: str) -> None:
    parsed = parse(EXAMPLES[name].write("in/a b.jpg", True))
    assert [notified.object.key for notified in parsed.deleted] == ["in/a b.jpg"]
    assert parsed.created == parsed.rejected == ()


@each_parser
def test_an_event_that_is_neither_is_ignored_with_a_reason(name: str) -> None:
    parsed = parse(EXAMPLES[name].irrelevant)
    assert parsed == ParsedMessage(ignored=parsed.ignored)
    assert parsed.ignored


@each_parser
def test_a_folder_marker_is_ignored(name: str) -> None:
    for deleted in (False, True):
        parsed = parse(EXAMPLES[name].write("in/", deleted))
        assert parsed == ParsedMessage(ignored=("'in/': a folder marker",))


@each_parser
@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_hostile_key_is_parsed_exactly(name: str, key: str) -> None:
    for deleted in (False, True):
        parsed = parse(EXAMPLES[name].write(key, deleted))
        keys = [notified.object.key for notified in (*parsed.created, *parsed.deleted)]
        # Of a store that nobody knows there are two readings: the right one is among them.
        assert keys == [key] or (name == "s3_compatible" and key in keys and len(keys) == 2)


@each_parser
@pytest.mark.parametrize("key", UNSTORABLE_KEYS)
def test_a_key_that_cannot_be_stored_is_rejected(name: str, key: str) -> None:
    parsed = parse(EXAMPLES[name].write(key, False))
    assert parsed.created == ()
    assert len(parsed.rejected) == 1


def damaged(value: Any) -> Iterator[Any]:
    """A JSON value without each of its fields in turn, and with each replaced by values of other types."""
    if not isinstance(value, dict | list):
        return
    for index in value if isinstance(value, dict) else range(len(value)):
        for replacement in (None, 7, [], {}, "", "\ud800"):
            changed = copy.copy(value)
            changed[index] = replacement
            yield changed
        if isinstance(value, dict):
            yield {name: field for name, field in value.items() if name != index}
        for inner in damaged(value[index]):
            changed = copy.copy(value)
            changed[index] = inner
            yield changed


@each_parser
def test_a_damaged_document_is_parsed_or_raises_a_message_error(name: str) -> None:
    documents = list(damaged(EXAMPLES[name].write("in/a.jpg", False)))
    assert len(documents) > 10
    for document in documents:
        try:
            parsed = parse(document)
        except MessageError:
            continue
        assert parsed.created or parsed.ignored or parsed.rejected


@each_parser
def test_a_recorded_payload_is_recognised_and_parsed(name: str) -> None:
    pattern = EXAMPLES[name].recordings
    if pattern is None:
        assert name in ("minio", "s3_compatible"), "no server of it has been recorded yet"
        return
    (file,) = (RECORDINGS / "s3-events").glob(pattern)
    payload = json.loads(file.read_text())["payload"]
    assert recognised_by(payload.get("Records", [payload])[0]) == name
    assert [notified.object.key for notified in parse(payload).created] == ["dir/sub dir/a b+c.txt"]
