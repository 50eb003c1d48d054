"""The order of frames in CVAT is that of the keys: folder by folder, numbers by their value."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.context import open_context
from labelyard.ledger import batches
from labelyard.operations import adopt
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.fresh_ledger import create_ledger
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, ingest

SECOND = "street-00002"


def put(workspace: Workspace, *names: str) -> None:
    for number, name in enumerate(names):
        workspace.put(name, picture(number % 7, (32 + number, 32)))


def keys_of_frames(workspace: Workspace, batch: str = FIRST) -> list[str]:
    """Return the keys, without the prefix, in the order of the task's frames."""
    with workspace.context.ledger.read_only() as tx:
        keys = {member.upload_name: member.key.removeprefix("in/") for member in batches.members(tx, batch)}
    return [keys[frame] for frame in workspace.frames(batch)]


def test_folders_with_equal_base_names_follow_each_other_and_share_no_job(workspace: Workspace) -> None:
    workspace.apply(task={"labels": ["car"], "segment_size": 6})
    drives = [[f"drive{drive}/{number:06d}.jpg" for number in range(6)] for drive in (2, 10)]
    put(workspace, *(name for pair in zip(*drives, strict=True) for name in pair))
    workspace.close_batch()
    ingest(workspace)
    assert keys_of_frames(workspace) == [*drives[0], *drives[1]]
    jobs = [range(first, last + 1) for first, last in (job.frames for job in workspace.line().jobs)]
    assert [{keys_of_frames(workspace)[n].partition("/")[0] for n in job} for job in jobs] == [{"drive2"}, {"drive10"}]


@pytest.mark.parametrize(
    "names",
    [
        [f"frame{number}.jpg" for number in range(8, 13)],
        [f"{'x' * 125}{number}.jpg" for number in range(8, 13)],
        ["Z.jpg", "a 1.jpg", "a 2.png", "a 10.jpg", "ü3.jpg"],
        ["day1/b.jpg", "day1/b/a.jpg", "day2/a.jpg"],
    ],
    ids=["numbers", "long names", "odd names", "folders in folders"],
)
def test_frames_follow_the_keys_whatever_the_names(workspace: Workspace, names: list[str]) -> None:
    put(workspace, *reversed(names))
    workspace.close_batch()
    ingest(workspace)
    assert keys_of_frames(workspace) == names


def test_base_names_that_are_in_order_are_kept(workspace: Workspace) -> None:
    put(workspace, "b/2.jpg", "a/1.jpg")
    workspace.close_batch()
    ingest(workspace)
    assert workspace.frames() == ["1.jpg", "2.jpg"]


def test_with_group_by_folder_each_folder_has_a_task_of_its_own(workspace: Workspace) -> None:
    workspace.apply(batch={"group_by": "folder"})
    put(workspace, *(f"drive{drive}/{number}.jpg" for number in range(3) for drive in (1, 2)))
    sweep_sources(workspace.context)
    closed = close_now(workspace.context, "street")
    assert [(batch.id, batch.objects) for batch in closed] == [(FIRST, 3), (SECOND, 3)]
    for number, batch in enumerate((FIRST, SECOND), start=1):
        ingest(workspace, batch)
        assert keys_of_frames(workspace, batch) == [f"drive{number}/{n}.jpg" for n in range(3)]


def test_numbered_frames_lead_back_to_their_objects_after_the_loss_of_the_ledger(
    workspace: Workspace, tmp_path: Path
) -> None:
    names = [f"{drive}/{number}.jpg" for drive in ("a", "b") for number in (1, 2, 10)]
    put(workspace, *names)
    workspace.close_batch()
    ingest(workspace)
    url = create_ledger(tmp_path / "new.db")
    with open_context(workspace.context.settings.model_copy(update={"ledger": url})) as context:
        rebuilt = Workspace(context, workspace.bucket, workspace.s3, workspace.sandbox)
        rebuilt.apply()
        [adopted] = adopt.rebuild(context)
        assert adopted.unknown == ()
        assert keys_of_frames(rebuilt) == names
