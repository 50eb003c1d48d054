"""What a queue message or a webhook body says, once parsed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from labelyard.domain.objects import StoredObject


@dataclass(frozen=True, slots=True)
class NotifiedObject:
    """An object that a notification reports as created or deleted.

    The object's ETag is "" if the notification has none. `event` is the store's name of the event, `source` its sender,
    such as `aws:s3`. `sequencer` (hexadecimal, AWS only) orders the events of one key. A deletion may name a version;
    only the store knows whether the key still exists.
    """

    object: StoredObject
    event: str
    source: str
    time: datetime | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record (as JSON) or a whole message that cannot be parsed; other records are not affected."""

    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """What one message contains.

    `ignored` holds the reasons why records register nothing, each once. A deletion registers nothing, so `ignored`
    names it too. `rejected` records become dead letters.
    """

    created: tuple[NotifiedObject, ...] = ()
    deleted: tuple[NotifiedObject, ...] = ()
    ignored: tuple[str, ...] = ()
    rejected: tuple[RejectedRecord, ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[ParsedMessage]) -> ParsedMessage:
        """Return several parts as one, in order."""
        parts = list(parts)
        return cls(
            created=tuple(obj for part in parts for obj in part.created),
            deleted=tuple(obj for part in parts for obj in part.deleted),
            ignored=tuple(dict.fromkeys(reason for part in parts for reason in part.ignored)),
            rejected=tuple(record for part in parts for record in part.rejected),
        )
