"""Shows the progress of the work: a live view on a terminal, plain lines otherwise. For `labelyard up` and the demo."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.overview import BatchSummary
from labelyard.supervisor.progress import HistoryEvent, Snapshot

_STATES = (
    BatchState.OPEN, BatchState.CLOSED, BatchState.CREATED, BatchState.UPLOADED,
    BatchState.READY, BatchState.ASSIGNED, BatchState.COMPLETED, BatchState.EXPORTED,
)  # fmt: skip
_SHOWN_EVENTS = 6
_SHOWN_IN_SECONDS = 600


class Display(Protocol):
    """Shows the work to a person."""

    def report(self, line: str) -> None:
        """Show a line of text."""

    def show(self, snapshot: Snapshot, counts: str) -> None:
        """Show the progress, with `counts` as its first line."""

    def wait(self) -> None:
        """Show that time passes while nothing else happens."""

    def finish(self) -> None:
        """Stop the live view; later lines appear below it."""


class PlainDisplay:
    """Prints one line per event."""

    def __init__(self, console: Console) -> None:
        self._console, self._begun = console, time.monotonic()

    def report(self, line: str) -> None:
        """Print it with the seconds since the start."""
        seconds = time.monotonic() - self._begun
        self._console.print(Text(f"{seconds:6.1f} s  {line}"), soft_wrap=True)

    def show(self, snapshot: Snapshot, counts: str) -> None:  # noqa: ARG002 - only the live view shows counts
        """Print the new events."""
        for event in snapshot.events:
            self.report(f"{event.about}: {event.what}: {event.reason}")

    def wait(self) -> None:
        """Print nothing: lines are for events."""

    def finish(self) -> None:
        """Do nothing: there is no live view."""


class LiveDisplay:
    """Counts, batches, people and the latest events, updated in place."""

    def __init__(self, live: Live, title: str, hint: str) -> None:
        self._live, self._title, self._hint, self._begun = live, title, hint, time.monotonic()
        self._news: deque[Text] = deque(maxlen=_SHOWN_EVENTS)
        self._body: RenderableType = Text("")
        self._counts, self._drawn = "", -1

    def report(self, line: str) -> None:
        """Add it to the latest events."""
        if not self._live.is_started:
            self._live.console.print(Text(line))
            return
        self._news.append(Text(line, style="bold", no_wrap=True, overflow="ellipsis"))
        self._draw()

    def show(self, snapshot: Snapshot, counts: str) -> None:
        """Update the view."""
        self._news.extend(map(_line, snapshot.events))
        self._counts = counts
        self._body = Group(_batches(snapshot), Text(), _people(snapshot))
        self._draw()

    def wait(self) -> None:
        """Update the clock, once a second."""
        if self._seconds() != self._drawn:
            self._draw()

    def finish(self) -> None:
        """Stop updating."""
        self._hint = ""
        self._draw()
        self._live.stop()

    def _seconds(self) -> int:
        return int(time.monotonic() - self._begun)

    def _draw(self) -> None:
        self._drawn = self._seconds()
        head = Text.assemble((self._title, "bold"), f"  {_duration(self._drawn)}  {self._counts}")
        hint = [Text(), Text(self._hint, style="dim")] if self._hint else []
        self._live.update(Group(head, Text(), self._body, Text(), *self._news, *hint), refresh=True)


@contextmanager
def open_display(console: Console, title: str, hint: str) -> Iterator[Display]:
    """Return the display for a console. `hint` says what a person can do meanwhile."""
    if not console.is_terminal:
        plain = PlainDisplay(console)
        plain.report(hint)
        yield plain
        return
    # No automatic refresh: its thread would draw over what others print.
    with Live(console=console, auto_refresh=False) as live:
        yield LiveDisplay(live, title, hint)


def _duration(seconds: int) -> str:
    if seconds < _SHOWN_IN_SECONDS:
        return f"{seconds:3} s"
    return f"{seconds // 3600} h {seconds // 60 % 60:02} min"


def _batches(snapshot: Snapshot) -> Table:
    table = Table("batch", "images", "state", "", "task", "jobs done", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for batch in snapshot.batches:
        done = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
        table.add_row(
            Text(batch.id), str(batch.objects), _bar(batch), Text(batch.state, style=_color(batch)),
            Text(str(batch.task_id or "-")), f"{done}/{len(batch.jobs)}" if batch.jobs else "-",
        )  # fmt: skip
        if batch.error:
            table.add_row("", "", "", Text(batch.error.splitlines()[0], style="yellow"))
    return table


def _bar(batch: BatchSummary) -> RenderableType:
    if batch.state not in _STATES:
        return Text("")
    return ProgressBar(total=len(_STATES) - 1, completed=_STATES.index(batch.state), width=24)


def _color(batch: BatchSummary) -> str:
    return {BatchState.EXPORTED: "green", BatchState.FAILED: "red"}.get(batch.state, "cyan")


def _people(snapshot: Snapshot) -> Table:
    table = Table("annotator", "images", "labelled", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, (done, given) in snapshot.people.items():
        table.add_row(Text(name), f"{done}/{given}", ProgressBar(total=given, completed=done, width=24))
    return table


def _line(event: HistoryEvent) -> Text:
    text = f"{event.at.astimezone():%H:%M:%S}  {event.about}  {event.what}: {event.reason}"
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")
