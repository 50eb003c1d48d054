"""What an ML engineer finds in the exported files: stable ids, and the file behind each image."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image
from PIL.ExifTags import Base
from sqlalchemy import select

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.ledger import datasets
from labelyard.ledger.tables import Object
from labelyard.operations import manual
from labelyard.pipeline.collect_finished import collect
from tests.support.workspace import Workspace, draw_and_complete, export, ingest


def close_and_ingest(workspace: Workspace, batch: str = "street-00001") -> None:
    workspace.close_batch()
    ingest(workspace, batch)


def exported(workspace: Workspace, batch: str = "street-00001") -> dict[str, Any]:
    collect(workspace.context)
    export(workspace, batch)
    return workspace.exported_document(batch)


def test_a_label_keeps_its_id_in_every_later_version_of_the_dataset_file(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    close_and_ingest(workspace)
    draw_and_complete(workspace)
    first = exported(workspace)
    workspace.apply(task={"labels": ["truck", "person"]})
    workspace.put("2.jpg")
    close_and_ingest(workspace, "street-00002")
    draw_and_complete(workspace, "street-00002")
    second = exported(workspace, "street-00002")
    assert [(c["id"], c["name"]) for c in first["categories"]] == [(1, "car"), (2, "person")]
    assert [(c["id"], c["name"]) for c in second["categories"]] == [(2, "person"), (3, "truck")]
    assert [found["info"]["dataset_version"] for found in (first, second)] == [1, 2]
    with workspace.context.ledger.read_only() as tx:
        assert datasets.categories(tx, "street") == {"car": 1, "person": 2, "truck": 3}


def test_an_image_names_its_file_and_its_frame_though_another_one_is_quarantined(workspace: Workspace) -> None:
    for key in ("1.jpg", "2.jpg", "3.jpg"):
        workspace.put(key)
    close_and_ingest(workspace)
    draw_and_complete(workspace)
    manual.quarantine(workspace.context, workspace.url("2.jpg"), "blurred")
    images = exported(workspace)["images"]
    assert [(i["file_name"], i["cvat_frame"]) for i in images] == [("in/1.jpg", 0), ("in/3.jpg", 2)]
    head = workspace.s3.head_object(Bucket=workspace.bucket, Key="in/3.jpg")
    assert (images[1]["coco_url"], images[1]["etag"]) == (workspace.url("3.jpg"), head["ETag"].strip('"'))


def test_values_that_readers_may_reject_are_warned_of_in_the_file_and_in_the_status(workspace: Workspace) -> None:
    workspace.put("rotated.jpg", rotated())
    close_and_ingest(workspace)
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    wide = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (5.0, 5.0, 95.0, 9.0))
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(wide,)))
    draw_and_complete(workspace)
    document = exported(workspace)
    assert document["images"][0]["exif_orientation"] == 6
    assert (document["images"][0]["width"], document["images"][0]["height"]) == (64, 48)
    warnings = "\n".join(document["info"]["warnings"])
    assert "its bbox [5.0, 5.0, 90.0, 4.0] reaches out of the image of 64 x 48" in warnings
    assert "'in/rotated.jpg': some readers rotate it (EXIF orientation 6)" in warnings
    assert "exported with warnings: street-00001, annotation 2: its bbox [5.0" in (workspace.line().warning or "")


def rotated() -> bytes:
    """Return a JPEG that viewers rotate by a quarter."""
    image, out = Image.new("RGB", (64, 48), "red"), io.BytesIO()
    exif = image.getexif()
    exif[Base.Orientation] = 6
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_an_image_has_the_size_that_is_shown_though_cvat_states_the_one_before_it_is_turned(
    workspace: Workspace,
) -> None:
    """As a real 2.73 does with TIFFs of orientation 5 to 8: inspection knows what is shown."""
    workspace.put("turned.png", upright())
    workspace.put("upright.png", upright())
    close_and_ingest(workspace)
    with workspace.context.ledger.transaction() as tx:
        for row in tx.scalars(select(Object).where(Object.key == "in/turned.png")):
            assert (row.width, row.height) == (64, 48)  # as CVAT states it
            row.width, row.height = 48, 64
    cvat = workspace.context.cvat("default")
    task = cvat.task(workspace.line().task_id or 0)
    below = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (5.0, 50.0, 40.0, 60.0))
    polygon = Shape(ShapeType.POLYGON, 0, task.labels[0].id, (5.0, 5.0, 5.0, 60.0, 40.0, 60.0))
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(below, polygon)))
    draw_and_complete(workspace)
    document = exported(workspace)
    assert [(image["width"], image["height"]) for image in document["images"]] == [(48, 64), (64, 48)]
    drawn = [one for one in document["annotations"] if one["image_id"] == 1]
    assert [5.0, 50.0, 35.0, 10.0] in [one["bbox"] for one in drawn]
    assert max(one["area"] for one in drawn) > 900  # of the whole triangle, not of its part above line 48
    assert document["info"]["annotations_from"].startswith("CVAT's annotations API")
    assert not document["info"].get("warnings")


def upright() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "PNG")
    return out.getvalue()
