"""Decisions of a person: quarantine, restore, cancel, pause, retire."""

from __future__ import annotations

import pytest

from labelyard.errors import LeaseTaken, NotFound
from labelyard.ledger import objects, outbox
from labelyard.operations import manual
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.pictures import picture
from tests.support.workspace import Workspace, export, ingest, ingest_and_export


def test_an_object_quarantined_before_its_upload_is_not_uploaded_and_restored_into_the_next_batch(
    workspace: Workspace,
) -> None:
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    manual.quarantine(workspace.context, workspace.url("2.jpg"), "blurred")
    ingest(workspace)
    assert workspace.line().jobs[0].frames == (0, 0)
    assert workspace.line().quarantined == {workspace.url("2.jpg"): "manually: blurred"}
    assert manual.restore(workspace.context, workspace.url("2.jpg")).batch_id == "street-00002"
    assert workspace.line("street-00002").objects == 1


def test_an_object_quarantined_after_its_upload_is_left_out_of_the_exports_until_it_is_restored(
    workspace: Workspace,
) -> None:
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    ingest_and_export(workspace)
    assert workspace.exported_keys() == ["in/1.jpg", "in/2.jpg"]
    manual.quarantine(workspace.context, workspace.url("2.jpg"), "a private person")
    export(workspace)
    assert workspace.exported_keys() == ["in/1.jpg"]
    manual.restore(workspace.context, workspace.url("2.jpg"))
    export(workspace)
    assert workspace.exported_keys() == ["in/1.jpg", "in/2.jpg"]


@pytest.mark.parametrize("is_uploaded", [False, True])
def test_a_quarantined_content_that_a_newer_one_replaced_is_not_restored(
    workspace: Workspace, is_uploaded: bool
) -> None:
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    if is_uploaded:
        ingest(workspace)
    manual.quarantine(workspace.context, workspace.url("1.jpg"), "blurred")
    workspace.put("1.jpg", picture(7))
    sweep_sources(workspace.context)
    old, new = workspace.objects("1.jpg")
    with pytest.raises(NotFound, match=rf"newer content \({new.etag}\), registered at .* replaced") as caught:
        manual.restore(workspace.context, workspace.url("1.jpg"))
    assert "labelyard why" in caught.value.next_step
    assert [row.quarantine_reason for row in workspace.objects("1.jpg")] == [old.quarantine_reason, None]
    # The old content returns: it can be restored, though the quarantined row of the other one is younger.
    manual.quarantine(workspace.context, workspace.url("1.jpg"), "blurred, too")
    workspace.put("1.jpg")
    sweep_sources(workspace.context)
    assert manual.restore(workspace.context, workspace.url("1.jpg")).id == old.id


def test_a_quarantined_content_that_was_deleted_in_the_bucket_is_not_restored(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    manual.quarantine(workspace.context, workspace.url("1.jpg"), "blurred")
    with workspace.context.ledger.transaction() as tx:
        objects.mark_deleted(tx, workspace.spec, workspace.bucket, "in/1.jpg")
    with pytest.raises(NotFound, match="the bucket has it no more"):
        manual.restore(workspace.context, workspace.url("1.jpg"))


def test_an_unknown_object_cannot_be_quarantined_or_restored(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="no content of it is part of a batch"):
        manual.quarantine(workspace.context, workspace.url("1.jpg"), "x")
    with pytest.raises(NotFound, match="no content of it is quarantined"):
        manual.restore(workspace.context, workspace.url("1.jpg"))
    with pytest.raises(NotFound, match="not the address of an object"):
        manual.restore(workspace.context, "1.jpg")


def test_a_cancelled_batch_stops_and_its_objects_can_be_restored_one_by_one(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    manual.cancel(workspace.context, "street-00001", "wrong labels")
    assert collect(workspace.context).completed == ()
    assert workspace.line().state == "cancelled"
    assert manual.restore(workspace.context, workspace.url("1.jpg")).batch_id == "street-00002"
    close_now(workspace.context, "street")
    ingest(workspace, "street-00002")
    assert workspace.tasks_on_server() == 2


def test_a_paused_dataset_registers_objects_and_closes_batches_and_starts_no_run(workspace: Workspace) -> None:
    manual.pause(workspace.context, "street", "the annotators are away")
    workspace.put("1.jpg")
    workspace.close_batch()
    with pytest.raises(LeaseTaken, match=r"paused since .*: the annotators are away"):
        ingest(workspace)
    with workspace.context.ledger.read_only() as tx:
        assert outbox.unpublished(tx) == []
    assert manual.resume(workspace.context, "street") == 1
    with workspace.context.ledger.read_only() as tx:
        assert len(outbox.unpublished(tx)) == 1
    ingest(workspace)


def test_a_retired_dataset_registers_no_objects_and_its_batches_continue(workspace: Workspace) -> None:
    workspace.put("1.jpg", picture(1))
    workspace.close_batch()
    manual.retire(workspace.context, "street")
    workspace.put("2.jpg", picture(2))
    assert sweep_sources(workspace.context).registered == {}
    ingest(workspace)
    assert workspace.line().state == "assigned"
    workspace.apply()
    assert sweep_sources(workspace.context).registered["street"].new == 1
    with pytest.raises(NotFound, match="no dataset 'none'"):
        manual.retire(workspace.context, "none")
