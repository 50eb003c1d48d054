"""A notification as a JSON document: decoded within limits, its fields read with clear errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from labelyard.errors import MessageError
from labelyard.sources.notifications import ParsedMessage, RejectedRecord

MAX_BODY_BYTES = 1024 * 1024
"""The largest message that is parsed; no queue carries a larger one."""

Document = dict[str, Any]
ParseDocument = Callable[[Document], ParsedMessage]


def decode(body: bytes) -> Document:
    """Return the JSON object in a message. Raises MessageError."""
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
        raise MessageError(f"a notification is a JSON object, this is {kind(found)}")
    return found


def parse_alone(record: object, parse: ParseDocument) -> ParsedMessage:
    """Parse one record of a message. A record that cannot be parsed is returned as rejected."""
    try:
        if not isinstance(record, dict):
            raise MessageError(f"a record is a JSON object, this is {kind(record)}")  # noqa: TRY301
        return parse(record)
    except MessageError as error:
        return ParsedMessage(rejected=(RejectedRecord(error.what, _encoded(record)),))


def _encoded(record: object) -> bytes:
    try:
        return json.dumps(record).encode()
    except RecursionError:
        return b"JSON that is nested too deeply to be repeated"


def section(document: Document, name: str) -> Document:
    """Return a field that is a JSON object. Raises MessageError."""
    found = document.get(name)
    if not isinstance(found, dict):
        raise MessageError(f"{name} is {'missing' if name not in document else kind(found) + ', not a JSON object'}")
    return found


def text(document: Document, name: str) -> str:
    """Return a field that is text and not empty. Raises MessageError."""
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise MessageError(f"{name} is {'missing' if name not in document else kind(found) + ', not text'}")
    return found


def kind(value: object) -> str:
    """Return what a JSON value is, in words."""
    if value in ("", [], {}) and not isinstance(value, bool):
        return "empty"
    names = {dict: "a JSON object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def short(value: object) -> str:
    """Return a value as ASCII text of at most 120 characters, for messages to people."""
    quoted = ascii(value)
    return quoted if len(quoted) <= 120 else f"{quoted[:100]}…{quoted[-19:]}"
