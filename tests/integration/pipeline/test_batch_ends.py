"""However a batch ends, and however late CVAT creates a task for it: no empty task stays, and nobody's work is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from labelyard.domain.plan import Action
from labelyard.ledger import batches
from labelyard.operations.plan import survey_tasks
from labelyard.pipeline.leftover_tasks import delete_late_tasks
from tests.support.batch_ends import (
    ENDS,
    HAVE_A_TASK,
    LEFT_TO_REPAIR,
    QUICK_ENDS,
    apply_plan,
    cancelled_with_an_empty_task,
    create,
    empty_tasks,
    names,
)
from tests.support.workspace import FIRST, Workspace

CREATE, DELETE = "POST /api/v1/tasks", "DELETE /api/v1/tasks/*"
FAULTS: Sequence[dict[str, Any]] = [
    {"on": CREATE, "status": 500},
    {"on": CREATE, "status": 500, "when": "after"},
    {"on": CREATE, "status": 503},
    {"on": CREATE, "status": 504, "when": "after"},
    {"on": CREATE, "cut": True},
    {"on": CREATE, "cut": True, "when": "after"},
    {"on": CREATE, "delay": 1.5},
    {"on": CREATE, "delay": 1.5, "when": "after"},
    {"on": DELETE, "status": 500},
    {"on": DELETE, "cut": True, "when": "after"},
    {"on": "GET /api/v1/tasks", "status": 500},
]
_SOME_ENDS = [end if end in QUICK_ENDS else pytest.param(end, marks=pytest.mark.slow) for end in ENDS]


@pytest.mark.parametrize("end", _SOME_ENDS)
def test_a_task_that_is_created_after_the_end_is_deleted_by_the_sweep_or_by_apply(
    street: Workspace, end: Callable[[Workspace], None]
) -> None:
    end(street)
    late = [create(street, name).id for name in names(street) for _ in range(2)]
    assert late, "no name is known"
    own = end is cancelled_with_an_empty_task
    assert delete_late_tasks(street.context) == (0 if end in LEFT_TO_REPAIR else len(late) + own)
    assert apply_plan(street) == [Action.DELETE_TASK] * (len(late) if end in LEFT_TO_REPAIR else 0)
    assert street.tasks_on_server() == (end in HAVE_A_TASK)
    assert empty_tasks(street) == []
    assert survey_tasks(street.context) == []


@pytest.mark.parametrize("end", _SOME_ENDS)
def test_a_task_that_is_created_much_later_is_deleted_by_apply(
    street: Workspace, end: Callable[[Workspace], None]
) -> None:
    end(street)
    delete_late_tasks(street.context)
    with street.context.ledger.transaction() as tx:
        batches.get(tx, FIRST).changed_at = tx.now - timedelta(days=30)
    late = [create(street, name) for name in names(street)]
    assert delete_late_tasks(street.context) == 0
    assert apply_plan(street) == [Action.DELETE_TASK] * len(late)
    assert street.tasks_on_server() == (end in HAVE_A_TASK)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("rule", FAULTS, ids=lambda rule: "-".join(map(str, rule.values())).replace("/", ""))
@pytest.mark.parametrize("end", ENDS)
def test_no_empty_task_stays_at_any_end_after_any_fault(
    street: Workspace, end: Callable[[Workspace], None], rule: dict[str, Any]
) -> None:
    street.sandbox.faults.set([{**rule, "times": 2}])
    end(street)
    street.sandbox.faults.clear()
    time.sleep(rule.get("delay", 0))
    delete_late_tasks(street.context)
    assert set(apply_plan(street)) <= {Action.DELETE_TASK}
    assert empty_tasks(street) == []
    assert street.tasks_on_server() == (end in HAVE_A_TASK)
    assert survey_tasks(street.context) == []


@pytest.mark.parametrize("end", _SOME_ENDS)
def test_a_task_with_frames_is_never_deleted_and_the_plan_names_it(
    street: Workspace, end: Callable[[Workspace], None]
) -> None:
    end(street)
    street.sandbox.faults.clear()
    delete_late_tasks(street.context)
    full = [street.create_task(name, "a.jpg") for name in names(street)]
    assert delete_late_tasks(street.context) == 0
    found = survey_tasks(street.context)
    assert [(one.action, one.task_id) for one in found] == [(Action.REPORT, task) for task in full]
    assert street.tasks_on_server() == len(full) + (end in HAVE_A_TASK)
