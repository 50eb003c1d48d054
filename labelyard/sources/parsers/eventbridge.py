"""EventBridge's events about S3: one object in `detail`, its key not encoded."""

from __future__ import annotations

from labelyard.sources.notifications import NotifiedObject, ParsedMessage
from labelyard.sources.parsers.document import Document, ParseDocument, parse_alone, section, text
from labelyard.sources.parsers.object_fields import created, deleted, event_time, ignored, sequencer, stored_object

_RESULTS = {"Object Created": created, "Object Deleted": deleted}


def recognises(document: Document) -> bool:
    """Return whether this is an EventBridge event."""
    return "detail-type" in document


def parse(document: Document, parse_nested: ParseDocument) -> ParsedMessage:  # noqa: ARG001 - contains no other document
    """Parse one event; a malformed one is returned as rejected."""
    return parse_alone(document, _parse)


def _parse(event: Document) -> ParsedMessage:
    kind = event["detail-type"]
    if not isinstance(kind, str) or kind not in _RESULTS:
        return ignored(kind)
    detail = section(event, "detail")
    fields, reason = section(detail, "object"), detail.get("reason")
    notified = NotifiedObject(
        object=stored_object(section(detail, "bucket"), fields, text(fields, "key")),
        event=f"{kind} ({reason})" if isinstance(reason, str) else kind,
        source=text(event, "source") if event.get("source") else "aws.s3",
        time=event_time(event.get("time")),
        sequencer=sequencer(fields),
    )
    return _RESULTS[kind](notified)
