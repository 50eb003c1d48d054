"""The same bytes under another ETag are not labelled again; another content of the same size is."""

from __future__ import annotations

import pytest

from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState
from labelyard.errors import NotFound
from labelyard.operations import manual
from labelyard.operations.explain import explain
from labelyard.pipeline import register_objects as registering
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import register_deletions, register_objects, sweep_sources
from labelyard.sources.notifications import NotifiedObject
from tests.support.pictures import picture
from tests.support.workspace import AtFailpoint, Workspace, draw_and_complete, export, ingest

SECOND = "street-00002"


def in_parts(workspace: Workspace, name: str, body: bytes) -> None:
    """Put a file as one part, which gives it another ETag than a plain PUT."""
    at = {"Bucket": workspace.bucket, "Key": f"in/{name}"}
    upload = workspace.s3.create_multipart_upload(**at)["UploadId"]
    part = workspace.s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=body)["ETag"]
    parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
    workspace.s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)


def etag(workspace: Workspace, name: str) -> str:
    return workspace.context.store.head(workspace.bucket, f"in/{name}").etag


def notified(workspace: Workspace, name: str) -> NotifiedObject:
    return NotifiedObject(StoredObject(workspace.bucket, f"in/{name}", ""), "ObjectCreated:Put", "aws:s3")


@pytest.fixture
def labelled(workspace: Workspace) -> Workspace:
    """Three files in a task, their bytes differ."""
    for number in range(3):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)
    return workspace


@pytest.mark.parametrize("via", ["a notification", "the sweep"])
def test_the_same_bytes_under_another_etag_are_not_labelled_again_and_why_says_so(
    labelled: Workspace, via: str
) -> None:
    before = etag(labelled, "1.jpg")
    in_parts(labelled, "1.jpg", picture(1))
    assert etag(labelled, "1.jpg") != before
    if via == "the sweep":
        assert sweep_sources(labelled.context).registered["street"].new == 0
    else:
        assert register_objects(labelled.context, [notified(labelled, "1.jpg")], "event").new == 0
    with pytest.raises(NotFound, match="no open batch"):
        close_now(labelled.context, "street")
    [one] = explain(labelled.context, labelled.url("1.jpg"))
    assert "not labelled again" in one.history[-1].reason
    assert before in one.history[-1].reason
    assert etag(labelled, "1.jpg") in one.about


def test_a_whole_prefix_encrypted_again_creates_no_task(labelled: Workspace) -> None:
    for number in range(3):
        in_parts(labelled, f"{number}.jpg", picture(number))
    for _ in range(2):
        assert sweep_sources(labelled.context).registered["street"].new == 0
    assert labelled.tasks_on_server() == 1
    assert labelled.line().objects == 3


def test_another_content_of_the_same_size_is_labelled(workspace: Workspace) -> None:
    def bitmap(seed: int) -> bytes:
        return picture(seed, kind="BMP")

    workspace.put("1.bmp", bitmap(1))
    workspace.close_batch()
    ingest(workspace)
    workspace.put("1.bmp", bitmap(2))
    assert len(bitmap(1)) == len(bitmap(2))
    assert sweep_sources(workspace.context).registered["street"].new == 1


def test_the_same_bytes_put_again_before_the_upload_are_labelled_once(workspace: Workspace) -> None:
    workspace.put("1.jpg", picture(1))
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    in_parts(workspace, "1.jpg", picture(1))
    workspace.close_batch()
    ingest(workspace)
    ingest(workspace, SECOND)
    assert (workspace.frames(), workspace.frames(SECOND)) == (["2.jpg"], ["1.jpg"])


def test_bytes_that_were_labelled_and_return_under_their_first_etag_are_not_labelled_again(
    workspace: Workspace,
) -> None:
    workspace.put("1.jpg", picture(1))
    sweep_sources(workspace.context)
    in_parts(workspace, "1.jpg", picture(1))
    workspace.close_batch()
    ingest(workspace)
    workspace.put("1.jpg", picture(1))
    assert sweep_sources(workspace.context).registered["street"].new == 0
    assert sweep_sources(workspace.context).registered["street"].new == 0
    [labelled] = [row for row in workspace.objects("1.jpg") if row.quarantine_reason is None]
    assert labelled.etag == etag(workspace, "1.jpg")


def test_a_task_that_is_created_again_gets_the_bytes_that_were_put_again(labelled: Workspace) -> None:
    in_parts(labelled, "1.jpg", picture(1))
    sweep_sources(labelled.context)
    labelled.context.cvat("default").delete_task(labelled.line().task_id or 0)
    labelled.set_state("street-00001", BatchState.CREATED)
    ingest(labelled)
    assert labelled.frames() == ["0.jpg", "1.jpg", "2.jpg"]
    assert labelled.line().quarantined == {}


def test_an_object_that_a_person_quarantined_stays_so_under_another_etag(labelled: Workspace) -> None:
    manual.quarantine(labelled.context, labelled.url("1.jpg"), "a private person")
    in_parts(labelled, "1.jpg", picture(1))
    assert sweep_sources(labelled.context).registered["street"].new == 0
    [row] = labelled.objects("1.jpg")
    assert (row.etag, row.quarantine_reason) == (etag(labelled, "1.jpg"), "manually: a private person")


def test_the_bytes_of_a_cancelled_batch_are_labelled_when_they_are_put_again(labelled: Workspace) -> None:
    manual.cancel(labelled.context, "street-00001", "a trial")
    in_parts(labelled, "1.jpg", picture(1))
    assert sweep_sources(labelled.context).registered["street"].new == 1


def test_a_deleted_file_that_is_put_again_under_another_etag_is_exported_again(workspace: Workspace) -> None:
    workspace.apply(deletions="drop")
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    ingest(workspace)
    draw_and_complete(workspace)
    collect(workspace.context)
    workspace.s3.delete_object(Bucket=workspace.bucket, Key="in/1.jpg")
    assert register_deletions(workspace.context, [notified(workspace, "1.jpg")], "event") == 1
    export(workspace)
    assert workspace.exported_keys() == ["in/0.jpg"]
    in_parts(workspace, "1.jpg", picture(1))
    assert sweep_sources(workspace.context).registered["street"].new == 0
    assert workspace.line().state == "completed"
    export(workspace)
    assert workspace.exported_keys() == ["in/0.jpg", "in/1.jpg"]


def test_a_file_put_again_while_it_is_compared_is_registered_as_it_is_then(
    labelled: Workspace, at_failpoint: AtFailpoint
) -> None:
    in_parts(labelled, "1.jpg", picture(1))
    listed = list(labelled.context.store.list(labelled.bucket, "in/1.jpg"))
    at_failpoint(registering, "register_objects.headed", lambda: labelled.put("1.jpg", picture(7)))
    list(registering.register_listed(labelled.context, [labelled.spec], listed, "a late sweep"))
    sweep_sources(labelled.context)
    close_now(labelled.context, "street")
    ingest(labelled, SECOND)
    [row] = [row for row in labelled.objects("1.jpg") if row.batch_id == SECOND and row.quarantine_reason is None]
    assert row.etag == etag(labelled, "1.jpg")
