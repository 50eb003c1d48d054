"""Notifications that no recording contains: MinIO and AWS as documented, and malformed ones of every kind."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelyard.errors import MessageError
from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers import MAX_BODY_BYTES, parse_message

ETAG = "9dd4e461268c8034f5c8564e155c67a6"


def record(
    key: str = "a.jpg", source: str = "aws:s3", event: str = "ObjectCreated:Put", **fields: Any
) -> dict[str, Any]:
    return {
        "eventVersion": "2.3",
        "eventSource": source,
        "eventTime": "2026-11-23T09:08:30.574Z",
        "eventName": event,
        "s3": {"bucket": {"name": "pictures"}, "object": {"key": key, "eTag": ETAG, "size": 1, **fields}},
    }


def message(*records: Any) -> bytes:
    return json.dumps({"Records": records}).encode()


def eventbridge(key: str) -> bytes:
    return json.dumps({
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-11-23T09:07:05Z",
        "detail": {
            "bucket": {"name": "pictures"},
            "object": {"key": key, "etag": ETAG, "size": 1, "version-id": "v1", "sequencer": "00AB"},
            "reason": "PutObject",
        },
    }).encode()  # fmt: skip


def envelope(body: bytes) -> bytes:
    return json.dumps({"Type": "Notification", "MessageId": "1", "Message": body.decode()}).encode()


def test_minio_sends_prefixed_event_names_and_no_size_for_an_empty_object() -> None:
    one = record("dir%2Fa+b%2Bc.jpg", "minio:s3", "s3:ObjectCreated:Put", sequencer="17C8")
    del one["s3"]["object"]["size"]
    (notified,) = parse_message(
        json.dumps({"EventName": "s3:ObjectCreated:Put", "Key": "pictures/dir/a b+c.jpg", "Records": [one]}).encode()
    ).created
    assert (notified.object.key, notified.object.size, notified.object.etag) == ("dir/a b+c.jpg", None, ETAG)
    assert (notified.event, notified.source, notified.sequencer) == ("ObjectCreated:Put", "minio:s3", None)


@pytest.mark.parametrize("source", ["ceph:s3", "ceph:s3.zone.bucket"])
def test_ceph_sends_unencoded_keys_and_sometimes_sizes_as_text(source: str) -> None:
    (notified,) = parse_message(message(record("a+b%20c", source, size="17"))).created
    assert (notified.object.key, notified.object.size) == ("a+b%20c", 17)


@pytest.mark.parametrize("size", [-1, True, "many", "9" * 40, 10**30, 1.5, None, [], "１"])  # noqa: RUF001 - not ASCII
def test_an_implausible_size_is_dropped(size: object) -> None:
    (notified,) = parse_message(message(record(size=size))).created
    assert notified.object.size is None


@pytest.mark.parametrize(
    ("etag", "parsed_etag"), [(f'"{ETAG}"', ETAG), (f"{ETAG}-17", f"{ETAG}-17"), ("", ""), (None, ""), (7, "")]
)
def test_an_etag_is_unquoted_or_empty(etag: object, parsed_etag: str) -> None:
    (notified,) = parse_message(message(record(eTag=etag))).created
    assert notified.object.etag == parsed_etag


def test_a_record_without_its_optional_fields_is_parsed() -> None:
    bare = {"eventName": "ObjectCreated:Copy", "s3": {"bucket": {"name": "pictures"}, "object": {"key": "a%2Bb"}}}
    (notified,) = parse_message(message(bare)).created
    assert (notified.object.bucket, notified.object.key, notified.object.etag, notified.object.version_id) == (
        "pictures",
        "a+b",
        "",
        None,
    )
    assert (notified.time, notified.sequencer, notified.source) == (None, None, "aws:s3")


@pytest.mark.parametrize("wrong", ["yesterday", 17, None, "2026-99-99T00:00:00Z"])
def test_a_malformed_time_does_not_lose_the_object(wrong: object) -> None:
    (notified,) = parse_message(message({**record(), "eventTime": wrong})).created
    assert notified.time is None


@pytest.mark.parametrize(
    "event",
    ["ObjectRemoved:Delete", "ObjectTagging:Put", "ObjectAcl:Put", "ObjectRestore:Completed", "ObjectSynced:Create",
     "s3:ObjectAccessed:Get", "ObjectCreated:PutRetention", "ObjectCreated", "Nonsense"],
)  # fmt: skip
def test_an_event_without_new_content_creates_nothing(event: str) -> None:
    parsed = parse_message(message(record(event=event)))
    assert parsed.created == ()
    assert event.removeprefix("s3:") in str(parsed.ignored)


@pytest.mark.parametrize(
    ("event", "source"),
    [
        ("ObjectRemoved:Delete", "aws:s3"),
        ("ObjectRemoved:DeleteMarkerCreated", "aws:s3"),
        ("LifecycleExpiration:Delete", "aws:s3"),
        ("s3:ObjectRemoved:Delete", "minio:s3"),
        ("s3:ObjectRemoved:NoOP", "minio:s3"),
        ("ObjectRemoved:Delete", "ceph:s3"),
        ("ObjectLifecycle:Expiration:Current", "ceph:s3"),
    ],
)
def test_deletion_events_of_every_store_are_parsed(event: str, source: str) -> None:
    body = record("a b+c" if source == "ceph:s3" else "a+b%2Bc", source, event)
    del body["s3"]["object"]["eTag"], body["s3"]["object"]["size"]
    parsed = parse_message(message(body))
    assert [(one.object.key, one.object.etag) for one in parsed.deleted] == [("a b+c", "")]
    assert parsed.created == parsed.rejected == ()
    assert "no new content" in str(parsed.ignored)


def test_a_deletion_from_eventbridge_is_parsed() -> None:
    (notified,) = parse_message(eventbridge("a+b").replace(b"Object Created", b"Object Deleted")).deleted
    assert (notified.object.key, notified.object.version_id, notified.event) == (
        "a+b",
        "v1",
        "Object Deleted (PutObject)",
    )


def test_one_message_may_contain_creations_and_deletions() -> None:
    parsed = parse_message(
        message(
            record("old", event="ObjectRemoved:Delete"), record("new"), record("dir/", event="ObjectRemoved:Delete")
        )
    )
    assert [one.object.key for one in parsed.created] == ["new"]
    assert [one.object.key for one in parsed.deleted] == ["old"]
    assert "folder marker" in str(parsed.ignored)


def test_a_single_record_is_a_message_too() -> None:
    (notified,) = parse_message(json.dumps(record("a%2Bb")).encode()).created
    assert notified.object.key == "a+b"


@pytest.mark.parametrize("how", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_all_four_kinds_of_writes_create_objects(how: str) -> None:
    assert len(parse_message(message(record(event=f"ObjectCreated:{how}"))).created) == 1


def test_a_message_without_records_is_ignored() -> None:
    assert parse_message(message()) == ParsedMessage(ignored=("no records",))


def test_a_subscription_confirmation_of_sns_is_ignored() -> None:
    body = json.dumps({"Type": "SubscriptionConfirmation", "Message": "You have chosen…", "Token": "t"}).encode()
    assert "SubscriptionConfirmation" in str(parse_message(body).ignored)


def test_an_eventbridge_event_is_parsed_inside_an_sns_envelope() -> None:
    (notified,) = parse_message(envelope(eventbridge("a+b"))).created
    assert (notified.object.key, notified.object.version_id, notified.sequencer) == ("a+b", "v1", "00ab")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({}, "no notification of a known form"),
        (7, "a record is a JSON object, this is a number"),
        ({**record(), "s3": None}, "s3 is null"),
        ({**record(), "eventSource": 7}, "eventSource is a number"),
        (record(key=""), "key is empty"),
        (record(key="%ff"), "not form-encoded UTF-8"),
        (record(key="\ud800", source="ceph:s3"), "not UTF-8"),
        (record(key="a%00b"), "NUL"),
        (record(key="k" * 1025), "1025 bytes"),
        (record(key="é" * 513, source="ceph:s3"), "1026 bytes"),
        ({**record(), "s3": {"bucket": {}, "object": {"key": "a"}}}, "name is missing"),
        ({**record(), "s3": {"bucket": {"name": ["b"]}, "object": {"key": "a"}}}, "name is a list"),
    ],
)
def test_a_malformed_record_is_rejected_and_its_neighbours_are_parsed(bad: Any, reason: str) -> None:
    parsed = parse_message(message(record("first"), bad, record(event="ObjectRemoved:Delete"), record("last")))
    assert [notified.object.key for notified in parsed.created] == ["first", "last"]
    assert "ObjectRemoved:Delete" in str(parsed.ignored)
    (rejected,) = parsed.rejected
    assert reason in rejected.reason
    assert json.loads(rejected.body) == json.loads(json.dumps(bad))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "an empty message"),
        (b" \n", "an empty message"),
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "this is empty"),
        (b"7", "this is a number"),
        (b"null", "this is null"),
        (b'"Records"', "this is text"),
        (b"{}", "no notification of a known form"),
        (b'{"Records": {"a": 1}}', "Records is a JSON object, not a list"),
        (b'{"Records": null}', "Records is null, not a list"),
        (b'{"Type": "Notification", "Message": "hello"}', "not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"Records": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"Records": [' * 400 + b"]}" * 400, "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b" " * (MAX_BODY_BYTES + 1), "more than the 1048576"),
    ],
)
def test_a_body_that_is_no_notification_raises_an_error_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        parse_message(body)


def test_at_most_three_envelopes_may_contain_each_other() -> None:
    body = message(record())
    for _ in range(3):
        body = envelope(body)
        assert len(parse_message(body).created) == 1
    with pytest.raises(MessageError, match="envelope"):
        parse_message(envelope(body))


keys = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=256).filter(
    lambda key: not key.endswith("/")
)


@given(keys)
@example("n/a+b%20c%2B%")
@example("/../x//y/. ")
def test_a_key_survives_the_encoding_of_every_store(key: str) -> None:
    written = [
        message(record(quote_plus(key, safe="/"))),
        message(record(quote(key, safe=""))),
        message(record(quote_plus(key), "minio:s3", "s3:ObjectCreated:Put")),
        message(record(key, "ceph:s3")),
        eventbridge(key),
    ]
    for body in [*written, *map(envelope, written)]:
        assert [notified.object.key for notified in parse_message(body).created] == [key]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["Records", "Message", "Type", "Event", "detail-type", "detail", "s3", "bucket", "name", "object", "key",
             "eventName", "eventSource", "eTag", "versionId", "size", "sequencer", "source", "time", "reason"]
        )
        | st.text(max_size=5),
        inner | st.sampled_from(["ObjectCreated:Put", "Notification", "Object Created", "aws:s3", "ceph:s3", "a%zz+"]),
        max_size=8,
    ),
    max_leaves=25,
)  # fmt: skip


def assert_parsed_or_message_error(body: bytes) -> None:
    try:
        parsed = parse_message(body)
    except MessageError:
        return
    assert parsed.created or parsed.ignored or parsed.rejected


@given(st.binary())
def test_any_bytes_are_parsed_or_raise_a_message_error(body: bytes) -> None:
    assert_parsed_or_message_error(body)


@given(json_values)
def test_any_json_is_parsed_or_raises_a_message_error(value: Any) -> None:
    assert_parsed_or_message_error(json.dumps(value).encode())
    assert_parsed_or_message_error(json.dumps({"Records": value}).encode())
    assert_parsed_or_message_error(json.dumps({"Records": [{**record(), "s3": value}]}).encode())
    assert_parsed_or_message_error(json.dumps({"Records": [record(key=value)]}).encode())
    assert_parsed_or_message_error(json.dumps({"detail-type": "Object Created", "detail": value}).encode())
    assert_parsed_or_message_error(envelope(json.dumps(value).encode()))
