"""The table of batches of `labelyard status`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.ledger.overview import BatchSummary
from labelyard.operations.status import jobs_summary, state_with_lease

_COLOURS = {"failed": "red", "quarantined": "red", "exported": "green"}


def print_table(batches: Sequence[BatchSummary], width: int) -> None:
    """Print a row for each batch, `width` columns wide."""
    table = Table(pad_edge=False)
    for name in ("batch", "state", "objects"):
        table.add_column(name, no_wrap=True)
    for name in ("task", "jobs", "export"):
        table.add_column(name, overflow="fold")
    for batch in batches:
        task, export = Text(batch.task_url or "-"), Text(batch.exports[-1] if batch.exports else "-")
        table.add_row(Text(batch.id), _state(batch), str(batch.objects), task, Text(jobs_summary(batch)), export)
    Console(width=width).print(table)


def _state(batch: BatchSummary) -> Text:
    return Text(state_with_lease(batch), style=_COLOURS.get(batch.state, "cyan"))
