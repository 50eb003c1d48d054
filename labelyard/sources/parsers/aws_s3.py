"""AWS S3's own notifications, and every store that imitates them exactly: `Records`, a single record, a test event."""

from __future__ import annotations

from labelyard.errors import MessageError
from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers.document import Document, ParseDocument, kind, parse_alone
from labelyard.sources.parsers.s3_record import parse_record

_TEST_EVENT = "s3:TestEvent"


def recognises(document: Document) -> bool:
    """Return whether this is a list of records, a record (as dead letters keep it) or S3's test event."""
    return "Records" in document or "eventName" in document or document.get("Event") == _TEST_EVENT


def parse(document: Document, parse_nested: ParseDocument) -> ParsedMessage:
    """Parse each record with the parser of its store. Raises MessageError if `Records` is no list."""
    if "Records" in document:
        return _parse_records(document["Records"], parse_nested)
    if document.get("Event") == _TEST_EVENT:
        return ParsedMessage(ignored=(f"{_TEST_EVENT}: the store tested its notification configuration",))
    return parse_record(document)


def _parse_records(records: object, parse_nested: ParseDocument) -> ParsedMessage:
    if not isinstance(records, list):
        raise MessageError(f"Records is {kind(records)}, not a list")
    if not records:
        return ParsedMessage(ignored=("no records",))
    return ParsedMessage.joined(parse_alone(record, parse_nested) for record in records)
