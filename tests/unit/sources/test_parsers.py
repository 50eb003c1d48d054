"""What no recording shows: MinIO and AWS as documented, and what is wrong in every way."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelyard.errors import MessageError
from labelyard.sources.parsers import MAX_BODY_BYTES, Reading, read_message

ETAG = "9dd4e461268c8034f5c8564e155c67a6"


def record(
    key: str = "a.jpg", source: str = "aws:s3", event: str = "ObjectCreated:Put", **thing: Any
) -> dict[str, Any]:
    return {
        "eventVersion": "2.3",
        "eventSource": source,
        "eventTime": "2026-11-23T09:08:30.574Z",
        "eventName": event,
        "s3": {"bucket": {"name": "pictures"}, "object": {"key": key, "eTag": ETAG, "size": 1, **thing}},
    }


def message(*records: Any) -> bytes:
    return json.dumps({"Records": records}).encode()


def bridge(key: str) -> bytes:
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


def test_minio_sends_its_own_event_name_and_no_size_for_an_empty_object() -> None:
    one = record("dir%2Fa+b%2Bc.jpg", "minio:s3", "s3:ObjectCreated:Put", sequencer="17C8")
    del one["s3"]["object"]["size"]
    (told,) = read_message(
        json.dumps({"EventName": "s3:ObjectCreated:Put", "Key": "pictures/dir/a b+c.jpg", "Records": [one]}).encode()
    ).objects
    assert (told.object.key, told.object.size, told.object.etag) == ("dir/a b+c.jpg", None, ETAG)
    assert (told.event, told.source, told.sequencer) == ("ObjectCreated:Put", "minio:s3", None)


@pytest.mark.parametrize("source", ["ceph:s3", "ceph:s3.zone.bucket"])
def test_ceph_writes_keys_raw_and_may_write_sizes_as_text(source: str) -> None:
    (told,) = read_message(message(record("a+b%20c", source, size="17"))).objects
    assert (told.object.key, told.object.size) == ("a+b%20c", 17)


@pytest.mark.parametrize("size", [-1, True, "many", "9" * 40, 10**30, 1.5, None, [], "１"])  # noqa: RUF001 - not ASCII
def test_what_is_no_size_is_left_to_a_look_at_the_store(size: object) -> None:
    (told,) = read_message(message(record(size=size))).objects
    assert told.object.size is None


@pytest.mark.parametrize(
    ("etag", "read"), [(f'"{ETAG}"', ETAG), (f"{ETAG}-17", f"{ETAG}-17"), ("", ""), (None, ""), (7, "")]
)
def test_an_etag_is_unquoted_or_missing(etag: object, read: str) -> None:
    (told,) = read_message(message(record(eTag=etag))).objects
    assert told.object.etag == read


def test_a_record_without_the_fields_that_may_be_missing_is_read() -> None:
    bare = {"eventName": "ObjectCreated:Copy", "s3": {"bucket": {"name": "pictures"}, "object": {"key": "a%2Bb"}}}
    (told,) = read_message(message(bare)).objects
    assert (told.object.bucket, told.object.key, told.object.etag, told.object.version_id) == (
        "pictures",
        "a+b",
        "",
        None,
    )
    assert (told.time, told.sequencer, told.source) == (None, None, "aws:s3")


@pytest.mark.parametrize("wrong", ["yesterday", 17, None, "2026-99-99T00:00:00Z"])
def test_a_time_that_is_none_does_not_lose_the_object(wrong: object) -> None:
    (told,) = read_message(message({**record(), "eventTime": wrong})).objects
    assert told.time is None


@pytest.mark.parametrize(
    "event",
    ["ObjectRemoved:Delete", "ObjectTagging:Put", "ObjectAcl:Put", "ObjectRestore:Completed", "ObjectSynced:Create",
     "s3:ObjectAccessed:Get", "ObjectCreated:PutRetention", "ObjectCreated", "Nonsense"],
)  # fmt: skip
def test_only_new_content_is_an_object(event: str) -> None:
    reading = read_message(message(record(event=event)))
    assert reading.objects == ()
    assert event.removeprefix("s3:") in str(reading.ignored)


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
def test_every_store_s_way_of_saying_that_something_was_deleted(event: str, source: str) -> None:
    body = record("a b+c" if source == "ceph:s3" else "a+b%2Bc", source, event)
    del body["s3"]["object"]["eTag"], body["s3"]["object"]["size"]
    reading = read_message(message(body))
    assert [(one.object.key, one.object.etag) for one in reading.removed] == [("a b+c", "")]
    assert reading.objects == reading.refused == ()
    assert "no new content" in str(reading.ignored)


def test_eventbridge_says_that_something_was_deleted() -> None:
    (told,) = read_message(bridge("a+b").replace(b"Object Created", b"Object Deleted")).removed
    assert (told.object.key, told.object.version_id, told.event) == ("a+b", "v1", "Object Deleted (PutObject)")


def test_what_was_put_and_what_was_deleted_may_come_in_one_message() -> None:
    reading = read_message(
        message(
            record("old", event="ObjectRemoved:Delete"), record("new"), record("dir/", event="ObjectRemoved:Delete")
        )
    )
    assert [one.object.key for one in reading.objects] == ["new"]
    assert [one.object.key for one in reading.removed] == ["old"]
    assert "folder marker" in str(reading.ignored)


def test_a_record_by_itself_is_a_message_too() -> None:
    (told,) = read_message(json.dumps(record("a%2Bb")).encode()).objects
    assert told.object.key == "a+b"


@pytest.mark.parametrize("how", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_all_four_ways_of_writing_are_new_content(how: str) -> None:
    assert len(read_message(message(record(event=f"ObjectCreated:{how}"))).objects) == 1


def test_a_message_of_no_records_is_ignored() -> None:
    assert read_message(message()) == Reading(ignored="no records")


def test_sns_asking_for_a_confirmation_is_ignored() -> None:
    body = json.dumps({"Type": "SubscriptionConfirmation", "Message": "You have chosen…", "Token": "t"}).encode()
    assert "SubscriptionConfirmation" in str(read_message(body).ignored)


def test_eventbridge_may_come_through_sns() -> None:
    (told,) = read_message(envelope(bridge("a+b"))).objects
    assert (told.object.key, told.object.version_id, told.sequencer) == ("a+b", "v1", "00ab")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({}, "eventName is missing"),
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
def test_a_bad_record_is_refused_and_its_neighbours_are_read(bad: Any, reason: str) -> None:
    reading = read_message(message(record("first"), bad, record(event="ObjectRemoved:Delete"), record("last")))
    assert [told.object.key for told in reading.objects] == ["first", "last"]
    assert "ObjectRemoved:Delete" in str(reading.ignored)
    (refused,) = reading.refused
    assert reason in refused.reason
    assert json.loads(refused.text) == json.loads(json.dumps(bad))


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
        (b"{}", "neither S3 records"),
        (b'{"Records": {"a": 1}}', "Records is a JSON object, not a list"),
        (b'{"Records": null}', "Records is null, not a list"),
        (b'{"Type": "Notification", "Message": "hello"}', "not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"Records": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b" " * (MAX_BODY_BYTES + 1), "more than the 1048576"),
    ],
)
def test_what_is_no_notification_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        read_message(body)


def test_envelopes_do_not_go_on_for_ever() -> None:
    body = message(record())
    for _ in range(3):
        body = envelope(body)
        assert len(read_message(body).objects) == 1
    with pytest.raises(MessageError, match="envelope"):
        read_message(envelope(body))


keys = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=256).filter(
    lambda key: not key.endswith("/")
)


@given(keys)
@example("n/a+b%20c%2B%")
@example("/../x//y/. ")
def test_a_key_is_read_back_as_it_was_however_its_source_writes_it(key: str) -> None:
    written = [
        message(record(quote_plus(key, safe="/"))),
        message(record(quote(key, safe=""))),
        message(record(quote_plus(key), "minio:s3", "s3:ObjectCreated:Put")),
        message(record(key, "ceph:s3")),
        bridge(key),
    ]
    for body in [*written, *map(envelope, written)]:
        assert [told.object.key for told in read_message(body).objects] == [key]


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


def survives(body: bytes) -> None:
    try:
        reading = read_message(body)
    except MessageError:
        return
    assert reading.objects or reading.ignored or reading.refused


@given(st.binary())
def test_any_bytes_give_a_reading_or_a_refusal(body: bytes) -> None:
    survives(body)


@given(json_values)
def test_any_json_gives_a_reading_or_a_refusal(value: Any) -> None:
    survives(json.dumps(value).encode())
    survives(json.dumps({"Records": value}).encode())
    survives(json.dumps({"Records": [{**record(), "s3": value}]}).encode())
    survives(json.dumps({"Records": [record(key=value)]}).encode())
    survives(json.dumps({"detail-type": "Object Created", "detail": value}).encode())
    survives(envelope(json.dumps(value).encode()))
