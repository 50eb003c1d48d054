"""The ledger answers, has the schema of this labelyard, and has a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from labelyard.ledger import Ledger
from labelyard.ledger.overview import overview
from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok


def checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of the ledger."""
    return {"ledger": check_ledger}


def check_ledger(installation: Installation) -> Iterator[CheckResult]:
    """Open the ledger, count its batches by state, and list its datasets."""
    with closing(Ledger(installation.settings.ledger)) as ledger, ledger.read_only() as tx:
        states = overview(tx, limit=0).states
    batches = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no batch yet"
    yield ok("ledger", f"{ledger.name}: {batches}")
    names = ", ".join(spec.name for spec in installation.datasets)
    missing = fail("datasets", "none is applied, or all are retired", "labelyard apply FILE")
    yield ok("datasets", names) if names else missing
