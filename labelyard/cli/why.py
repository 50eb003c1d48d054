"""`labelyard why`."""

from __future__ import annotations

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.links import with_links
from labelyard.context import open_context
from labelyard.escaping import printable
from labelyard.operations.explain import Explanation, explain


@click.command()
@click.argument("what", metavar="S3URL|BATCH")
@json_option(list[Explanation], "Print the explanation as JSON.")
def why(what: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show the whole history of an object (s3://bucket/key) or a batch: every decision, with time and reason.

    Ends with its state now and the next command. For an object that was never registered it shows the reason, and ends
    with status 1.
    """
    with open_context() as context:
        explanations = explain(context, what)
    if as_json:
        print_json(explanations)
        return
    for one in explanations:
        click.secho(one.about, bold=True)
        for entry in one.history:
            reason = printable(entry.reason, keep="\n")
            click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.what:<14} {with_links(reason)}")
        for line in one.now:
            click.secho("  now: " + with_links(line).replace("\n", "\n    "), fg="yellow")
