"""Records of stores that imitate S3 under a name of their own (NooBaa and others): some encode keys, some do not."""

from __future__ import annotations

from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers.document import Document, ParseDocument
from labelyard.sources.parsers.s3_record import AWS, decoded_and_raw, parse_record


def recognises(document: Document) -> bool:
    """Return whether this is a record whose sender is named, and is not AWS."""
    source = document.get("eventSource")
    return isinstance(source, str) and source not in ("", AWS)


def parse(document: Document, parse_nested: ParseDocument) -> ParsedMessage:  # noqa: ARG001 - contains no other document
    """Parse one record; both readings of its key are returned, for the store knows which exists."""
    return parse_record(document, read_key=decoded_and_raw)
