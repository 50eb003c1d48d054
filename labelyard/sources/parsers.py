"""Bytes of a notification → the objects it tells of, new ones and removed ones, or why it tells of none. Pure.

Stores agree on little: AWS, MinIO and Ceph send Records (bare, or as text inside an SNS envelope), EventBridge sends
one `detail`. AWS and MinIO form-encode the keys in Records, Ceph and EventBridge do not: the source tells how to read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from labelyard.domain.objects import StoredObject, version_id
from labelyard.errors import MessageError, RecordIgnored

MAX_BODY_BYTES = 1024 * 1024
"""The largest message that is read: no queue carries a larger one."""
MAX_KEY_BYTES = 1024
MAX_OBJECT_BYTES = 50 * 1024**4
_MAX_ENVELOPES = 3
_NEW_CONTENT = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})
_REMOVALS = ("ObjectRemoved:", "LifecycleExpiration:", "ObjectLifecycle:Expiration:")
"""How the names of events begin that tell of a deletion: by a hand, by a rule of AWS, by a rule of Ceph."""


@dataclass(frozen=True, slots=True)
class EventObject:
    """An object that a notification says is new, or removed; its ETag is "" where the notification names none.

    `source` is who sent it, such as `aws:s3`; `sequencer` (hexadecimal) orders the events of one key, kept only of AWS.
    Of what was removed a version may be named; whether its key is gone with it, only the store knows.
    """

    object: StoredObject
    event: str
    source: str
    time: datetime | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """One record of a message that cannot be read; the message's other records are not touched by it."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a message says: new objects, why other records of it land nothing, and records for the dead letters.

    A deletion lands nothing, and so stands in `ignored` too; what it removed stands in `removed`.
    """

    objects: tuple[EventObject, ...] = ()
    ignored: str | None = None
    refused: tuple[RefusedRecord, ...] = ()
    removed: tuple[EventObject, ...] = ()


def read_message(body: bytes) -> Reading:
    """Read one message as its transport delivered it. Raises MessageError where it cannot be read as a whole."""
    return _read_document(_parse(body), _MAX_ENVELOPES)


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise MessageError(f"{len(body)} bytes are more than the {MAX_BODY_BYTES} that a notification may have")
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MessageError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise MessageError("JSON that is nested too deeply") from None
    except ValueError as error:
        raise MessageError(f"not JSON: {error}" if body.strip() else "an empty message") from None
    if not isinstance(found, dict):
        raise MessageError(f"a notification is a JSON object, this is {_kind(found)}")
    return found


def _read_document(document: dict[str, Any], envelopes: int) -> Reading:
    if "Records" in document:
        return _read_records(document["Records"])
    if "detail-type" in document:
        return _collect([document], _bridge_object)
    if document.get("Event") == "s3:TestEvent":
        return Reading(ignored="s3:TestEvent: the store tried its notification configuration")
    if isinstance(document.get("Message"), str) and "Type" in document:
        return _read_envelope(document, envelopes)
    if "eventName" in document:  # a record by itself, as the dead letters keep it
        return _read_records([document])
    raise MessageError("neither S3 records, nor an EventBridge event, nor an SNS envelope")


def _read_envelope(document: dict[str, Any], envelopes: int) -> Reading:
    if document["Type"] != "Notification":
        return Reading(ignored=f"SNS {_short(document['Type'])}: no notification")
    if not envelopes:
        raise MessageError("an SNS envelope in an envelope in an envelope")
    return _read_document(_parse(document["Message"].encode("utf-8", "surrogatepass")), envelopes - 1)


def _read_records(records: object) -> Reading:
    if not isinstance(records, list):
        raise MessageError(f"Records is {_kind(records)}, not a list")
    return _collect(records, _record_object) if records else Reading(ignored="no records")


def _collect(records: list[Any], read: Callable[[dict[str, Any]], EventObject]) -> Reading:
    """Each record by itself: a bad one must neither lose the others nor have them replayed."""
    objects: list[EventObject] = []
    removed: list[EventObject] = []
    ignored: dict[str, None] = {}
    refused: list[RefusedRecord] = []
    for record in records:
        try:
            if not isinstance(record, dict):
                raise MessageError(f"a record is a JSON object, this is {_kind(record)}")  # noqa: TRY301
            told = read(record)
        except RecordIgnored as reason:
            ignored[reason.what] = None
        except MessageError as error:
            refused.append(RefusedRecord(error.what, _written(record)))
        else:
            if _removes(told.event):
                removed.append(told)
                ignored[f"{_short(told.event)}: no new content"] = None
            else:
                objects.append(told)
    return Reading(tuple(objects), "; ".join(ignored) or None, tuple(refused), tuple(removed))


def _written(record: object) -> str:
    try:
        return json.dumps(record)
    except RecursionError:
        return "JSON that is nested too deeply to be repeated"


def _record_object(record: dict[str, Any]) -> EventObject:
    event = _text(record, "eventName").removeprefix("s3:")
    kind, _, how = event.partition(":")
    if not _removes(event) and (kind != "ObjectCreated" or how not in _NEW_CONTENT):
        raise RecordIgnored(f"{_short(event)}: no new content")
    source = record.get("eventSource") or "aws:s3"
    if not isinstance(source, str):
        raise MessageError(f"eventSource is {_kind(source)}, not text")
    s3 = _section(record, "s3")
    thing = _section(s3, "object")
    return EventObject(
        object=_stored(_section(s3, "bucket"), thing, _record_key(thing, source)),
        event=event,
        source=source,
        time=_time(record.get("eventTime")),
        sequencer=_sequencer(thing) if source == "aws:s3" else None,
    )


def _removes(event: str) -> bool:
    return event.startswith((*_REMOVALS, "Object Deleted"))


def _record_key(thing: dict[str, Any], source: str) -> str:
    key = _text(thing, "key")
    if source.startswith("ceph:"):  # Ceph alone writes the key as it is, pluses and percent signs included
        return key
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise MessageError(f"key {_short(key)} is not form-encoded UTF-8") from None


def _bridge_object(event: dict[str, Any]) -> EventObject:
    kind = event["detail-type"]
    if kind not in ("Object Created", "Object Deleted"):
        raise RecordIgnored(f"{_short(kind)}: no new content")
    detail = _section(event, "detail")
    thing = _section(detail, "object")
    reason = detail.get("reason")
    return EventObject(
        object=_stored(_section(detail, "bucket"), thing, _text(thing, "key")),
        event=f"{kind} ({reason})" if isinstance(reason, str) else kind,
        source=_text(event, "source") if event.get("source") else "aws.s3",
        time=_time(event.get("time")),
        sequencer=_sequencer(thing),
    )


def _stored(bucket: dict[str, Any], thing: dict[str, Any], key: str) -> StoredObject:
    if key.endswith("/"):
        raise RecordIgnored(f"{_short(key)}: a folder marker")
    etag = thing.get("eTag", thing.get("etag"))
    etag = etag.strip('"') if isinstance(etag, str) else ""
    version = version_id(thing.get("versionId", thing.get("version-id")))
    return StoredObject(
        bucket=_storable(_text(bucket, "name"), "bucket"),
        key=_storable(key, "key"),
        etag=_storable(etag, "ETag"),
        size=_size(thing.get("size")),
        version_id=_storable(version, "version id") if version is not None else None,
    )


def _storable(text: str, what: str) -> str:
    """`text`, if a store can hold it and a database too."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        raise MessageError(f"{what} {_short(text)} is not UTF-8") from None
    if length > MAX_KEY_BYTES:
        raise MessageError(f"{what} {_short(text)} has {length} bytes, the most is {MAX_KEY_BYTES}")
    if "\0" in text:
        raise MessageError(f"{what} {_short(text)} holds a NUL, which no database takes as text")
    return text


def _size(value: object) -> int | None:
    """Bytes; Ceph may write text, MinIO leaves the zero of an empty object out. What is no size is left to HEAD."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    plausible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_OBJECT_BYTES
    return value if plausible and isinstance(value, int) else None


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def _sequencer(thing: dict[str, Any]) -> str | None:
    value = thing.get("sequencer")
    return value.lower() if isinstance(value, str) and 0 < len(value) <= 64 and value.isascii() else None


def _section(of: dict[str, Any], name: str) -> dict[str, Any]:
    found = of.get(name)
    if not isinstance(found, dict):
        raise MessageError(f"{name} is {'missing' if name not in of else _kind(found) + ', not a JSON object'}")
    return found


def _text(of: dict[str, Any], name: str) -> str:
    found = of.get(name)
    if not isinstance(found, str) or not found:
        raise MessageError(f"{name} is {'missing' if name not in of else _kind(found) + ', not text'}")
    return found


def _kind(value: object) -> str:
    if value in ("", [], {}) and not isinstance(value, bool):
        return "empty"
    names = {dict: "a JSON object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:100]}…{text[-19:]}"
