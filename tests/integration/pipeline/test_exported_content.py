"""What an ML engineer finds in a dataset's files: ids that agree from file to file, and where each image lies."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image
from PIL.ExifTags import Base

from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.ledger import datasets
from labelyard.operations import manual
from labelyard.pipeline.close_batches import close_now
from labelyard.pipeline.collect_finished import collect
from labelyard.pipeline.register_objects import sweep_sources
from tests.support.bench import Bench, draw_and_complete, export, ingest


def assigned(bench: Bench, batch: str = "street-00001") -> None:
    sweep_sources(bench.context)
    close_now(bench.context, "street")
    ingest(bench, batch)


def exported(bench: Bench, batch: str = "street-00001") -> dict[str, Any]:
    collect(bench.context)
    url = export(bench, batch).url
    found: dict[str, Any] = json.loads(
        bench.s3.get_object(Bucket=bench.bucket, Key=url.split("/", 3)[3])["Body"].read()
    )
    return found


def test_a_label_keeps_its_id_whatever_later_versions_of_the_file_say(bench: Bench) -> None:
    bench.put("1.jpg")
    assigned(bench)
    draw_and_complete(bench)
    first = exported(bench)
    bench.apply(task={"labels": ["truck", "person"]})
    bench.put("2.jpg")
    assigned(bench, "street-00002")
    draw_and_complete(bench, "street-00002")
    second = exported(bench, "street-00002")
    assert [(c["id"], c["name"]) for c in first["categories"]] == [(1, "car"), (2, "person")]
    assert [(c["id"], c["name"]) for c in second["categories"]] == [(2, "person"), (3, "truck")]
    assert [found["info"]["dataset_version"] for found in (first, second)] == [1, 2]
    with bench.context.ledger.read_only() as tx:
        assert datasets.categories(tx, "street") == {"car": 1, "person": 2, "truck": 3}


def test_an_image_leads_to_its_file_and_to_its_frame_though_another_was_set_aside(bench: Bench) -> None:
    for key in ("1.jpg", "2.jpg", "3.jpg"):
        bench.put(key)
    assigned(bench)
    draw_and_complete(bench)
    manual.quarantine(bench.context, f"s3://{bench.bucket}/in/2.jpg", "blurred")
    images = exported(bench)["images"]
    assert [(i["file_name"], i["cvat_frame"]) for i in images] == [("in/1.jpg", 0), ("in/3.jpg", 2)]
    head = bench.s3.head_object(Bucket=bench.bucket, Key="in/3.jpg")
    assert (images[1]["coco_url"], images[1]["etag"]) == (f"s3://{bench.bucket}/in/3.jpg", head["ETag"].strip('"'))


def test_what_readers_would_trip_over_is_told_in_the_file_and_to_the_lead(bench: Bench) -> None:
    bench.put("turned.jpg", turned())
    assigned(bench)
    cvat = bench.context.cvat("default")
    task = cvat.task(bench.line().task_id or 0)
    flat = Shape(ShapeType.RECTANGLE, 0, task.labels[0].id, (5.0, 5.0, 5.0, 9.0))
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=(flat,)))
    draw_and_complete(bench)
    document = exported(bench)
    assert document["images"][0]["exif_orientation"] == 6
    assert (document["images"][0]["width"], document["images"][0]["height"]) == (64, 48)
    told = "\n".join(document["info"]["warnings"])
    assert "its bbox is 0.0 x 4.0 pixels: it is never matched" in told
    assert "'in/turned.jpg': some readers rotate it (EXIF orientation 6)" in told
    assert "exported with warnings: street-00001, annotation 2: its bbox is 0.0 x 4.0" in (bench.line().warning or "")


def turned() -> bytes:
    """A JPEG that viewers turn by a quarter."""
    image, out = Image.new("RGB", (64, 48), "red"), io.BytesIO()
    exif = image.getexif()
    exif[Base.Orientation] = 6
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()
