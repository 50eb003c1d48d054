"""The whole pipeline, step by step: from files in a bucket to a COCO file in the bucket."""

from __future__ import annotations

import json

from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.pictures import picture
from tests.support.workspace import Workspace, draw_and_complete, export, ingest


def test_files_of_two_cameras_become_an_assigned_task_and_then_a_coco_file_with_their_keys(
    workspace: Workspace,
) -> None:
    workspace.apply(task={"segment_size": 2})
    keys = [workspace.put(f"{camera}/000{i}.jpg", picture(i)) for camera in ("cam1", "cam2") for i in range(3)]
    assert sweep_sources(workspace.context).registered["street"].new == 6
    close_now(workspace.context, "street")
    ingest(workspace)
    line = workspace.line()
    assert (line.state, len(line.jobs)) == ("assigned", 3)
    assert [job.assignee for job in line.jobs] == ["ann", "bob", "ann"]
    draw_and_complete(workspace)
    assert collect(workspace.context).completed == ("street-00001",)
    exported = export(workspace)
    assert (exported.images, exported.annotations, exported.source, exported.tries) == (6, 6, "export", 1)
    body = workspace.s3.get_object(Bucket=workspace.bucket, Key=exported.url.split("/", 3)[3])["Body"].read()
    document = json.loads(body)
    assert sorted(image["file_name"] for image in document["images"]) == sorted(keys)
    assert all(a["bbox"] == [1.0, 2.0, 19.5, 28.25] for a in document["annotations"])
    assert workspace.line().state == "exported"
