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

from labelyard.operations.doctor.results import Finding, Verdict
from labelyard.operations.doctor.run_checks import examine
from labelyard.settings import load_settings

_SIGNS = {
    Verdict.RIGHT: Text("✓", style="green"),
    Verdict.WRONG: Text("✗", style="red"),
    Verdict.UNSEEN: Text("?", style="yellow"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def doctor(as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Check that what labelyard needs can be reached and is set up right: ledger, buckets, queue, CVAT, Prefect, disk.

    Changes nothing. Each problem is shown with the next command; the exit status is 1 if there is any.
    """
    stamina.set_active(False)  # whoever asks the doctor wants to hear at once what does not answer
    findings = examine(load_settings())
    ok = all(finding.verdict is not Verdict.WRONG for finding in findings)
    if as_json:
        click.echo(json.dumps({"right": ok, "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        _show(findings)
    sys.exit(0 if ok else 1)


def _show(findings: Sequence[Finding]) -> None:
    console, wide = Console(), max(len(finding.about) for finding in findings)
    for finding in findings:
        line = Text.assemble(_SIGNS[finding.verdict], f" {finding.about:<{wide}}  {finding.what}")
        console.print(line, soft_wrap=True)
        if finding.next_step:
            console.print(Text(f"  {'':<{wide}}  next: {finding.next_step}", style="yellow"), soft_wrap=True)
