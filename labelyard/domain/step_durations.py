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


def step_durations(entries: Iterable[Reached], new: Collection[int]) -> Iterator[tuple[str, str, float]]:
    """Yield batch, step and seconds of each step that ended with one of the `new` entries.

    The entries must be in order. A step that was interrupted (failed, or begun again) has no duration.
    """
    last: dict[str, Reached] = {}
    for entry in entries:
        before = last.get(entry.batch)
        if before is not None and before.state is entry.state:
            continue  # the first one counts: each job that is assigned has an entry
        last[entry.batch] = entry
        step = STEPS.get((before.state, entry.state)) if before is not None else None
        if before is not None and step is not None and entry.id in new:
            yield entry.batch, step, max(0.0, (entry.at - before.at).total_seconds())
