"""How long each step of a batch took, from the times at which the batch reached its states."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from labelyard.domain.states import BatchState

_S = BatchState
STEPS: Mapping[tuple[BatchState, BatchState], str] = {
    (_S.CLOSED, _S.CREATED): "create_task",
    (_S.CREATED, _S.UPLOADED): "upload_data",
    (_S.UPLOADED, _S.READY): "wait_for_status",
    (_S.READY, _S.ASSIGNED): "assign_jobs",
    (_S.ASSIGNED, _S.COMPLETED): "annotate",
    (_S.COMPLETED, _S.EXPORTED): "export_annotations",
}
"""The step between two states. `annotate` is the work of people; the others are the pipeline's."""


@dataclass(frozen=True, slots=True)
class Reached:
    """An entry of a batch's history: it reached a state. The entries of its jobs count as well: `assigned`."""

    id: int
    batch: str
    at: datetime
    state: BatchState


@dataclass(frozen=True, slots=True)
class Reaching:
    """A batch reached a state: which, and which step ended so, after how many seconds; "" if none did."""

    batch: str
    state: BatchState
    step: str
    seconds: float


def states_reached(entries: Iterable[Reached], new: Collection[int]) -> Iterator[Reaching]:
    """Yield each change of a batch's state that the `new` entries show.

    The entries must be in order. A step that was interrupted (failed, or begun again) is none.
    """
    last: dict[str, Reached] = {}
    for entry in entries:
        before = last.get(entry.batch)
        if before is not None and before.state is entry.state:
            continue  # the first one counts: each job that is assigned has an entry
        last[entry.batch] = entry
        if entry.id in new:
            step = STEPS.get((before.state, entry.state), "") if before is not None else ""
            seconds = (entry.at - before.at).total_seconds() if before is not None else 0.0
            yield Reaching(entry.batch, entry.state, step, max(0.0, seconds))
