"""The demo on a terminal: a picture that changes, or plain lines where there is no terminal."""

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

from labelyard.demo.snapshot import Happened, Scene
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.overview import BatchSummary

_ROAD = (
    BatchState.OPEN, BatchState.CLOSED, BatchState.CREATED, BatchState.UPLOADED,
    BatchState.READY, BatchState.ASSIGNED, BatchState.COMPLETED, BatchState.EXPORTED,
)  # fmt: skip
_IN_A_TASK = _ROAD[4:]
_SHOWN_NEWS = 6


class Display(Protocol):
    """Where a demo is shown."""

    def tell(self, line: str) -> None:
        """Say what is being done, or what a person should hear."""

    def show(self, scene: Scene, put: int) -> None:
        """Show the moment; `put` is how many photographs were put so far."""

    def wait(self) -> None:
        """Show that time goes on while nothing else happens."""

    def finish(self) -> None:
        """Leave the last picture as it is; what is told from now on stands below it."""


class Plain:
    """One line for everything that happens."""

    def __init__(self, console: Console) -> None:
        self._console, self._begun = console, time.monotonic()

    def tell(self, line: str) -> None:
        """Say it, with the seconds since the start."""
        seconds = time.monotonic() - self._begun
        self._console.print(Text(f"{seconds:6.1f} s  {line}"), soft_wrap=True)

    def show(self, scene: Scene, put: int) -> None:  # noqa: ARG002 - a picture shows it, lines tell of what happened
        """Tell what is new."""
        for event in scene.news:
            self.tell(f"{event.about}: {event.what}: {event.reason}")

    def wait(self) -> None:
        """Lines tell of what happened, not of time."""

    def finish(self) -> None:
        """Nothing to leave."""


class Picture:
    """Counts, batches, people and the latest news, drawn anew in place."""

    def __init__(self, live: Live, hint: str) -> None:
        self._live, self._hint, self._begun = live, hint, time.monotonic()
        self._news: deque[Text] = deque(maxlen=_SHOWN_NEWS)
        self._body: RenderableType = Text("")
        self._counts, self._drawn = "", -1

    def tell(self, line: str) -> None:
        """Add it to the news."""
        if not self._live.is_started:
            self._live.console.print(Text(line))
            return
        self._news.append(Text(line, style="bold", no_wrap=True, overflow="ellipsis"))
        self._draw()

    def show(self, scene: Scene, put: int) -> None:
        """Draw the moment."""
        self._news.extend(map(_line, scene.news))
        tasks, exported = scene.objects(*_IN_A_TASK), scene.objects(BatchState.EXPORTED)
        self._counts = f"{put} put · {scene.objects()} landed · {tasks} in tasks · {exported} exported"
        self._body = Group(_batches(scene), Text(), _people(scene))
        self._draw()

    def wait(self) -> None:
        """Draw the clock, once a second."""
        if self._seconds() != self._drawn:
            self._draw()

    def finish(self) -> None:
        """Draw no more."""
        self._hint = ""
        self._draw()
        self._live.stop()

    def _seconds(self) -> int:
        return int(time.monotonic() - self._begun)

    def _draw(self) -> None:
        self._drawn = self._seconds()
        head = Text.assemble(("labelyard demo", "bold"), f"  {self._drawn:3} s  {self._counts}")
        hint = [Text(), Text(self._hint, style="dim")] if self._hint else []
        self._live.update(Group(head, Text(), self._body, Text(), *self._news, *hint), refresh=True)


@contextmanager
def shown_on(console: Console, hint: str) -> Iterator[Display]:
    """A display that fits the console; the last picture stays. `hint` is what one can do meanwhile."""
    if not console.is_terminal:
        plain = Plain(console)
        plain.tell(hint)
        yield plain
        return
    # Drawn only when there is something to draw: a thread of its own would draw over what others print.
    with Live(console=console, auto_refresh=False) as live:
        yield Picture(live, hint)


def _batches(scene: Scene) -> Table:
    table = Table("batch", "images", "state", "", "task", "jobs done", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for batch in scene.batches:
        done = sum(job.status is JobStatus.COMPLETED for job in batch.jobs)
        table.add_row(
            Text(batch.id), str(batch.objects), _bar(batch), Text(batch.state, style=_colour(batch)),
            Text(str(batch.task_id or "-")), f"{done}/{len(batch.jobs)}" if batch.jobs else "-",
        )  # fmt: skip
        if batch.error:
            table.add_row("", "", "", Text(batch.error.splitlines()[0], style="yellow"))
    return table


def _bar(batch: BatchSummary) -> RenderableType:
    if batch.state not in _ROAD:
        return Text("")
    return ProgressBar(total=len(_ROAD) - 1, completed=_ROAD.index(batch.state), width=24)


def _colour(batch: BatchSummary) -> str:
    return {BatchState.EXPORTED: "green", BatchState.FAILED: "red"}.get(batch.state, "cyan")


def _people(scene: Scene) -> Table:
    table = Table("robot", "images", "labelled", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, (done, given) in scene.people.items():
        table.add_row(Text(name), f"{done}/{given}", ProgressBar(total=given, completed=done, width=24))
    return table


def _line(event: Happened) -> Text:
    text = f"{event.at.astimezone():%H:%M:%S}  {event.about}  {event.what}: {event.reason}"
    return Text(text, style="dim", no_wrap=True, overflow="ellipsis")
