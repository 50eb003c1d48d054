"""`labelyard up`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import click
from rich.console import Console
from rich.text import Text

from labelyard.blocks import complete
from labelyard.cli.table import linked
from labelyard.errors import LabelyardError, SignalReceived
from labelyard.escaping import printable
from labelyard.ledger import Ledger
from labelyard.operations.doctor.checks import CHECKS
from labelyard.operations.doctor.runner import run_checks
from labelyard.settings import Settings, load_settings
from labelyard.supervisor import Supervisor
from labelyard.supervisor.display import Display, open_display
from labelyard.supervisor.progress import Observer, Snapshot
from labelyard.supervisor.stack import FOLDER, Links, lock_folder, start_stack

_SHOWN_BATCHES = 8
_SECONDS_BETWEEN_SNAPSHOTS = 2.0
_LINES = "\n"
_HINT = "in another shell, in this folder: labelyard status, labelyard doctor. Ctrl-C stops everything."


@click.command()
@click.option("--quiet", is_flag=True, help="Print only the links, what is missing, and processes that ended.")
def up(quiet: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run everything on this machine until Ctrl-C: Prefect's server, the deployments, a worker, the watcher.

    Shows what happens: a live view on a terminal, one line per event otherwise. When PREFECT_API_URL is set, that
    Prefect server is used and none is started. A process that ends is started again. Logs and Prefect's database are in
    .labelyard/ of the current folder.
    """
    settings = load_settings()
    reporter, running = _Reporter(), False
    try:
        with lock_folder(), Supervisor(FOLDER.resolve() / "logs", reporter) as supervisor:
            links = start_stack(supervisor, settings, reporter)
            settings = complete(settings)
            running = True
            _show(links, settings)
            if quiet:
                supervisor.watch()
            with _view(settings, reporter) as view:
                supervisor.watch(view.update)
    except SignalReceived as end:
        click.echo("stopped")
        sys.exit(0 if running else end.status)


class _Reporter:
    """Reports a line: on the display if there is one, else with the time of day."""

    display: Display | None = None

    def __call__(self, line: str) -> None:
        if self.display is None:
            click.echo(f"{datetime.now().astimezone():%H:%M:%S} {printable(line, keep=_LINES)}")
        else:
            self.display.report(line)


class _View:
    """Updates the display from the ledger. A ledger that does not answer is reported once and stops nothing."""

    def __init__(self, display: Display, observer: Observer) -> None:
        self._display, self._observer = display, observer
        self._due, self._problem = 0.0, ""

    def update(self) -> bool:
        """Show the progress if it is time. Return false: a view never ends."""
        self._display.wait()
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + _SECONDS_BETWEEN_SNAPSHOTS
        try:
            snapshot = self._observer.snapshot()
        except LabelyardError as error:
            self._report_once(str(error))
        else:
            self._problem = ""
            self._display.show(snapshot, _counts(snapshot))
        return False

    def _report_once(self, problem: str) -> None:
        if problem != self._problem:
            self._display.report(problem)
        self._problem = problem


@contextmanager
def _view(settings: Settings, reporter: _Reporter) -> Iterator[_View]:
    with closing(Ledger(settings.ledger)) as ledger, open_display(Console(), "labelyard up", _HINT) as display:
        reporter.display = display
        try:
            yield _View(display, Observer(ledger, batches=_SHOWN_BATCHES, only_new=True))
        finally:
            reporter.display = None


def _counts(snapshot: Snapshot) -> str:
    return " · ".join(f"{count} {state}" for state, count in sorted(snapshot.states.items())) or "no batch yet"


def _show(links: Links, settings: Settings) -> None:
    """Print the links, and every problem that `labelyard doctor` finds beside Prefect, which has just started."""
    console = Console()
    cvats = {f"CVAT {name}": cvat.url for name, cvat in sorted(settings.cvat.items())}
    addresses = {**links.as_lines(), **cvats, "logs": str(FOLDER.resolve() / "logs")}
    width = max(map(len, addresses))
    for name, where in addresses.items():
        console.print(linked(f"  {name:<{width}}  {where}"), soft_wrap=True)
    problems = [result for result in run_checks(settings, CHECKS) if result.status.is_problem]
    for result in problems:
        console.print(Text(f"! {result.name}: {printable(result.message)}", style="yellow"), soft_wrap=True)
        console.print(Text(f"  next: {printable(result.next_step)}", style="yellow"), soft_wrap=True)
    if not problems:
        console.print(Text("✓ ledger, buckets, queue and CVAT answer; every annotator exists", style="green"))
    if settings.prefect_api_url is None:
        console.print(Text(f"In another shell: export PREFECT_API_URL={links.prefect_api}"), soft_wrap=True)
    console.print(Text("Ctrl-C stops everything."))
