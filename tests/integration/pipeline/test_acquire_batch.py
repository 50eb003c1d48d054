"""A lease is exclusive, and a run that died or failed is continued by the next one."""

from __future__ import annotations

import pytest

from labelyard.errors import CvatBusy, CvatUnreachable, LeaseTaken
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.assign_jobs import assign_jobs
from labelyard.pipeline.create_task import create_task
from labelyard.pipeline.upload_data import upload_data
from labelyard.pipeline.wait_for_status import wait_for_status
from tests.support.cvat_families import each_cvat
from tests.support.workspace import Workspace, assert_one_complete_task, ingest, ingest_steps, ingest_until_done

STEPS = (create_task, upload_data, wait_for_status, assign_jobs)


class Died(BaseException):
    """No handler of the code may catch it."""


@each_cvat
@pytest.mark.parametrize("done", [1, 3, *(pytest.param(done, marks=pytest.mark.slow) for done in (0, 2, 4))])
def test_a_run_that_died_after_any_step_is_finished_by_the_next(closed: Workspace, done: int) -> None:
    def die_on_the_way() -> None:
        with acquire_batch(closed.context, "street-00001") as lease:
            for step in STEPS[:done]:
                step(lease)
            raise Died

    with pytest.raises(Died):
        die_on_the_way()
    if done < len(STEPS):
        ingest(closed)
    assert_one_complete_task(closed)


def test_only_one_of_two_runs_at_once_gets_the_lease(closed: Workspace) -> None:
    with acquire_batch(closed.context, "street-00001") as lease:
        with pytest.raises(LeaseTaken, match="has it until"):
            ingest(closed)
        ingest_steps(lease)
    with pytest.raises(LeaseTaken, match="it is assigned"):
        ingest(closed)
    assert_one_complete_task(closed)


@each_cvat
def test_while_cvat_is_unavailable_the_batch_waits_and_says_why(closed: Workspace) -> None:
    closed.sandbox.faults.set([{"on": "* /*", "status": 503}])
    with pytest.raises(CvatBusy):
        ingest(closed)
    line = closed.line()
    assert (line.state, line.not_before is not None) == ("closed", True)
    assert "503" in (line.error or "")
    closed.sandbox.faults.clear()
    ingest_until_done(closed)
    assert_one_complete_task(closed)


def test_the_error_of_an_unreachable_cvat_names_its_address(closed: Workspace) -> None:
    away = closed.context.settings.cvat["default"].model_copy(update={"url": "http://127.0.0.1:1"})
    closed.context.settings.cvat["default"] = away
    with pytest.raises(CvatUnreachable, match=r"127\.0\.0\.1:1"):
        ingest(closed)
    assert closed.line().state == "closed"
