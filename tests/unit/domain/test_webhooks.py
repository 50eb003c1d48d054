"""What a delivery of CVAT's webhook says: a task with a changed job, or nothing that concerns labelyard."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.webhooks import JobChange, read_job_change
from labelyard.errors import MessageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
PARTS = {"event": st.just("update:job") | JSON, "job": st.dictionaries(st.just("task_id"), JSON) | JSON}


def delivery(**parts: Any) -> dict[str, Any]:
    return {"event": "update:job", "job": {"id": 1, "task_id": 80, "state": "completed"}, **parts}


@pytest.mark.parametrize(
    ("before", "only_saved"),
    [
        ({"updated_date": "2026-11-29T08:33:02Z"}, True),
        ({}, True),
        ({"updated_date": "2026-11-29T08:33:02Z", "state": "in progress"}, False),
        ({"assignee_id": 3}, False),
        (None, False),
        ("updated_date", False),
    ],
)
def test_saved_annotations_change_the_jobs_date_alone(before: object, only_saved: bool) -> None:
    assert read_job_change(delivery(before_update=before)) == JobChange(80, only_saved)


@pytest.mark.parametrize("event", ["ping", "update:task", "delete:job", "update:job ", None, ["update:job"]])
def test_other_events_are_nothing(event: object) -> None:
    assert read_job_change(delivery(event=event)) is None


@pytest.mark.parametrize("job", [None, 80, [], {}, {"task_id": "80"}, {"task_id": True}, {"task_id": -1}])
def test_a_job_without_the_id_of_its_task_is_an_error(job: object) -> None:
    with pytest.raises(MessageError, match="without the id of its task"):
        read_job_change(delivery(job=job))


@given(st.fixed_dictionaries({}, optional={**PARTS, "before_update": JSON}))
def test_whatever_comes_is_a_change_with_an_id_or_nothing_or_an_error(document: dict[str, Any]) -> None:
    try:
        change = read_job_change(document)
    except MessageError:
        return
    assert change is None or 0 < change.task_id < 2**63
