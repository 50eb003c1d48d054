"""`labelyard retry`: the state of the batch, and what happens next."""

from __future__ import annotations

import pytest

from labelyard.errors import CreationFailed, LedgerError, NotFound, TaskDiscarded
from labelyard.operations import manual
from labelyard.operations.retry import retry
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.workspace import Workspace, ingest


def test_a_failed_batch_continues_from_the_step_that_failed(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    workspace.sandbox.faults.set([{"on": "worker creation", "fail": "the worker was killed"}])
    for failure in [TaskDiscarded] * 4 + [CreationFailed]:
        with pytest.raises(failure):
            ingest(workspace)
        workspace.end_wait()
    retried = retry(workspace.context.ledger, "street-00001")
    assert (retried.state, retried.next_event) == ("closed", "the watcher will publish labelyard.batch.closed")


def test_a_batch_that_waits_for_no_run_says_what_it_waits_for(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    sweep_sources(workspace.context)
    assert retry(workspace.context.ledger, "street-00001").next_event == "no run is due, it waits until it closes"


def test_a_cancelled_or_unknown_batch_cannot_be_retried(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    manual.cancel(workspace.context, "street-00001", "a trial")
    with pytest.raises(LedgerError, match="it is cancelled"):
        retry(workspace.context.ledger, "street-00001")
    with pytest.raises(NotFound):
        retry(workspace.context.ledger, "street-99999")
