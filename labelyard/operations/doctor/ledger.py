"""The ledger answers, has the schema of this labelyard, has a dataset, and has no upload that makes no progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from labelyard.ledger import Ledger, tasks
from labelyard.ledger.overview import overview
from labelyard.ledger.tables import Task
from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok, warning


def checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of the ledger."""
    return {"ledger": check_ledger}


def check_ledger(installation: Installation) -> Iterator[CheckResult]:
    """Open the ledger, count its batches by state, list its datasets, and look for uploads that make no progress."""
    with closing(Ledger(installation.settings.ledger)) as ledger, ledger.read_only() as tx:
        states = overview(tx, limit=0).states
        stalled = tasks.without_progress(tx, installation.settings.forgotten_seconds)
    batches = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no batch yet"
    yield ok("ledger", f"{ledger.name}: {batches}")
    names = ", ".join(spec.name for spec in installation.datasets)
    missing = fail("datasets", "none is applied, or all are retired", "labelyard apply FILE")
    yield ok("datasets", names) if names else missing
    yield from _check_uploads(stalled)


def _check_uploads(stalled: Sequence[Task]) -> Iterator[CheckResult]:
    if not stalled:
        return
    longest = stalled[0]
    since = f" since {longest.progress_at:%H:%M:%S} UTC" if longest.progress_at else ""
    message = f"CVAT makes no progress with {len(stalled)}, such as {longest.batch_id}, task {longest.server_id}"
    next_step = "look at CVAT's workers and queue; `labelyard status` says when each is asked again"
    yield warning("uploads", f"{message}{since}: {longest.progress}", next_step)
