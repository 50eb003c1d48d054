"""Notifications of every store: bytes → created and deleted objects. Pure.

A store's notification is one module and one line in `PARSERS`. A container (SNS's envelope, S3's `Records`) passes each
document that it contains back to `PARSERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from labelyard.errors import MessageError
from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers import aws_s3, ceph, eventbridge, minio, s3_compatible, sns
from labelyard.sources.parsers.document import MAX_BODY_BYTES, Document, ParseDocument, decode

__all__ = ["MAX_BODY_BYTES", "PARSERS", "Parser", "parse_message"]


class Parser(Protocol):
    """A module that parses one form of notification."""

    def recognises(self, document: Document) -> bool:
        """Return whether the document has this form; it may still be malformed."""

    def parse(self, document: Document, parse_nested: ParseDocument) -> ParsedMessage:
        """Parse a recognised document; `parse_nested` parses a document inside it. Raises MessageError."""


PARSERS: Mapping[str, Parser] = {
    "ceph": ceph,
    "minio": minio,
    "eventbridge": eventbridge,
    "s3_compatible": s3_compatible,  # after the stores whose records are known
    "aws_s3": aws_s3,
    "sns": sns,
}
"""Parsers by name. The first that recognises a document parses it."""


def parse_message(body: bytes) -> ParsedMessage:
    """Parse one message as its transport delivered it. Raises MessageError if it is no notification."""
    try:
        return _parse(decode(body))
    except RecursionError:
        raise MessageError("JSON that is nested too deeply") from None


def _parse(document: Document) -> ParsedMessage:
    for parser in PARSERS.values():
        if parser.recognises(document):
            return parser.parse(document, _parse)
    raise MessageError(f"no notification of a known form ({', '.join(PARSERS)})")
