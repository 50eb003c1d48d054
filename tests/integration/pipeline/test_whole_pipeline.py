"""The whole pipeline, step by step: from files in a bucket to a COCO file in the bucket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.cvat_families import each_cvat
from tests.support.pictures import picture
from tests.support.workspace import (
    Workspace,
    assert_one_complete_task,
    draw_and_complete,
    export,
    ingest,
    ingest_until_done,
)

CREATE, DATA = "POST /api/v1/tasks", "POST /api/v1/tasks/*/data"
FAULTS: Sequence[dict[str, Any]] = [
    {"on": CREATE, "status": 500, "when": "after"},
    {"on": CREATE, "cut": True, "when": "after"},
    {"on": DATA, "cut": True, "when": "after"},
    {"on": DATA, "short": 0.6, "cut": True, "when": "after"},
    {"on": "worker creation", "fail": "OSError: broken"},
]
FURTHER_FAULTS: Sequence[dict[str, Any]] = [
    {"on": CREATE, "status": 500, "when": "before"},
    {"on": CREATE, "cut": True, "when": "before"},
    {"on": CREATE, "status": 503, "when": "after"},
    {"on": CREATE, "status": 429, "retry_after": 0},
    {"on": DATA, "cut": True, "when": "before"},
    {"on": DATA, "status": 500, "when": "before"},
    {"on": DATA, "status": 504, "when": "after"},
    {"on": DATA, "short": 0.6},
    {"on": "worker creation", "delay": 0.5},
]


@each_cvat
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
    assert (exported.images, exported.annotations, exported.left_out, exported.exports) == (6, 6, 0, 1)
    assert exported.source == "CVAT's annotations API, equal to CVAT's own export"
    body = workspace.s3.get_object(Bucket=workspace.bucket, Key=exported.url.split("/", 3)[3])["Body"].read()
    document = json.loads(body)
    assert sorted(image["file_name"] for image in document["images"]) == sorted(keys)
    assert all(a["bbox"] == [1.0, 2.0, 19.5, 28.25] for a in document["annotations"])
    assert workspace.line().state == "exported"


@each_cvat
@pytest.mark.parametrize(
    "rule",
    [*FAULTS, *(pytest.param(rule, marks=pytest.mark.slow) for rule in FURTHER_FAULTS)],
    ids=lambda rule: "-".join(f"{value}" for value in rule.values()),
)
def test_after_any_failed_creation_or_upload_the_batch_has_one_complete_task(
    closed: Workspace, rule: dict[str, Any]
) -> None:
    closed.set_faults({**rule, "times": 1})
    ingest_until_done(closed)
    assert_one_complete_task(closed)
