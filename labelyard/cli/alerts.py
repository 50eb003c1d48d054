"""alerts: what needs a person, the channels that get messages about it, and a test message."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import click

from labelyard.alert_settings import AlertSettings
from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import print_table
from labelyard.domain.alerts import Message
from labelyard.domain.attention import causes
from labelyard.domain.causes import Cause
from labelyard.errors import AlertNotSent, SettingsError
from labelyard.escaping import printable
from labelyard.ledger import Ledger
from labelyard.ledger import alerts as ledger_alerts
from labelyard.ledger.situation import read_situation
from labelyard.settings import load_settings

_TEST = Message("labelyard: a test", "This channel gets alerts of labelyard. Nothing is wrong.\nnext: nothing")


@dataclass(frozen=True)
class ShownCauses:
    """What needs a person, and what somebody should know."""

    causes: Sequence[Cause]


@click.group(invoke_without_command=True)
@json_option(ShownCauses, "Print the causes as JSON.")
@click.pass_context
def alerts(context: click.Context, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show what needs a person, each cause once, and who has got messages about it."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings()
    with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
        found, rows = causes(read_situation(tx)), ledger_alerts.all_alerts(tx)
    if as_json:
        click.echo(json.dumps({"causes": [cause.document() for cause in found]}, default=datetime.isoformat, indent=1))
        return
    got = {cause.key: [row.channel for row in rows if row.key == cause.key and row.sent] for cause in found}
    _show(found, got, settings.alerts)


def _show(found: Sequence[Cause], got: Mapping[str, Sequence[str]], settings: AlertSettings) -> None:
    if found:
        rows = [
            (
                cause.kind.value,
                cause.dataset or "-",
                f"{cause.since:%Y-%m-%d %H:%M} UTC",
                printable(cause.what, keep="\n"),
                printable(cause.next_step),
                (", ".join(got[cause.key]) or "nobody") if cause.has_alert else "-",
            )
            for cause in found
        ]
        print_table(("cause", "dataset", "since", "what", "next", "message to"), rows)
    else:
        click.echo("nothing needs a person")
    channels = ", ".join(settings.channels) or "none (docs/alerts.md says how to set one)"
    quiet = f"; quiet hours: {settings.quiet_hours} {settings.timezone}" if settings.quiet_hours else ""
    click.echo(f"channels: {channels}{quiet}")


@dataclass(frozen=True)
class TestedChannel:
    """A channel after `alerts test`; with an error the exit status is 1."""

    channel: str
    error: str | None


@alerts.command()
@click.argument("channel", required=False)
@json_option(list[TestedChannel])
def test(channel: str | None, *, as_json: bool) -> None:
    """Send a test message to every CHANNEL of the settings, or to one; at night, too."""
    from labelyard.orchestration.alert_channels import send  # noqa: PLC0415 - slow to import, and unused above

    channels = load_settings().alerts.channels
    if channel is not None and channel not in channels:
        known = ", ".join(channels) or "none"
        raise SettingsError(
            f"there is no alert channel {channel!r} (known: {known})",
            next_step=f"set LABELYARD_ALERTS__CHANNELS__{channel.upper()}__URL",
        )
    if not channels:
        raise SettingsError(
            "no alert channel is set", next_step="set LABELYARD_ALERTS__CHANNELS__LEAD__URL (docs/alerts.md)"
        )
    tested = []
    for name in [channel] if channel else list(channels):
        try:
            send(channels[name], _TEST)
        except AlertNotSent as error:
            tested.append(TestedChannel(name, str(error)))
        else:
            tested.append(TestedChannel(name, None))
        if not as_json:
            _show_tested(tested[-1])
    if as_json:
        print_json(tested)
    sys.exit(1 if any(one.error for one in tested) else 0)


def _show_tested(one: TestedChannel) -> None:
    if one.error:
        click.secho(f"✗ {one.channel}: {one.error}", fg="red")
    else:
        click.echo(f"{click.style('✓', fg='green')} {one.channel}: sent")
