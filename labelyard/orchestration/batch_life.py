"""The part of a batch's page about its life: its states with durations, what else happened, its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from labelyard.domain.deadlines import STAGES
from labelyard.domain.states import BatchState
from labelyard.ledger.history import HistoryEntry
from labelyard.ledger.tables import Batch
from labelyard.markdown import code, link, table
from labelyard.operations.batch_life import STATES, steps
from labelyard.operations.moments import moment
from labelyard.orchestration import WAITING_FOR_ANNOTATORS
from labelyard.orchestration.page_links import PageLinks

_MOST_EVENTS = 12


def life_markdown(entries: Sequence[HistoryEntry], batch: Batch, zone: tzinfo) -> str:
    """Return when the batch got into each state, how long it stayed, why it came back, and the last other events."""
    found = steps(entries, batch.opened_at)
    lasts = batch.state in STAGES or batch.state in (BatchState.OPEN, BatchState.FAILED)
    rows = [
        (
            one.state,
            f"{one.since.astimezone(zone):%d %b %H:%M:%S}",
            _duration(one.until - one.since) if one.until else "until now" if lasts else "",
        )
        for one in found
    ]
    again = [f"- {one.state} again {moment(one.since, zone)}: {code(one.why_again)}" for one in found if one.why_again]
    said = {one.why_again for one in found}
    others = [one for one in entries if one.what not in STATES and one.reason not in said][-_MOST_EVENTS:]
    events = [f"- {moment(one.at, zone)} **{one.what}** {code(one.reason)}" for one in others]
    return "\n\n".join(
        filter(
            None,
            (
                f"### Life\n\n{table(('state', f'since ({zone})', 'for'), rows)}",
                _list("Why it came back to an earlier state:", again),
                _list("What else happened:", events),
            ),
        )
    )


def _list(title: str, lines: Sequence[str]) -> str:
    return "\n\n".join((title, "\n".join(lines))) if lines else ""


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def runs_markdown(runs: Sequence[Mapping[str, Any]], links: PageLinks, zone: tzinfo) -> str:
    """Return the flow runs of a batch, as Prefect's API returns them, each with how it ended or what it does."""
    lines = "\n".join(f"- {link(run['name'], links.run_url(run['id']))}: {_run(run, zone)}" for run in runs)
    return f"### Runs\n\n{lines}" if lines else ""


def _run(run: Mapping[str, Any], zone: tzinfo) -> str:
    state, ended = run["state_name"] or "-", run.get("end_time")
    if not ended:
        return code(state)
    # The name of a final state says what came next then, and not what the batch does now.
    how = "its jobs went to annotators" if state == WAITING_FOR_ANNOTATORS else code(state)
    return f"ended {moment(datetime.fromisoformat(ended), zone)}: {how}"
