"""Deletions in the bucket: believed only after a check in the store, and then treated as the dataset says."""

from __future__ import annotations

import pytest

from labelyard.domain.objects import StoredObject
from labelyard.domain.states import BatchState
from labelyard.errors import (
    StoreUnreachable,
)
from labelyard.ledger import history, objects
from labelyard.ledger.tables import Object
from labelyard.operations import manual
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import register_deletions, register_objects, sweep_sources
from labelyard.sources.notifications import NotifiedObject
from tests.support.pictures import picture
from tests.support.workspace import Workspace, draw_and_complete, export, ingest, ingest_and_export


def notified(
    workspace: Workspace, *keys: str, version: str | None = None, event: str = "ObjectRemoved:Delete"
) -> list[NotifiedObject]:
    return [
        NotifiedObject(StoredObject(workspace.bucket, key, "", version_id=version), event, "aws:s3") for key in keys
    ]


def rows(workspace: Workspace, key: str) -> list[Object]:
    with workspace.context.ledger.read_only() as tx:
        return list(objects.of_key(tx, workspace.bucket, key))


def put_again(workspace: Workspace, key: str) -> None:
    workspace.put(key.removeprefix("in/"))
    register_objects(workspace.context, notified(workspace, key, event="ObjectCreated:Put"), "sqs")


def test_an_object_deleted_before_its_upload_is_quarantined_with_its_reason(workspace: Workspace) -> None:
    keys = [workspace.put("1.jpg"), workspace.put("22.jpg")]
    sweep_sources(workspace.context)
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=keys[0])
    assert register_deletions(workspace.context, notified(workspace, *keys), "sqs") == 1
    assert [row.quarantine_reason for key in keys for row in rows(workspace, key)] == [
        "deleted before its upload",
        None,
    ]
    assert register_deletions(workspace.context, notified(workspace, *keys), "sqs") == 0


def test_a_late_notification_of_a_deletion_changes_nothing_if_the_key_exists(workspace: Workspace) -> None:
    key = workspace.put("1.jpg")
    sweep_sources(workspace.context)
    assert register_deletions(workspace.context, notified(workspace, key), "sqs") == 0
    (row,) = rows(workspace, key)
    assert (row.deleted_at, row.quarantine_reason) == (None, None)


def test_an_object_deleted_and_put_again_is_registered_again(workspace: Workspace) -> None:
    key = workspace.put("1.jpg")
    sweep_sources(workspace.context)
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=key)
    register_deletions(workspace.context, notified(workspace, key), "sqs")
    put_again(workspace, key)
    (row,) = rows(workspace, key)
    assert (row.deleted_at, row.quarantine_reason, row.batch_id) == (None, None, "street-00001")


def test_a_deleted_key_that_was_never_registered_is_not_checked_in_the_store(workspace: Workspace) -> None:
    workspace.s3.delete_bucket(Bucket=workspace.bucket)  # so a request would fail
    assert register_deletions(workspace.context, notified(workspace, "elsewhere/1.jpg", "in/never.jpg"), "sqs") == 0


def test_a_deleted_version_is_no_deletion_of_the_key_and_a_delete_marker_is(workspace: Workspace) -> None:
    workspace.s3.put_bucket_versioning(Bucket=workspace.bucket, VersioningConfiguration={"Status": "Enabled"})
    key = workspace.put("1.jpg")
    old = workspace.s3.head_object(Bucket=workspace.bucket, Key=key)["VersionId"]
    workspace.put("1.jpg", picture(7))
    sweep_sources(workspace.context)
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=key, VersionId=old)
    assert register_deletions(workspace.context, notified(workspace, key, version=old), "sqs") == 0
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=key)
    assert (
        register_deletions(
            workspace.context, notified(workspace, key, event="ObjectRemoved:DeleteMarkerCreated"), "sqs"
        )
        == 1
    )


def test_a_deletion_is_recorded_in_every_dataset_that_has_the_key(workspace: Workspace) -> None:
    workspace.apply(name="zoo", export={"prefix": "zoo-out"})
    key = workspace.put("1.jpg")
    sweep_sources(workspace.context)
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=key)
    assert register_deletions(workspace.context, notified(workspace, key), "sqs") == 2
    assert {row.dataset for row in rows(workspace, key) if row.deleted_at is not None} == {"street", "zoo"}


def test_an_object_that_a_person_quarantined_stays_so_when_it_is_deleted_and_put_again(workspace: Workspace) -> None:
    key = workspace.put("1.jpg")
    workspace.put("22.jpg")
    sweep_sources(workspace.context)
    manual.quarantine(workspace.context, f"s3://{workspace.bucket}/{key}", "blurred")
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=key)
    assert register_deletions(workspace.context, notified(workspace, key), "sqs") == 1
    put_again(workspace, key)
    (row,) = rows(workspace, key)
    assert row.quarantine_reason == "manually: blurred"


