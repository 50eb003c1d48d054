"""One record in the form that AWS S3 defined. Other stores imitate it; `source` and the encoding of keys differ."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_plus

from labelyard.errors import MessageError
from labelyard.sources.notifications import NotifiedObject, ParsedMessage
from labelyard.sources.parsers.document import Document, kind, parse_alone, section, short, text
from labelyard.sources.parsers.object_fields import created, deleted, event_time, ignored, sequencer, stored_object

AWS = "aws:s3"
_CREATED = frozenset(f"ObjectCreated:{how}" for how in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
_DELETED = ("ObjectRemoved:", "LifecycleExpiration:", "ObjectLifecycle:Expiration:")
"""How the names of deletion events begin: by a client, by a lifecycle rule of AWS, by one of Ceph."""


def source_of(record: Document) -> str:
    """Return the sender of a record. Raises MessageError."""
    source = record.get("eventSource") or AWS
    if not isinstance(source, str):
        raise MessageError(f"eventSource is {kind(source)}, not text")
    return source


def is_from(record: Document, store: str) -> bool:
    """Return whether a record's `eventSource` is this store, such as `ceph`."""
    source = record.get("eventSource")
    return isinstance(source, str) and source.startswith(f"{store}:")


def form_decoded(key: str) -> str:
    """Return a key that its store form-encoded. Raises MessageError."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise MessageError(f"key {short(key)} is not form-encoded UTF-8") from None


def parse_record(record: Document, decode_key: Callable[[str], str] = form_decoded) -> ParsedMessage:
    """Parse one record; a malformed one is returned as rejected."""
    return parse_alone(record, lambda record: _parse(record, decode_key))


def _parse(record: Document, decode_key: Callable[[str], str]) -> ParsedMessage:
    event = text(record, "eventName").removeprefix("s3:")
    is_deletion = event.startswith(_DELETED)
    if event not in _CREATED and not is_deletion:
        return ignored(event)
    source, s3 = source_of(record), section(record, "s3")
    fields = section(s3, "object")
    notified = NotifiedObject(
        object=stored_object(section(s3, "bucket"), fields, decode_key(text(fields, "key"))),
        event=event,
        source=source,
        time=event_time(record.get("eventTime")),
        sequencer=sequencer(fields) if source == AWS else None,
    )
    return deleted(notified) if is_deletion else created(notified)
