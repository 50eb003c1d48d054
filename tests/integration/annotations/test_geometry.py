"""Our COCO of groups and turned boxes, compared with the COCO that a server of each family writes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from labelyard.cvat import Cvat, connect
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.labels import Label
from labelyard.domain.tasks import DataSpec, Task, TaskSpec
from labelyard.formats.interface import FormatOptions
from labelyard.operations.dataset_of_task import write_dataset_of_task
from tests.support.coco_geometry import differences
from tests.support.cvat_families import V1, V2, each_cvat, serve_cvat
from tests.support.cvat_tasks import wait_for_frames
from tests.support.upload_files import upload_file

BOX, OTHER_BOX = (1.0, 2.0, 11.5, 12.25), (20.0, 20.0, 40.0, 30.0)
POLYGON, OTHER_POLYGON = (30.0, 5.0, 50.0, 5.0, 50.0, 25.25), (5.0, 30.0, 15.0, 30.0, 10.0, 45.0)
MASK = (1, 2, 3, 4, 5, 1, 40, 30, 43, 33)
OTHER_MASK = (0, 6, 5, 5, 7, 6)
R, P, M = ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.MASK

GROUPS: dict[str, list[tuple[ShapeType, tuple[float, ...]]]] = {
    "a box and a polygon": [(R, BOX), (P, POLYGON)],
    "two polygons": [(P, POLYGON), (P, OTHER_POLYGON)],
    "a box and two polygons": [(P, POLYGON), (R, OTHER_BOX), (P, OTHER_POLYGON)],
}
OF_V2: dict[str, list[tuple[ShapeType, tuple[float, ...]]]] = {
    "two masks": [(M, MASK), (M, OTHER_MASK)],
    "a mask and a box": [(M, MASK), (R, BOX)],
    "a mask, a box and a polygon": [(M, MASK), (R, BOX), (P, POLYGON)],
}


def compared(cvat: Cvat, task: Task, folder: Path, *shapes: Shape) -> list[str]:
    """Draw shapes and return where our COCO differs from the server's."""
    folder.mkdir(exist_ok=True)
    cvat.change_annotations(task.jobs[0].id, Change.CREATE, Annotations(shapes=shapes))
    is_v1 = cvat.family == "v1"
    options = FormatOptions(rectangles_as_polygons=is_v1, boxes_lead_groups=cvat.quirks.boxes_lead_groups)
    found = write_dataset_of_task(cvat, task.id, "coco", folder / "ours", options, deadline=60)
    cvat.export(task.id, folder / "theirs.zip")
    with zipfile.ZipFile(folder / "theirs.zip") as archive:
        theirs: Any = json.loads(archive.read("annotations/instances_default.json"))
    return differences(json.loads(found.files[0].read_text()), theirs)


@each_cvat
def test_merged_groups_have_the_geometry_of_the_servers(cvat_version: str, tmp_path: Path) -> None:
    with serve_cvat(cvat_version, ["root:rootpass:superuser"]) as serving:
        cvat = connect(serving.url, username="root", password="rootpass")
        for number, (name, members) in enumerate((GROUPS if cvat_version == V1 else GROUPS | OF_V2).items()):
            task = new_task(cvat, name)
            shapes = [Shape(kind, 0, task.labels[0].id, points, group=7) for kind, points in members]
            assert compared(cvat, task, tmp_path / str(number), *shapes) == [], name
        cvat.close()


def test_a_mask_and_a_polygon_have_the_bbox_of_their_pixels_and_not_of_the_corners(tmp_path: Path) -> None:
    with serve_cvat(V2, ["root:rootpass:superuser"]) as serving:
        cvat = connect(serving.url, username="root", password="rootpass")
        task = new_task(cvat, "a mask and a polygon")
        shapes = [Shape(kind, 0, task.labels[0].id, points, group=7) for kind, points in [(M, MASK), (P, POLYGON)]]
        theirs, ours = compared(cvat, task, tmp_path, *shapes)
    assert "[30.0, 5.0, 20.0, 29.0]" in theirs
    assert "[31.0, 5.0, 19.0, 29.0]" in ours  # no pixel of the polygon is in column 30
    assert theirs.split("{")[1] == ours.split("{")[1]


def test_a_turned_box_has_its_corners_which_the_server_leaves_out(tmp_path: Path) -> None:
    with serve_cvat(V2, ["root:rootpass:superuser"]) as serving:
        cvat = connect(serving.url, username="root", password="rootpass")
        task = new_task(cvat, "a turned box")
        lines = compared(cvat, task, tmp_path, Shape(R, 0, task.labels[0].id, OTHER_BOX, rotation=30.0))
    assert [line.split("[[")[0].strip() for line in lines] == [
        "only in CVAT's, ('0.jpg', 'car'): [20.0, 20.0, 20.0, 10.0] []",
        "only in ours, ('0.jpg', 'car'): [20.0, 20.0, 20.0, 10.0]",
    ]


def new_task(cvat: Cvat, name: str) -> Task:
    created = cvat.create_task(TaskSpec(name, (Label("car"),)))
    cvat.upload(created.id, [upload_file("0.jpg")], DataSpec())
    return wait_for_frames(cvat, created.id)
