"""why: the whole story of an object or a batch."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from labelyard.context import open_context
from labelyard.operations.explain import explain


@click.command()
@click.argument("what", metavar="S3URL|BATCH")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def why(what: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Tell the whole history of an object (s3://bucket/key) or of a batch: every decision, with time and reason.

    Ends with how it stands now, and what can be done. What never landed is told with its reason and status 1.
    """
    with open_context() as context:
        stories = explain(context, what)
    if as_json:
        click.echo(json.dumps([asdict(story) for story in stories], default=str, indent=1))
        return
    for story in stories:
        click.secho(story.about, bold=True)
        for entry in story.history:
            click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.what:<14} {entry.reason}")
        for line in story.now:
            click.secho("  now: " + line.replace("\n", "\n    "), fg="yellow")
