"""Ceph's notifications: S3 records whose keys are not encoded."""

from __future__ import annotations

from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers.document import Document, ParseDocument
from labelyard.sources.parsers.s3_record import is_from, parse_record


def recognises(document: Document) -> bool:
    """Return whether this is a record of Ceph."""
    return is_from(document, "ceph")


def parse(document: Document, parse_nested: ParseDocument) -> ParsedMessage:  # noqa: ARG001 - contains no other document
    """Parse one record; its key is taken as it is, plus and percent signs included."""
    return parse_record(document, read_key=lambda key: [key])
