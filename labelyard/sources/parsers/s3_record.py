"""One record in the form that AWS S3 defined. Other stores imitate it; `source` and the encoding of keys differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote_plus

from labelyard.errors import MessageError
from labelyard.sources.notifications import NotifiedObject, ParsedMessage
from labelyard.sources.parsers.document import Document, kind, parse_alone, section, short, text
from labelyard.sources.parsers.object_fields import (
    created,
    deleted,
    event_time,
    ignored,
    is_storable,
    sequencer,
    stored_object,
)

AWS = "aws:s3"
_ENCODED = re.compile(r"[A-Za-z0-9._~*!'()/%+:@&=$,;-]*")
"""What form-encoding leaves in a key; some stores leave more of the reserved characters than others."""
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


def decoded_and_raw(key: str) -> list[str]:
    """Return both readings of a key of which nobody knows whether its store form-encoded it, once if they are equal."""
    try:
        readings = dict.fromkeys((form_decoded(key), key))
    except MessageError:
        return [key]
    storable = [reading for reading in readings if is_storable(reading)]
    return storable or list(readings)


def decoded_if_encoded(key: str) -> list[str]:
    """Return a key form-decoded; both readings if it has a character that no store leaves in an encoded key."""
    return [form_decoded(key)] if _ENCODED.fullmatch(key) else decoded_and_raw(key)


def parse_record(record: Document, read_key: Callable[[str], Sequence[str]] = decoded_if_encoded) -> ParsedMessage:
    """Parse one record; a malformed one is returned as rejected.

    Each reading of its key becomes an object of its own. Only those that exist are registered.
    """
    return parse_alone(record, lambda record: _parse(record, read_key))


def _parse(record: Document, read_key: Callable[[str], Sequence[str]]) -> ParsedMessage:
    event = text(record, "eventName").removeprefix("s3:")
    is_deletion = event.startswith(_DELETED)
    if event not in _CREATED and not is_deletion:
        return ignored(event)
    source, s3 = source_of(record), section(record, "s3")
    fields = section(s3, "object")
    notified = (
        NotifiedObject(
            object=stored_object(section(s3, "bucket"), fields, key),
            event=event,
            source=source,
            time=event_time(record.get("eventTime")),
            sequencer=sequencer(fields) if source == AWS else None,
        )
        for key in read_key(text(fields, "key"))
    )
    return ParsedMessage.joined(deleted(one) if is_deletion else created(one) for one in notified)
