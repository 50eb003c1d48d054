"""The table of batches of `labelyard status`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.text import Text

from labelyard.cli.table import Cell, print_table
from labelyard.ledger.overview import BatchSummary
from labelyard.operations.status import jobs_summary, state_and_activity

_COLUMNS = ("batch", "state", "objects", "jobs", "task", "export")
_COLOURS = {"failed": "red", "quarantined": "red", "exported": "green"}


def print_batches(batches: Sequence[BatchSummary], zone: tzinfo) -> None:
    """Print a row for each batch."""
    print_table(_COLUMNS, [_row(batch, zone) for batch in batches])


def _row(batch: BatchSummary, zone: tzinfo) -> list[Cell]:
    export = batch.exports[-1] if batch.exports else "-"
    state = Text(state_and_activity(batch), style=_COLOURS.get(batch.state, "cyan"))
    return [batch.id, state, str(batch.objects), jobs_summary(batch, zone), batch.task_url or "-", export]
