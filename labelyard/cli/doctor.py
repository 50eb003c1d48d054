"""`labelyard doctor`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click
import stamina

from labelyard.blocks import complete_each
from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import terminal_width
from labelyard.errors import PrefectUnreachable
from labelyard.escaping import printable
from labelyard.operations.doctor.check import CheckResult, Status, unknown
from labelyard.operations.doctor.checks import CHECKS
from labelyard.operations.doctor.runner import run_checks
from labelyard.orchestration.cluster_checks import cluster_checks
from labelyard.orchestration.doctor_checks import PREFECT_CHECKS, failed_block
from labelyard.settings import load_settings
from labelyard.supervisor.stack import is_starting

_SIGNS = {
    Status.OK: ("✓", "green"),
    Status.WARNING: ("!", "yellow"),
    Status.FAIL: ("✗", "red"),
    Status.UNKNOWN: ("?", "yellow"),
}
_NARROW = 100
"""Below this many columns, names and findings beside each other would be hard to read."""


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found."""

    ok: bool
    """Whether no check has the status warning or fail; the exit status is 1 else."""
    checks: Sequence[CheckResult]


@click.command()
@json_option(Diagnosis, "Print the results as JSON.")
@click.option("--cluster", is_flag=True, help="Also that servers, services, watchers and workers of all hosts fit.")
@click.option("--server", "servers", multiple=True, help="With --cluster: a server's API, beside the balancer. Repeat.")
def doctor(*, as_json: bool, cluster: bool, servers: tuple[str, ...]) -> None:
    """Check that ledger, buckets, queue, CVAT, Prefect and disk can be reached and are set up right.

    Changes nothing. Each problem is shown with the next command; the exit status is 1 if there is any. With --cluster
    also that the processes of all hosts fit together (docs/many-machines.md).
    """
    if servers and not cluster:
        raise click.UsageError("--server needs --cluster")
    stamina.set_active(False)  # a person waits for the answer
    click.get_current_context().call_on_close(lambda: stamina.set_active(True))
    settings, unread = complete_each(load_settings())
    table = {**CHECKS, **PREFECT_CHECKS}
    if cluster:  # instead of the watcher of this host: all of them
        table = {**{name: subject for name, subject in table.items() if name != "watcher"}, **cluster_checks(servers)}
    if is_starting():  # its server, deployments, worker and watcher would be reported as missing
        others = {name: subject for name, subject in CHECKS.items() if name != "watcher"}
        starting = unknown("Prefect", "labelyard up is starting it", "wait, then: labelyard doctor")
        unread = [error for error in unread if not isinstance(error, PrefectUnreachable)]
        results = [*map(failed_block, unread), *run_checks(settings, others), starting]
    else:
        results = [*map(failed_block, unread), *run_checks(settings, table)]
    fine = not any(result.status.is_problem for result in results)
    if as_json:
        print_json(Diagnosis(fine, results))
    else:
        _show(results)
    sys.exit(0 if fine else 1)


def _show(results: Sequence[CheckResult]) -> None:
    width = 0 if terminal_width() < _NARROW else max(len(result.name) for result in results)
    for result in results:
        sign, colour = _SIGNS[result.status]
        first, *others = _lines(result, width)
        click.echo(f"{click.style(sign, fg=colour)} {first}")
        for line in others:
            click.secho(line, fg="yellow" if line.lstrip().startswith("next: ") else None)


def _lines(result: CheckResult, width: int) -> Iterator[str]:
    """Yield the name and what was found in two columns, or one below the other without a `width`; then what to do."""
    name, message = printable(result.name), printable(result.message, keep="\n")
    yield from [f"{name:<{width}}  {message}"] if width else [name, f"  {message}"]
    if result.next_step:
        indent = width + 4 if width else 2
        yield f"{'':<{indent}}next: {printable(result.next_step)}"
