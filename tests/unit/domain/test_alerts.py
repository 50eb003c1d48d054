"""When a channel gets a message about a cause, and its words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labelyard.domain.alerts import (
    SETTLED_AFTER,
    AlertState,
    MessageKind,
    compose,
    due_message,
    is_forgettable,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
NEW, REMINDED = AlertState(0, None, None), AlertState(1, NOW - DAY, None)


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (NEW, MessageKind.NEW),
        (REMINDED, MessageKind.REMINDER),
        (AlertState(1, NOW - DAY + SECOND, None), None),
        (AlertState(1, NOW - DAY, NOW - SETTLED_AFTER), MessageKind.OVER),
        (AlertState(1, NOW - DAY, NOW - SETTLED_AFTER + SECOND), None),
        (AlertState(0, None, NOW - DAY), None),
    ],
)
def test_what_is_due_by_day_waits_at_night(state: AlertState, due: MessageKind | None) -> None:
    assert due_message(state, NOW, DAY, quiet=False) is due
    assert due_message(state, NOW, DAY, quiet=True) is None


def test_only_a_cause_that_is_over_and_that_nobody_heard_of_is_forgotten() -> None:
    states = (NEW, REMINDED, AlertState(1, NOW, NOW - DAY), AlertState(0, None, NOW), AlertState(0, None, NOW - DAY))
    assert [is_forgettable(state, NOW) for state in states] == [False, False, False, False, True]


def message(kind: MessageKind, what: str = "a") -> tuple[str, str]:
    found = compose(
        kind, cause_kind="late", dataset="street", what=what, next_command="labelyard why x", since=NOW, now=NOW + DAY
    )
    return found.title, found.body


def test_a_message_says_what_since_when_and_the_next_command() -> None:
    body = "a\nsince: 2026-01-01 12:00 UTC\nnext: labelyard why x"
    assert message(MessageKind.NEW) == ("labelyard: street: late", body)
    assert message(MessageKind.REMINDER) == ("labelyard: still: street: late", body)
    assert message(MessageKind.OVER) == ("labelyard: over: street: late", "Over since 2026-01-02 12:00 UTC. It was:\na")


def test_texts_from_outside_call_nobody_and_have_no_control_characters_and_no_great_length() -> None:
    _, body = message(MessageKind.NEW, "@everyone \x1b[31m @channel " + "x" * 5000)
    assert body.startswith("everyone \\x1b[31m channel xxx")
    assert len(body) < 1700
