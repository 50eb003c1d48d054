"""The other upload methods: CVAT downloads presigned URLs, or reads its own share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cvat_sandbox import serve
from labelyard.context import open_context
from labelyard.errors import CreationFailed, TaskDiscarded
from labelyard.pipeline import upload_data as upload_module
from labelyard.pipeline.collect_finished import collect
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger
from tests.support.pictures import picture
from tests.support.workspace import USERS, AtFailpoint, Workspace, draw_and_complete, export, ingest, settings


@pytest.fixture
def share(tmp_path: Path) -> Path:
    (tmp_path / "share").mkdir()
    return tmp_path / "share"


@pytest.fixture
def workspace(tmp_path: Path, share: Path, store_server: StoreServer) -> Iterator[Workspace]:
    """A workspace whose sandbox may download from the store, and has a share."""
    ledger = create_ledger(tmp_path / "ledger.db")
    with (
        serve(USERS, share=share, allow_remote=(urlsplit(store_server.url).netloc,)) as sandbox,
        open_context(settings(tmp_path, ledger, store_server.settings, sandbox)) as context,
    ):
        workspace = Workspace(context, store_server.new_bucket(), store_server.boto("s3"), sandbox)
        workspace.apply()
        yield workspace


def exported_images(workspace: Workspace) -> int:
    draw_and_complete(workspace)
    collect(workspace.context)
    return export(workspace).images


@pytest.mark.parametrize("inspect", [True, False])
def test_remote_lets_cvat_download_and_no_byte_passes_through_us(workspace: Workspace, inspect: bool) -> None:
    workspace.apply(task={"upload": "remote", "inspect": inspect})
    workspace.put("a/left one+1.jpg", picture(1))
    workspace.put("b/right.jpg", picture(2))
    workspace.close_batch()
    ingest(workspace)
    assert set(workspace.frames()) == {"left one+1.jpg", "right.jpg"}
    assert exported_images(workspace) == 2
    assert not list(workspace.context.settings.spool.rglob("0*"))


def test_remote_inspects_a_batch_that_is_larger_than_the_spool(workspace: Workspace) -> None:
    workspace.apply(task={"upload": "remote"})
    for i in range(12):
        workspace.put(f"{i}.jpg", picture(i))
    workspace.context.settings.spool_bytes = 4 * len(picture())
    workspace.close_batch()
    ingest(workspace)
    assert workspace.line().jobs[0].frames == (0, 11)


def test_remote_quarantines_a_second_file_of_one_base_name_and_names_the_method_that_renames(
    workspace: Workspace,
) -> None:
    workspace.apply(task={"upload": "remote"})
    workspace.put("cam1/1.jpg", picture(1))
    workspace.put("cam2/1.jpg", picture(2))
    workspace.close_batch()
    ingest(workspace)
    [reason] = workspace.line().quarantined.values()
    assert "only `upload: stream`" in reason
    assert workspace.line().jobs[0].frames == (0, 0)


def test_remote_inspects_the_images_by_default(workspace: Workspace) -> None:
    workspace.apply(task={"upload": "remote"})
    workspace.put("good.jpg", picture(1))
    workspace.put("bad.jpg", b"nothing")
    workspace.close_batch()
    ingest(workspace)
    assert list(workspace.line().quarantined) == [workspace.url("bad.jpg")]
    assert workspace.line().state == "assigned"


def test_files_that_cvat_skips_each_time_fail_the_batch_and_are_named(workspace: Workspace) -> None:
    workspace.apply(
        sources=[{"bucket": workspace.bucket, "prefix": "in/", "include": ["*"]}],
        task={"upload": "remote", "inspect": False},
    )
    workspace.put("good.jpg", picture(1))
    workspace.put("unnamed", picture(2))
    workspace.close_batch()
    for _ in range(4):
        with pytest.raises(TaskDiscarded, match="1 frames instead of 2: unnamed not among them"):
            ingest(workspace)
        workspace.end_wait()
    with pytest.raises(CreationFailed, match="unnamed not among them; this was task number 5"):
        ingest(workspace)
    assert (workspace.line().state, workspace.tasks_on_server()) == ("failed", 0)


@pytest.mark.parametrize("status", [403, *(pytest.param(one, marks=pytest.mark.slow) for one in (404, 503))])
def test_a_url_that_the_store_refuses_to_cvat_is_tried_again_without_an_end_and_a_sound_file_stays(
    workspace: Workspace, status: int
) -> None:
    workspace.apply(task={"upload": "remote"})
    workspace.put("a.jpg")
    workspace.put("b.jpg")
    workspace.close_batch()
    workspace.sandbox.faults.set([{"on": "worker download", "status": status, "times": 6}])
    for _ in range(6):
        with pytest.raises(TaskDiscarded, match=f"Failed to download .*jpg.*{status}") as caught:
            ingest(workspace)
        workspace.end_wait()
    assert "its clock is right" in caught.value.next_step
    assert "X-Amz-Signature" not in str(caught.value)
    ingest(workspace)
    assert (workspace.line().state, workspace.line().quarantined) == ("assigned", {})
    assert sorted(workspace.frames()) == ["a.jpg", "b.jpg"]


def test_an_object_that_is_gone_when_cvat_downloads_it_is_quarantined_and_the_others_are_sent(
    workspace: Workspace, at_failpoint: AtFailpoint
) -> None:
    workspace.apply(task={"upload": "remote", "inspect": False})
    deleted = workspace.put("gone.jpg")
    workspace.put("good.jpg")
    workspace.close_batch()
    at_failpoint(
        upload_module, "upload_data.begun", lambda: workspace.s3.delete_object(Bucket=workspace.bucket, Key=deleted)
    )
    with pytest.raises(TaskDiscarded, match=r"gone\.jpg.*404"):
        ingest(workspace)
    workspace.end_wait()
    ingest(workspace)
    assert (workspace.frames(), list(workspace.line().quarantined)) == (["good.jpg"], [workspace.url("gone.jpg")])


def test_share_lets_cvat_read_its_own_copy_of_the_bucket(workspace: Workspace, share: Path) -> None:
    workspace.apply(task={"upload": "share", "share_prefix": "mirror/", "inspect": False})
    for camera in ("cam1", "cam2"):
        workspace.put(f"{camera}/1.jpg", picture(int(camera[-1])))
        (share / "mirror" / "in" / camera).mkdir(parents=True)
        (share / "mirror" / "in" / camera / "1.jpg").write_bytes(picture(int(camera[-1])))
    workspace.close_batch()
    ingest(workspace)
    assert set(workspace.frames()) == {"mirror/in/cam1/1.jpg", "mirror/in/cam2/1.jpg"}
    assert exported_images(workspace) == 2
