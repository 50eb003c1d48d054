"""Try a failed or waiting batch again at once."""

from __future__ import annotations

from dataclasses import dataclass

from labelyard.domain.states import BatchState, Event
from labelyard.ledger import Ledger, batches


@dataclass(frozen=True)
class Retried:
    """The state of the batch now, and the event that starts its run; None if it waits for no run."""

    state: BatchState
    event: Event | None

    @property
    def next_event(self) -> str:
        """What happens next, in words."""
        if self.event is not None:
            return f"the watcher will publish {self.event}"
        waits_for = "until it closes" if self.state is BatchState.OPEN else "for people; collect-finished checks it"
        return f"no run is due, it waits {waits_for}"


def retry(ledger: Ledger, batch_id: str) -> Retried:
    """Continue a failed batch from the step that failed, and end the wait of one that waits after a failure.

    Raises NotFound, or LedgerError if the batch is quarantined or cancelled.
    """
    with ledger.transaction() as tx:
        batch = batches.get(tx, batch_id, lock=True)
        event = batches.retry(tx, batch)
        return Retried(batch.state, event)
