"""`labelyard doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click
import stamina
from rich.console import Console
from rich.text import Text

from labelyard.operations.doctor.check import CheckResult, Status, unknown
from labelyard.operations.doctor.checks import CHECKS
from labelyard.operations.doctor.runner import run_checks
from labelyard.orchestration.doctor_checks import PREFECT_CHECKS
from labelyard.settings import load_settings
from labelyard.supervisor.stack import is_starting

_SIGNS = {
    Status.OK: Text("✓", style="green"),
    Status.WARNING: Text("!", style="yellow"),
    Status.FAIL: Text("✗", style="red"),
    Status.UNKNOWN: Text("?", style="yellow"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Check that ledger, buckets, queue, CVAT, Prefect and disk can be reached and are set up right.

    Changes nothing. Each problem is shown with the next command; the exit status is 1 if there is any.
    """
    stamina.set_active(False)  # a person waits for the answer
    settings = load_settings()
    if is_starting():  # its server, deployments, worker and watcher would be reported as missing
        others = {name: subject for name, subject in CHECKS.items() if name != "watcher"}
        starting = unknown("Prefect", "labelyard up is starting it", "wait, then: labelyard doctor")
        results = [*run_checks(settings, others), starting]
    else:
        results = run_checks(settings, {**CHECKS, **PREFECT_CHECKS})
    fine = not any(result.status.is_problem for result in results)
    if as_json:
        click.echo(json.dumps({"ok": fine, "checks": [asdict(result) for result in results]}, indent=1))
    else:
        _show(results)
    sys.exit(0 if fine else 1)


def _show(results: Sequence[CheckResult]) -> None:
    console, width = Console(), max(len(result.name) for result in results)
    for result in results:
        line = Text.assemble(_SIGNS[result.status], f" {result.name:<{width}}  {result.message}")
        console.print(line, soft_wrap=True)
        if result.next_step:
            console.print(Text(f"  {'':<{width}}  next: {result.next_step}", style="yellow"), soft_wrap=True)
