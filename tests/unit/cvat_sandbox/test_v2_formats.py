"""What the formats of CVAT 2.x keep, change and lose, as facts about the real server say."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cvat_sandbox.formats.v2.registry import EXPORTERS
from cvat_sandbox.formats.v2.snapshot import AttributeSpec, Frame, Label, Project, Snapshot, TaskContent

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")  # of its own code

LABELS = [
    Label(1, "car", "#2080c0", "any", [AttributeSpec(1, "age", False, "number", "5", ["0", "9", "1"]),
                                       AttributeSpec(2, "parked", True, "checkbox", "false", ["false"])]),
    Label(2, "tree", "#906000", "any", []),
    Label(3, "body", "#7a1d90", "skeleton", [], None, '<line data-node-from="1" data-node-to="2"></line>'),
    Label(4, "head", "#111111", "points", [], 3), Label(5, "foot", "#222222", "points", [], 3),
]  # fmt: skip


def drawn(kind: str, points: list[float], label: int = 2, **more: Any) -> dict[str, Any]:
    common = {"frame": 0, "label_id": label, "rotation": 0.0, "occluded": False, "outside": False, "z_order": 0,
              "group": 0, "source": "manual", "attributes": [], "elements": []}  # fmt: skip
    return {**common, "type": kind, "points": points, **more}


def content(*shapes: dict[str, Any], key: int = 1, subset: str = "", names: tuple[str, ...] = ("a.jpg", "b.jpg"),
            tags: Any = (), tracks: Any = ()) -> TaskContent:  # fmt: skip
    frames = {n: Frame(n, name, 40, 30, Path("none")) for n, name in enumerate(names)}
    annotations = {"tags": list(tags), "shapes": list(shapes), "tracks": list(tracks)}
    return TaskContent(key, "task", len(frames), "annotation", 0, "", "2026", "2026", subset, 0, len(frames) - 1, "",
                       [], None, None, frames, annotations)  # fmt: skip


def written(format_name: str, *tasks: TaskContent, project: Project | None = None) -> zipfile.ZipFile:
    out = io.BytesIO()
    snapshot = Snapshot("project" if project else "task", LABELS, list(tasks), "http://cvat", project)
    EXPORTERS[format_name](snapshot, out, images=False)
    return zipfile.ZipFile(out)


def coco(*shapes: dict[str, Any], **rest: Any) -> list[dict[str, Any]]:
    file = written("COCO 1.0", content(*shapes, **rest))
    found: list[dict[str, Any]] = json.loads(file.read("annotations/instances_default.json"))["annotations"]
    return found


BOX = drawn("rectangle", [10, 10, 20, 20])
POLYGON = drawn("polygon", [10, 10, 22, 10, 22, 24])
MASK = drawn("mask", [0, 6, 5, 5, 7, 6])


def test_coco_has_boxes_without_rotation_polygons_and_masks_as_run_lengths() -> None:
    box, polygon, mask = coco({**BOX, "rotation": 30.0}, POLYGON, MASK)
    assert (box["bbox"], box["segmentation"], box["area"]) == ([10, 10, 10, 10], [], 100)
    assert box["attributes"] == {"occluded": False, "rotation": 30.0}
    assert (polygon["segmentation"], polygon["iscrowd"]) == ([[10, 10, 22, 10, 22, 24]], 0)
    assert mask["segmentation"] == {"counts": [155, 2, 28, 2, 28, 2, 983], "size": [30, 40]}
    assert (mask["bbox"], mask["area"], mask["iscrowd"]) == ([5, 5, 3, 2], 6, 1)


@pytest.mark.parametrize(
    "lost",
    [
        drawn("polyline", [1, 1, 9, 9, 3, 3]),
        drawn("points", [1, 1]),
        drawn("cuboid", [float(n) for n in range(16)]),
        drawn("skeleton", [], 3, elements=[drawn("points", [1, 1], 4)]),
        {**BOX, "frame": 7},
    ],
)
def test_coco_loses_what_it_has_no_word_for(lost: dict[str, Any]) -> None:
    assert coco(lost) == []


def test_a_group_becomes_one_annotation_of_its_largest_part() -> None:
    grouped = [{**BOX, "label_id": 1, "group": 1}, {**POLYGON, "group": 1, "points": [0, 0, 9, 0, 9, 9]}]
    (one,) = coco(*grouped)
    assert one["category_id"] == 1
    assert one["segmentation"] == [[0, 0, 9, 0, 9, 9]]
    assert one["bbox"] == [10, 10, 10, 10]
    (two,) = coco({**BOX, "group": 2}, {**BOX, "group": 2, "points": [30, 10, 39, 29]})
    assert two["bbox"] == [10, 10, 29, 19]
    (three,) = coco({**MASK, "group": 3}, {**MASK, "group": 3, "points": [0, 6, 15, 5, 17, 6]})
    assert three["area"] == 12


def test_attributes_have_their_types_and_defaults() -> None:
    given = [{"spec_id": 1, "value": "42"}]
    assert coco({**BOX, "label_id": 1, "attributes": given})[0]["attributes"] == {
        "age": 42.0, "parked": False, "occluded": False, "rotation": 0.0
    }  # fmt: skip
    with pytest.raises(Exception, match="Failed to convert attribute 'age'='old'"):
        coco({**BOX, "label_id": 1, "attributes": [{"spec_id": 1, "value": "old"}]})


def test_a_track_is_written_up_to_the_frame_before_it_is_outside() -> None:
    key = {"type": "rectangle", "frame": 0, "points": [0, 0, 4, 4], "rotation": 0.0, "occluded": False,
           "outside": False, "z_order": 0, "attributes": []}  # fmt: skip
    shapes = [key, {**key, "frame": 2, "points": [8, 0, 12, 4]}, {**key, "frame": 3, "outside": True}]
    track = {"frame": 0, "label_id": 2, "group": 0, "source": "manual", "attributes": [], "shapes": shapes}
    found = coco(tracks=[track], names=("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"))
    assert [(a["image_id"], a["bbox"][0], a["attributes"]["keyframe"]) for a in found] == [
        (1, 0, True), (2, 4, False), (3, 8, True)
    ]  # fmt: skip


def test_shapes_are_sorted_by_z_order() -> None:
    assert [a["category_id"] for a in coco({**BOX, "z_order": 1}, {**BOX, "label_id": 1, "z_order": -1})] == [1, 2]


def test_keypoints_are_in_the_order_of_the_labels_and_absent_ones_do_not_count() -> None:
    elements = [drawn("points", [9, 8], 5, outside=True), drawn("points", [3, 4], 4, occluded=True)]
    file = written("COCO Keypoints 1.0", content(BOX, drawn("skeleton", [], 3, elements=elements)))
    document = json.loads(file.read("annotations/person_keypoints_default.json"))
    (one,) = document["annotations"]
    assert one["keypoints"] == [3, 4, 1, 9, 8, 0]
    assert (one["num_keypoints"], one["bbox"]) == (1, [3, 4, 0, 0])
    assert document["categories"][-1] == {
        "id": 3, "name": "body", "supercategory": "", "keypoints": ["head", "foot"], "skeleton": [[1, 2]]
    }  # fmt: skip


def test_yolo_turns_boxes_only_in_its_oriented_format() -> None:
    turned = content({**BOX, "rotation": 90.0, "points": [10, 10, 30, 20]})
    detection = written("Ultralytics YOLO Detection 1.0", turned).namelist()
    assert detection == ["train.txt", "data.yaml"]
    oriented = written("Ultralytics YOLO Oriented Bounding Boxes 1.0", turned).read("labels/train/a.txt").decode()
    assert oriented == "1 0.625000 0.166667 0.625000 0.833333 0.375000 0.833333 0.375000 0.166667\n"
    straight = written("Ultralytics YOLO Detection 1.0", content(BOX)).read("labels/train/a.txt").decode()
    assert straight == "1 0.375000 0.500000 0.250000 0.333333\n"


def test_segmentation_masks_have_the_colours_of_labels_and_a_number_for_each_group() -> None:
    file = written("Segmentation mask 1.1", content(BOX, {**MASK, "group": 1, "label_id": 1}))
    assert file.read("labelmap.txt").decode().splitlines()[1:4] == [
        "background:0,0,0::", "body:122,29,144::", "car:32,128,192::"
    ]  # fmt: skip
    assert file.read("ImageSets/Segmentation/default.txt") == b"a\nb\n"


def test_voc_lists_images_with_tags_by_label() -> None:
    tag = {"frame": 1, "label_id": 1, "group": 0, "source": "manual", "attributes": []}
    file = written("PASCAL VOC 1.1", content(BOX, tags=[tag]))
    assert file.read("ImageSets/Main/car_default.txt") == b"b  1\n"
    assert file.read("ImageSets/Main/tree_default.txt") == b"b -1\n"
    assert b"<xmax>20.0</xmax>" in file.read("Annotations/a.xml")


PROJECT = Project(1, "both", "", "2026", "2026", None, None)


def test_a_project_has_a_file_for_each_subset_and_no_two_images_of_one_name() -> None:
    tasks = content(key=1, subset="train"), content(key=2, subset="train"), content(key=3, subset="", names=("c.jpg",))
    file = written("COCO 1.0", *tasks, project=PROJECT)
    assert file.namelist() == ["annotations/instances_train.json", "annotations/instances_default.json"]
    images = [[(i["id"], i["file_name"]) for i in json.loads(file.read(name))["images"]] for name in file.namelist()]
    assert images == [[(1, "a.jpg"), (2, "b.jpg"), (3, "a_1.jpg"), (4, "b_1.jpg")], [(5, "c.jpg")]]


def test_a_project_without_tasks_is_an_empty_zip() -> None:
    assert written("COCO 1.0", project=PROJECT).namelist() == []
