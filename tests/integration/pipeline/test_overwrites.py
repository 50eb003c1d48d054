"""Files whose content changes: which content is labelled."""

from __future__ import annotations

import pytest

from labelyard.errors import (
    NotFound,
)
from labelyard.ledger import objects
from labelyard.operations import manual
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.register_objects import register_listed, sweep_sources
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest


def test_a_new_content_of_a_labelled_file_is_labelled_again_by_default(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    workspace.put("1.jpg", picture(7))
    sweep_sources(workspace.context)
    assert (workspace.line("street-00002").state, workspace.line("street-00002").objects) == ("open", 1)


@pytest.mark.parametrize("policy", ["ignore", "quarantine"])
def test_a_new_content_of_a_labelled_file_is_quarantined_if_the_dataset_says_so(
    workspace: Workspace, policy: str
) -> None:
    workspace.apply(overwrites=policy)
    workspace.put("1.jpg")
    workspace.close_batch()
    ingest(workspace)
    workspace.put("1.jpg", picture(7))
    sweep_sources(workspace.context)
    with pytest.raises(NotFound):
        close_now(workspace.context, "street")
    with workspace.context.ledger.read_only() as tx:
        assert policy in (objects.of_key(tx, workspace.bucket, "in/1.jpg")[-1].quarantine_reason or "")
    assert manual.restore(workspace.context, workspace.url("1.jpg")).batch_id == "street-00002"


def test_a_new_content_replaces_one_that_was_not_uploaded(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    workspace.put("1.jpg", picture(7))
    workspace.close_batch()
    ingest(workspace)
    ingest(workspace, "street-00002")
    assert "overwritten before its upload" in workspace.line().quarantined[workspace.url("1.jpg")]
    assert workspace.line("street-00002").jobs[0].frames == (0, 0)


def test_an_image_overwritten_before_the_upload_is_labelled_with_its_new_content(workspace: Workspace) -> None:
    workspace.put("good.jpg")
    workspace.put("again.jpg", picture(1))
    workspace.close_batch()
    workspace.put("again.jpg", picture(2))
    ingest(workspace)
    assert "another content" in workspace.line().quarantined[workspace.url("again.jpg")]
    workspace.close_batch()
    ingest(workspace, "street-00002")
    assert workspace.line("street-00002").state == "assigned"


def test_a_listing_read_before_an_overwrite_loses_neither_content_nor_object(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    read_before = list(workspace.context.store.list(workspace.bucket, "in/"))
    workspace.put("1.jpg", picture(7))
    sweep_sources(workspace.context)
    list(register_listed(workspace.context, [workspace.spec], read_before, "a late sweep"))
    workspace.close_batch()
    ingest(workspace)
    [task] = workspace.context.cvat("default").tasks()
    [labelled] = [row for row in workspace.objects("1.jpg") if row.quarantine_reason is None]
    assert (task.size, labelled.etag) == (1, workspace.context.store.head(workspace.bucket, "in/1.jpg").etag)


def test_a_content_that_returns_after_an_overwrite_is_labelled(workspace: Workspace) -> None:
    for content in (1, 2, 1):
        workspace.put("1.jpg", picture(content))
        sweep_sources(workspace.context)
    close_now(workspace.context, "street")
    ingest(workspace)
    [labelled] = [row for row in workspace.objects("1.jpg") if row.quarantine_reason is None]
    assert labelled.etag == workspace.context.store.head(workspace.bucket, "in/1.jpg").etag
    assert workspace.frames() == ["1.jpg"]
