"""Every format of a dataset is exported with an account; what CVAT stored and no format can hold stops only itself."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType, Tag
from labelyard.errors import ExportFailed
from labelyard.ledger import exports
from labelyard.ledger.tables import Export
from labelyard.operations.explain import explain
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import each_cvat
from tests.support.pictures import picture
from tests.support.workspace import Workspace, draw_and_complete, export, ingest

LINE = (1.0, 1.0, 9.0, 9.0)


def draw(workspace: Workspace, *shapes: Shape, tags: int = 0, **export_section: Any) -> None:
    """Ingest two files, draw a box on each, what is given and tags on the first, and complete the jobs."""
    workspace.apply(export=export_section)
    workspace.put("1.jpg")
    workspace.put("2.jpg", picture(2))
    workspace.close_batch()
    ingest(workspace)
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    label = task.labels[0].id
    placed = tuple(Shape(one.type, one.frame, one.label_id or label, one.points) for one in shapes)
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(placed, tags=(Tag(0, label),) * tags))
    draw_and_complete(workspace)
    collect(workspace.context)


def rows(workspace: Workspace) -> dict[str, Export]:
    with workspace.context.ledger.read_only() as tx:
        return {row.format: row for row in exports.of_batch(tx, workspace.line().id)}


def body(workspace: Workspace, key: str) -> bytes:
    found: bytes = workspace.s3.get_object(Bucket=workspace.bucket, Key=key)["Body"].read()
    return found


def document(workspace: Workspace, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body(workspace, key))
    return found


@each_cvat
def test_each_format_of_the_dataset_is_in_the_bucket_with_its_account(workspace: Workspace) -> None:
    draw(workspace, Shape(ShapeType.POLYLINE, 0, 0, LINE), formats=["coco", "yolo-detect", "cvat:CVAT for images 1.1"])
    exported = export(workspace)
    found = rows(workspace)
    assert exported.formats.keys() == found.keys() == {"coco", "yolo-detect", "cvat:CVAT for images 1.1", "original"}
    assert exported.url == workspace.line().exports[-1] == f"s3://{workspace.bucket}/{found['coco'].key}"
    extra = found["coco"].key.replace(".json", ".extra.json")
    assert len(document(workspace, extra)["polylines"]) == 1
    assert found["coco"].account == document(workspace, found["coco"].key)["info"]["account"]
    assert found["yolo-detect"].account is not None
    assert found["yolo-detect"].account["left_out"][0]["kind"] == "polyline"
    names = zipfile.ZipFile(io.BytesIO(body(workspace, found["yolo-detect"].key))).namelist()
    assert {"data.yaml", "labels/train/in/1.txt", "labels/train/in/2.txt"} <= set(names)
    for name in ("original", "cvat:CVAT for images 1.1"):
        archive = zipfile.ZipFile(io.BytesIO(body(workspace, found[name].key)))
        assert archive.read("annotations.xml").count(b"<box") == 2
    assert "original/" in found["original"].key


@each_cvat
def test_a_file_of_the_servers_own_has_an_account_if_its_format_is_read(workspace: Workspace) -> None:
    formats = ["coco", "cvat:CVAT for video 1.1", "cvat:COCO 1.0"]
    draw(workspace, Shape(ShapeType.POLYLINE, 0, 0, LINE), tags=1, formats=formats)
    export(workspace)
    found = rows(workspace)
    account = found["cvat:CVAT for video 1.1"].account
    assert account is not None
    assert account["drawn"] == {"rectangle": {"car": 2}, "polyline": {"car": 1}, "tag": {"car": 1}}
    [omission] = account["left_out"]
    assert (omission["kind"], omission["reason"]) == ("tag", "CVAT's own file does not have it")
    assert "tag 'car' is left out, CVAT's own file does not have it" in (workspace.line().warning or "")
    assert found["cvat:COCO 1.0"].account is None


@each_cvat
def test_a_faulty_shape_is_left_out_and_named_and_the_rest_is_exported(workspace: Workspace) -> None:
    draw(
        workspace,
        Shape(ShapeType.POLYGON, 0, 0, (1.0, 1.0, 9.0, 1.0, 5.0, 1.0)),
        Shape(ShapeType.POINTS, 1, 0, (5.0, 5.0)),
    )
    exported = export(workspace)
    assert (exported.annotations, exported.left_out) == (3, 1)
    [omission] = document(workspace, rows(workspace)["coco"].key)["info"]["account"]["left_out"]
    assert (omission["kind"], omission["count"], omission["reason"]) == ("polygon", 1, "its area is zero")
    line = workspace.line()
    job = line.jobs[0].id
    assert "frame 0 (1.jpg), polygon 'car', shape " in omission["examples"][0]
    assert f"/jobs/{job}?frame=0" in omission["examples"][0]
    assert "polygon 'car' is left out, its area is zero" in (line.warning or "")
    with workspace.context.ledger.read_only():
        why = str(explain(workspace.context, workspace.url("1.jpg")))
    assert "1 left out" in why


@each_cvat
def test_a_faulty_shape_stops_the_export_if_the_dataset_says_so(workspace: Workspace) -> None:
    draw(workspace, Shape(ShapeType.RECTANGLE, 0, 0, (900.0, 1.0, 950.0, 9.0)), faulty_shapes="fail")
    with pytest.raises(ExportFailed, match="outside of the image"):
        export(workspace)
    assert "correct them in CVAT" in (workspace.line().next_step or "")


@each_cvat
def test_an_unknown_format_of_the_server_is_named_with_the_nearest(workspace: Workspace) -> None:
    draw(workspace, formats=["cvat:COCO 1"])
    with pytest.raises(ExportFailed, match="has no format 'COCO 1'"):
        export(workspace)
    assert workspace.line().next_step == "write cvat:COCO 1.0"


@each_cvat
def test_nothing_is_written_into_a_job_of_2_x(workspace: Workspace, cvat_version: str) -> None:
    draw(workspace, Shape(ShapeType.POLYLINE, 0, 0, LINE), formats=["coco", "cvat:COCO 1.0"])
    cvat = workspace.context.cvat("default")
    before = cvat.task(workspace.line().task_id or 0).updated
    export(workspace)
    after = cvat.task(workspace.line().task_id or 0).updated
    assert (before == after) is (cvat_version != "1.0.0")
