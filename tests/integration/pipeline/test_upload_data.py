"""A failed or disturbed upload leads to one complete task."""

from __future__ import annotations

import pytest

from labelyard.errors import LedgerError, NoUsableImage
from labelyard.operations import manual
from labelyard.pipeline import upload_data
from labelyard.pipeline.close_batches import close_now
from tests.support.workspace import AtFailpoint, Workspace, ingest


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
