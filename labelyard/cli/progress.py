"""Progress bars on standard error: on a terminal while the work lasts, and nothing of them afterwards or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from labelyard.domain.progress import OnProgress


def bars(*columns: ProgressColumn, shown: bool = True) -> Progress:
    """Return the bars of a command; after the description and the bar come `columns`."""
    console = Console(stderr=True)
    about, bar = TextColumn("{task.description}"), BarColumn(bar_width=20)
    return Progress(
        about, bar, *columns, console=console, transient=True, disable=not shown or not console.is_interactive
    )


@contextmanager
def progress_bar(description: str, total: int | None, *unit: ProgressColumn) -> Iterator[Callable[[int], None]]:
    """Show one bar; the yielded function sets how much is done."""
    with bars(*unit, TimeRemainingColumn()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def progress_of_steps() -> Iterator[OnProgress]:
    """Show a bar for the step that is done now; the yielded function names it, and says how far it is."""
    with bars(MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task("starting", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield show
