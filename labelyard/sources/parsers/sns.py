"""SNS's envelope: a notification as text inside another document."""

from __future__ import annotations

from labelyard.errors import MessageError
from labelyard.sources.notifications import ParsedMessage
from labelyard.sources.parsers.document import Document, ParseDocument, decode
from labelyard.sources.parsers.object_fields import ignored

_MAX_ENVELOPES = 3


def recognises(document: Document) -> bool:
    """Return whether this is an envelope of SNS."""
    return isinstance(document.get("Message"), str) and "Type" in document


def parse(document: Document, parse_nested: ParseDocument) -> ParsedMessage:
    """Parse what the envelope contains. Raises MessageError for too many envelopes in each other."""
    for _ in range(_MAX_ENVELOPES):
        if document["Type"] != "Notification":
            return ignored(f"SNS {document['Type']}", "no notification")
        document = decode(document["Message"].encode("utf-8", "surrogatepass"))
        if not recognises(document):
            return parse_nested(document)
    raise MessageError(f"more than {_MAX_ENVELOPES} SNS envelopes in each other")
