"""MinIO's notifications: S3 records whose event names begin with `s3:`."""

from __future__ import annotations

from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers.document import Document, ParseDocument
from labelyard.sources.parsers.s3_record import is_from, parse_record


def recognises(document: Document) -> bool:
    """Return whether this is a record of MinIO."""
    return is_from(document, "minio")


def parse(document: Document, parse_nested: ParseDocument) -> ParsedMessage:  # noqa: ARG001 - contains no other document
    """Parse one record; its key is form-encoded."""
    return parse_record(document)
