"""Alerts: when a channel gets a message about a cause, and its words.

cause ──▶ new ──remind──▶ reminder … ──the cause is over──▶ over          no message at night: it waits for the morning
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from labelyard.escaping import printable

SETTLED_AFTER = timedelta(minutes=5)
"""A cause is over once it has been absent for so long: a server that comes and goes gets no message each time."""
_LONGEST = 1500


class MessageKind(StrEnum):
    """What a message says about a cause."""

    NEW = "new"
    REMINDER = "reminder"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class AlertState:
    """What a channel has got about a cause; times are UTC."""

    sent: int
    """How many messages, without the last one, that the cause is over."""
    sent_at: datetime | None
    over_at: datetime | None
    """Since when the cause is absent."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a channel: one line, and some more."""

    title: str
    body: str
    asks_to_act: bool = True
    """Whether something is wrong; services show such a message in another colour."""


def due_message(state: AlertState, now: datetime, remind: timedelta, *, quiet: bool) -> MessageKind | None:
    """Return the kind of message that is due, None if there is none."""
    if quiet:
        return None
    if state.over_at is not None:
        return MessageKind.OVER if state.sent and now - state.over_at >= SETTLED_AFTER else None
    if state.sent_at is None:
        return MessageKind.NEW
    return MessageKind.REMINDER if now - state.sent_at >= remind else None


def is_forgettable(state: AlertState, now: datetime) -> bool:
    """Return whether a cause is over of which the channel never got a message."""
    return state.over_at is not None and not state.sent and now - state.over_at >= SETTLED_AFTER


def compose(
    kind: MessageKind,
    *,
    cause_kind: str,
    dataset: str | None,
    what: str,
    next_command: str,
    since: datetime,
    now: datetime,
) -> Message:
    """Return a message in plain text. Texts from outside have no control characters and call nobody."""
    subject = f"{dataset}: {cause_kind}" if dataset else cause_kind
    said = harmless(what)
    match kind:
        case MessageKind.OVER:
            return Message(f"labelyard: over: {subject}", f"Over since {now:%Y-%m-%d %H:%M} UTC. It was:\n{said}")
        case MessageKind.REMINDER:
            title = f"labelyard: still: {subject}"
        case MessageKind.NEW:
            title = f"labelyard: {subject}"
    return Message(title, f"{said}\nsince: {since:%Y-%m-%d %H:%M} UTC\nnext: {harmless(next_command)}")


def harmless(text: str, keep: str = "\n") -> str:
    """Return a text from outside without control characters but `keep` and calls to everybody, cut if it is long."""
    shown = printable(text, keep=keep)
    for everybody in ("@everyone", "@here", "@channel", "@all"):
        shown = shown.replace(everybody, everybody[1:])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
