"""The part of a late batch's page: what it waits for, with whom, and the next step."""

from __future__ import annotations

from datetime import tzinfo

from labelyard.domain.attention import causes, stopped_batches
from labelyard.ledger.database import Transaction
from labelyard.ledger.situation import situation_of_batch
from labelyard.ledger.tables import Batch
from labelyard.markdown import advice, code, table
from labelyard.operations.late_words import due, waits_for
from labelyard.orchestration.page_links import job_link


def late_markdown(tx: Transaction, batch: Batch, zone: tzinfo) -> str:
    """Return the part of a batch that the operations page names as late; empty for any other."""
    seen = situation_of_batch(tx, batch)
    if not seen.late or stopped_batches(causes(seen)):
        return ""
    [late] = seen.late
    # Without the days since then: the page is not written again each day.
    words = f"It was {due(late, late.due, zone)} by the deadlines of {batch.dataset}: {waits_for([late], code)}"
    jobs = table(
        ("job", "person", "images open"),
        (
            (job_link(one.id, late.task_url or ""), code(one.assignee) if one.assignee else "nobody", f"{one.frames:,}")
            for one in late.jobs
        ),
    )
    return "\n\n".join(filter(None, ("### Late", words, jobs if late.jobs else "", f"next: {advice(late.next_step)}")))