def test_with_deletions_drop_an_object_put_again_is_in_the_next_export(workspace: Workspace) -> None:
    workspace.apply(deletions="drop")
    keys = [workspace.put("1.jpg"), workspace.put("22.jpg")]
    workspace.close_batch()
    ingest(workspace)
    draw_and_complete(workspace)
    collect(workspace.context)
    assert export(workspace).images == 2
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=keys[0])
    register_deletions(workspace.context, notified(workspace, keys[0]), "sqs")
    assert export(workspace).images == 1
    put_again(workspace, keys[0])
    assert export(workspace).images == 2


@pytest.mark.parametrize(("policy", "state"), [("keep", BatchState.EXPORTED), ("drop", BatchState.COMPLETED)])
def test_a_deletion_after_the_export_counts_as_the_dataset_says(
    workspace: Workspace, policy: str, state: BatchState
) -> None:
    workspace.apply(deletions=policy)
    keys = [workspace.put("1.jpg"), workspace.put("22.jpg")]
    workspace.close_batch()
    ingest(workspace)
    draw_and_complete(workspace)
    collect(workspace.context)
    export(workspace)
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=keys[0])
    register_deletions(workspace.context, notified(workspace, keys[0]), "sqs")
    assert workspace.line().state is state
    with workspace.context.ledger.read_only() as tx:
        (row,) = objects.of_key(tx, workspace.bucket, keys[0])
        assert f"deletions: {policy}" in next(e.reason for e in history.of_object(tx, row) if e.what == "deleted")


def test_a_marker_that_is_deleted_and_put_again_closes_again(workspace: Workspace) -> None:
    workspace.apply(batch={"marker": "_SUCCESS"})
    for n in range(2):
        workspace.put(f"{n}.jpg")
        sweep_sources(workspace.context)
        workspace.s3.put_object(Bucket=workspace.bucket, Key="in/_SUCCESS", Body=b"")
        register_objects(workspace.context, notified(workspace, "in/_SUCCESS", event="ObjectCreated:Put"), "sqs")
        assert workspace.line(f"street-0000{n + 1}").state is BatchState.CLOSED
        workspace.s3.delete_object(Bucket=workspace.bucket, Key="in/_SUCCESS")
        assert register_deletions(workspace.context, notified(workspace, "in/_SUCCESS"), "sqs") == 1


def test_with_an_unreachable_store_no_deletion_is_recorded(workspace: Workspace) -> None:
    key = workspace.put("1.jpg")
    sweep_sources(workspace.context)
    at = workspace.context.settings.store.model_copy(update={"endpoint_url": "http://127.0.0.1:1"})
    workspace.context.store = type(workspace.context.store)(at)
    with pytest.raises(StoreUnreachable):
        register_deletions(workspace.context, notified(workspace, key), "sqs")
    assert rows(workspace, key)[0].deleted_at is None


def test_a_content_deleted_before_its_upload_and_put_again_is_registered_again(two_files: Workspace) -> None:
    two_files.s3.delete_object(Bucket=two_files.bucket, Key="in/2.jpg")
    ingest(two_files)
    assert two_files.frames() == ["1.jpg"]
    two_files.put("2.jpg", picture(2))
    two_files.close_batch()
    ingest(two_files, "street-00002")
    assert two_files.frames("street-00002") == ["2.jpg"]


def delete_file(workspace: Workspace, key: str) -> None:
    """Delete a file, and record that in the ledger."""
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=f"in/{key}")
    with workspace.context.ledger.transaction() as tx:
        assert objects.mark_deleted(tx, workspace.spec, workspace.bucket, f"in/{key}") == 1


def test_a_file_deleted_before_its_upload_is_quarantined_and_uploaded_when_it_is_put_again(
    workspace: Workspace,
) -> None:
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    delete_file(workspace, "1.jpg")
    ingest(workspace)
    assert workspace.line().quarantined == {workspace.url("1.jpg"): "deleted before its upload"}
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace, "street-00002")
    assert workspace.line("street-00002").state == "assigned"


@pytest.mark.parametrize(("policy", "kept"), [("keep", ["in/1.jpg", "in/2.jpg"]), ("drop", ["in/2.jpg"])])
def test_a_file_deleted_after_its_upload_counts_as_the_dataset_says(
    workspace: Workspace, policy: str, kept: list[str]
) -> None:
    workspace.apply(deletions=policy)
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    ingest_and_export(workspace)
    delete_file(workspace, "1.jpg")
    if policy == "drop":
        export(workspace)
    assert workspace.exported_keys() == kept
