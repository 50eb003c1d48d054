"""A failed or disturbed upload leads to one complete task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from labelyard.errors import LedgerError, NoUsableImage
from labelyard.operations import manual
from labelyard.pipeline import upload_data
from labelyard.pipeline.close_batches import close_now
from tests.support.workspace import AtFailpoint, Workspace, assert_one_complete_task, ingest, ingest_until_done

DATA = "POST /api/v1/tasks/*/data"


UPLOADING: Sequence[dict[str, Any]] = [
    {"on": DATA, "cut": True, "when": "before"},
    {"on": DATA, "cut": True, "when": "after"},
    {"on": DATA, "status": 500, "when": "before"},
    {"on": DATA, "status": 504, "when": "after"},
    {"on": DATA, "short": 0.6},
    {"on": DATA, "short": 0.6, "cut": True, "when": "after"},
    {"on": "worker creation", "fail": "OSError: broken"},
    {"on": "worker creation", "delay": 0.5},
]


@pytest.mark.parametrize("rule", UPLOADING, ids=lambda rule: "-".join(f"{v}" for k, v in rule.items() if k != "on"))
def test_after_any_failed_upload_the_batch_has_one_complete_task(closed: Workspace, rule: dict[str, Any]) -> None:
    closed.sandbox.faults.set([{**rule, "times": 1}])
    ingest_until_done(closed)
    assert_one_complete_task(closed)


def test_an_object_moved_to_another_batch_during_its_inspection_is_uploaded_once(
    two_files: Workspace, at_failpoint: AtFailpoint
) -> None:
    def quarantine_and_restore() -> None:
        manual.quarantine(two_files.context, two_files.url("2.jpg"), "blurred")
        assert manual.restore(two_files.context, two_files.url("2.jpg")).batch_id == "street-00002"

    at_failpoint(upload_data, "upload_data.inspected", quarantine_and_restore)
    ingest(two_files)
    close_now(two_files.context, "street")
    ingest(two_files, "street-00002")
    assert (two_files.frames(), two_files.frames("street-00002")) == (["1.jpg"], ["2.jpg"])


def test_an_object_quarantined_during_its_inspection_is_not_uploaded(
    two_files: Workspace, at_failpoint: AtFailpoint
) -> None:
    def quarantine() -> None:
        manual.quarantine(two_files.context, two_files.url("2.jpg"), "a private person")

    at_failpoint(upload_data, "upload_data.inspected", quarantine)
    ingest(two_files)
    assert two_files.frames() == ["1.jpg"]


def test_a_batch_whose_objects_are_all_quarantined_names_one_with_its_reason(two_files: Workspace) -> None:
    for key in ("1.jpg", "2.jpg"):
        manual.quarantine(two_files.context, two_files.url(key), "blurred")
    with pytest.raises(NoUsableImage, match=r"all 2 objects are quarantined, such as .*: manually: blurred"):
        ingest(two_files)
    with pytest.raises(LedgerError, match="no run continues it") as caught:
        two_files.retry()
    assert "labelyard restore" in caught.value.next_step
