"""Whether CVAT still works on an upload, by the signs measured on a real 1.0.0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.forgotten import Timeouts, why_forgotten
from labelyard.domain.tasks import Creation, CreationState, JobStatus, Task

_TIMEOUTS = Timeouts(finished=30, started=300)


def _task(*, received: bool = True, size: int = 0) -> Task:
    return Task(1, "street", size, received, JobStatus.ANNOTATION, (), ())


@pytest.mark.parametrize(
    ("state", "unchanged", "reason"),
    [
        (CreationState.FINISHED, 29, ""),
        (CreationState.FINISHED, 31, "its queue was lost"),
        (CreationState.STARTED, 309, ""),
        (CreationState.STARTED, 311, "its worker was killed"),
        (CreationState.QUEUED, 100_000, ""),
        (CreationState.FAILED, 100_000, ""),
    ],
)
def test_an_upload_is_forgotten_by_its_status_and_the_time_without_progress(
    state: CreationState, unchanged: float, reason: str
) -> None:
    found = why_forgotten(_task(), Creation(state), 10, unchanged, _TIMEOUTS)
    assert reason in found
    assert bool(found) == bool(reason)


@given(st.sampled_from(CreationState), st.floats(0, 1e6), st.integers(0, 1000))
def test_an_upload_that_has_frames_or_was_not_received_is_never_forgotten(
    state: CreationState, unchanged: float, files: int
) -> None:
    for task in (_task(size=1), _task(received=False)):
        assert not why_forgotten(task, Creation(state), files, unchanged, _TIMEOUTS)
