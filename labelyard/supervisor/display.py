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
from labelyard.escaping import printable
from labelyard.ledger.overview import BatchSummary
from labelyard.supervisor.progress import HistoryEvent, Snapshot

_STATES = (
    BatchState.OPEN, BatchState.CLOSED, BatchState.CREATED, BatchState.UPLOADED,
    BatchState.READY, BatchState.ASSIGNED, BatchState.COMPLETED, BatchState.EXPORTED,
)  # fmt: skip
_SHOWN_EVENTS = 6
_NARROW = 90
"""Below this many columns the table of batches would cut names."""
_SHOWN_IN_SECONDS = 600
_LINES = "\n"


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
        self._console.print(Text(f"{seconds:6.1f} s  {printable(line, keep=_LINES)}"), soft_wrap=True)

    def show(self, snapshot: Snapshot, counts: str) -> None:  # noqa: ARG002 - only the live view shows counts
        """Print the new events."""
        for event in snapshot.events:
            self.report(printable(f"{event.about}: {event.what}: {event.reason}"))

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
            self._live.console.print(Text(printable(line, keep=_LINES)), soft_wrap=True)
            return
        self._news.append(Text(printable(line, keep=_LINES), style="bold", overflow="fold"))
        self._draw()

    def show(self, snapshot: Snapshot, counts: str) -> None:
        """Update the view."""
        self._news.extend(map(_line, snapshot.events))
        self._counts = counts
        self._body = Group(*_batches(snapshot, self._live.console.width), Text(), _people(snapshot))
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


def _batches(snapshot: Snapshot, width: int) -> Iterator[RenderableType]:
    """Return the batches as a table, or one line for each on a narrow terminal; then their errors."""
    yield from map(_short_line, snapshot.batches) if width < _NARROW else [_table(snapshot)]
    for batch in snapshot.batches:
        if batch.error:
            what = printable(f"{batch.id}: {batch.error.splitlines()[0]}")
            yield Text(what, style="yellow", overflow="fold")
            yield Text(f"  next: {printable(batch.next_step or 'labelyard status')}", style="yellow", overflow="fold")


def _short_line(batch: BatchSummary) -> Text:
    task = f", task {batch.task_id}" if batch.task_id else ""
    jobs = f", jobs done {_jobs_done(batch)}" if batch.jobs else ""
    head = f"{printable(batch.id)}  "
    return Text.assemble(head, (batch.state, _color(batch)), f"  {batch.objects} images{task}{jobs}", overflow="fold")


def _table(snapshot: Snapshot) -> Table:
    table = Table("batch", "images", "state", "", "task", "jobs done", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for batch in snapshot.batches:
        table.add_row(
            Text(printable(batch.id)), str(batch.objects), _bar(batch), Text(batch.state, style=_color(batch)),
            Text(str(batch.task_id or "-")), _jobs_done(batch),
        )  # fmt: skip
    return table


def _jobs_done(batch: BatchSummary) -> str:
    done = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
    return f"{done}/{len(batch.jobs)}" if batch.jobs else "-"


def _bar(batch: BatchSummary) -> RenderableType:
    if batch.state not in _STATES:
        return Text("")
    return ProgressBar(total=len(_STATES) - 1, completed=_STATES.index(batch.state), width=24)


def _color(batch: BatchSummary) -> str:
    return {BatchState.EXPORTED: "green", BatchState.FAILED: "red"}.get(batch.state, "cyan")


def _people(snapshot: Snapshot) -> Table:
    table = Table("annotator", "images", "labelled", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, (done, given) in snapshot.people.items():
        # A narrow terminal shortens the bar, not the name.
        bar = ProgressBar(total=given, completed=done, width=24)
        table.add_row(Text(printable(name), overflow="fold"), f"{done}/{given}", bar)
    return table


def _line(event: HistoryEvent) -> Text:
    text = printable(f"{event.about}  {event.what}: {event.reason}")
    return Text(f"{event.at.astimezone():%H:%M:%S}  {text}", style="dim", no_wrap=True, overflow="ellipsis")
