"""The live view fits on a terminal, and its clock is updated while processes start."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, datetime

from rich.console import Console

from labelyard.domain.states import BatchState
from labelyard.ledger.overview import BatchSummary
from labelyard.supervisor.display import open_display
from labelyard.supervisor.progress import HistoryEvent, Snapshot

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def terminal() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=80, height=24), out


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


def test_the_live_view_shows_counts_batches_and_the_newest_events() -> None:
    console, out = terminal()
    opened = datetime(2026, 1, 1, tzinfo=UTC)
    batch = BatchSummary(
        id="street-00001", dataset="street", state=BatchState.ASSIGNED, objects=7, quarantined={}, task_id=12,
        task_name="t", task_url=None, jobs=[], exports=[], opened_at=opened, changed_at=opened, leased_by=None,
        error=None, next_step=None, not_before=None, progress=None, progress_at=None, warning=None,
    )  # fmt: skip
    event = HistoryEvent(opened, "street-00001", "assigned", "2 jobs")
    with open_display(console, "labelyard up", "Ctrl-C stops everything") as display:
        display.show(Snapshot([batch], {}, [event], {"assigned": 1}), "1 assigned")
    shown = _CONTROL.sub("", out.getvalue())
    for words in ("labelyard up", "1 assigned", "street-00001", "assigned: 2 jobs", "Ctrl-C stops everything"):
        assert words in shown
