"""The live view fits on a terminal, and its clock is updated while processes start."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from labelyard.domain.states import BatchState
from labelyard.ledger.overview import BatchSummary
from labelyard.supervisor.display import open_display
from labelyard.supervisor.progress import HistoryEvent, Snapshot

OPENED = datetime(2026, 1, 1, tzinfo=UTC)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, height=24), out


def test_the_clock_goes_on_while_nothing_happens_and_is_drawn_once_a_second() -> None:
    console, out = terminal()
    with open_display(console, "labelyard demo", "meanwhile: labelyard status") as display:
        display.report("Prefect's server …")
        before, begun = out.tell(), time.monotonic()
        while time.monotonic() < begun + 1.2:
            display.wait()
            time.sleep(0.01)
        drawn = re.findall(r"labelyard demo +(\d+) s", _CONTROL.sub("", out.getvalue()[before:]))
    assert drawn
    assert len(drawn) == len(set(drawn))


def test_no_line_of_the_picture_is_wider_than_the_terminal() -> None:
    console, out = terminal()
    with open_display(console, "labelyard demo", "meanwhile") as display:
        display.report("x" * 200)
    assert max(map(len, _CONTROL.sub("", out.getvalue()).splitlines())) <= 80


def test_without_a_terminal_a_wait_says_nothing() -> None:
    out = io.StringIO()
    with open_display(Console(file=out), "labelyard demo", "meanwhile") as display:
        before = out.tell()
        display.wait()
    assert out.tell() == before


def summary(**changes: Any) -> BatchSummary:
    values = {
        "id": "street-00001", "dataset": "street", "state": BatchState.ASSIGNED, "objects": 7, "quarantined": {},
        "task_id": 12, "task_name": "t", "task_url": None, "jobs": [], "exports": [], "opened_at": OPENED,
        "changed_at": OPENED, "leased_by": None, "error": None, "next_step": None, "not_before": None, "warning": None,
        "progress": None, "progress_at": None,
    }  # fmt: skip
    return BatchSummary(**{**values, **changes})


def shown(snapshot: Snapshot, width: int = 80) -> list[str]:
    """The lines of the last picture."""
    console, out = terminal(width)
    with open_display(console, "labelyard up", "Ctrl-C stops everything") as display:
        display.show(snapshot, "1 assigned")
        before = out.tell()
        display.show(snapshot, "1 assigned")
        picture = out.getvalue()[before:]
    return [line.rstrip() for line in _CONTROL.sub("", picture).splitlines()]


def test_the_live_view_shows_counts_batches_and_the_newest_events() -> None:
    event = HistoryEvent(OPENED, "street-00001", "assigned", "2 jobs")
    text = "\n".join(shown(Snapshot([summary()], {}, [event], {"assigned": 1})))
    for words in ("labelyard up", "1 assigned", "street-00001", "assigned: 2 jobs", "Ctrl-C stops everything"):
        assert words in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_view_cuts_no_name_state_error_or_next_step(width: int) -> None:
    name = "a-dataset-with-a-rather-long-name-00012"
    error = "the server answers 502 Bad Gateway to each request since the certificate of the proxy was renewed"
    failed = summary(id=name, state=BatchState.FAILED, error=error, next_step=f"labelyard retry {name}")
    lines = shown(Snapshot([failed, summary(objects=1234)], {"ada-of-the-night-shift": (3, 40)}, [], {}), width)
    text = " ".join("".join(line.ljust(width) for line in lines).split())  # as if nothing was wrapped
    joined = "".join(text.split())
    for words in (name, "failed", error, f"next: labelyard retry {name}", "1234", "ada-of-the-night-shift"):
        assert "".join(words.split()) in joined
    assert "…" not in text
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("force_terminal", [True, False])
def test_hostile_text_reaches_the_terminal_escaped(force_terminal: bool) -> None:
    out = io.StringIO()
    evil, escaped = "a\x1b]0;title\x07\r\u202eb", "a\\x1b]0;title\\x07\\r\\u202eb"
    batch = summary(error=evil, next_step="labelyard retry")
    event = HistoryEvent(OPENED, "street-00001", "failed", f"{evil}\nsecond line")
    console = Console(file=out, force_terminal=force_terminal, width=100, height=40)
    with open_display(console, "labelyard up", "hint") as display:
        display.report(f"worker: {evil}")
        display.show(Snapshot([batch], {evil: (1, 2)}, [event], {}), "")
        display.finish()
        display.report(f"after: {evil}")
    text = _CONTROL.sub("", out.getvalue())
    assert not any(char in text for char in ("\x07", "\u202e", "\x1b]"))
    assert f"worker: {escaped}" in text
    assert f"after: {escaped}" in text
    assert f"failed: {escaped}\\nsecond line" in text
