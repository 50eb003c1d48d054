"""The fields of a notified object, which S3 records and EventBridge events share."""

from __future__ import annotations

from datetime import UTC, datetime

from labelyard.domain.objects import StoredObject, version_id
from labelyard.errors import MessageError
from labelyard.sources.notifications import NotifiedObject, ParsedMessage
from labelyard.sources.parsers.document import Document, short, text

MAX_KEY_BYTES = 1024
MAX_OBJECT_BYTES = 50 * 1024**4


def ignored(what: str, reason: str = "no new content") -> ParsedMessage:
    """Return the result of a valid record that registers nothing."""
    return ParsedMessage(ignored=(f"{short(what)}: {reason}",))


def created(notified: NotifiedObject) -> ParsedMessage:
    """Return the result of a record that reports new content."""
    if notified.object.key.endswith("/"):
        return ignored(notified.object.key, "a folder marker")
    return ParsedMessage(created=(notified,))


def deleted(notified: NotifiedObject) -> ParsedMessage:
    """Return the result of a record that reports a deletion."""
    if notified.object.key.endswith("/"):
        return ignored(notified.object.key, "a folder marker")
    return ParsedMessage(deleted=(notified,), ignored=ignored(notified.event).ignored)


def stored_object(bucket: Document, fields: Document, key: str) -> StoredObject:
    """Return the object that a record names. Raises MessageError for text that no store or database accepts."""
    etag = fields.get("eTag", fields.get("etag"))
    version = version_id(fields.get("versionId", fields.get("version-id")))
    return StoredObject(
        bucket=_storable(text(bucket, "name"), "bucket"),
        key=_storable(key, "key"),
        etag=_storable(etag.strip('"') if isinstance(etag, str) else "", "ETag"),
        size=_size(fields.get("size")),
        version_id=_storable(version, "version id") if version is not None else None,
    )


def event_time(value: object) -> datetime | None:
    """Return the time of an event; None if it is missing or malformed."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def sequencer(fields: Document) -> str | None:
    """Return AWS's sequencer in lower case; None if it is missing or malformed."""
    value = fields.get("sequencer")
    return value.lower() if isinstance(value, str) and 0 < len(value) <= 64 and value.isascii() else None


def is_storable(key: str) -> bool:
    """Return whether a store and a database accept the key."""
    try:
        return bool(_storable(key, "key"))
    except MessageError:
        return False


def _storable(value: str, what: str) -> str:
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        raise MessageError(f"{what} {short(value)} is not UTF-8") from None
    if length > MAX_KEY_BYTES:
        raise MessageError(f"{what} {short(value)} has {length} bytes, the most is {MAX_KEY_BYTES}")
    if "\0" in value:
        raise MessageError(f"{what} {short(value)} contains a NUL, which no database accepts in text")
    return value


def _size(value: object) -> int | None:
    """Return bytes, or None for anything implausible. Ceph may send text; MinIO omits the zero of an empty object."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    plausible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_OBJECT_BYTES
    return value if plausible and isinstance(value, int) else None
