"""COCO 1.0: exports as measured on a real CVAT 1.0.0, and imports."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pycocotools import mask as masks

from tests.support.sandbox_client import (
    body,
    box,
    coco,
    create,
    job_ids,
    jpeg,
    send,
    settled,
    task,
    until,
    uploaded,
    write,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")  # of its own code

Draw = Callable[..., dict[str, Any]]


@pytest.fixture
def drawn(alex: httpx.Client) -> Draw:
    """A function that writes shapes into a task of two images of 100 x 80 and returns its COCO file."""

    def draw(*shapes: dict[str, Any], labels: Any = None, **parts: Any) -> dict:
        task_id = create(alex, **({"labels": labels} if labels else {}))
        send(alex, task_id, {"a.jpg": jpeg(100, 80), "b.jpg": jpeg(100, 80)})
        settled(alex, task_id)
        known = task(alex, task_id)["labels"]
        filled = [{**shape, "label_id": known[shape["label_id"]]["id"]} for shape in shapes]
        for shape in filled:
            specs = known[[label["id"] for label in known].index(shape["label_id"])]["attributes"]
            shape["attributes"] = [
                {"spec_id": specs[position]["id"], "value": v} for position, v in enumerate(shape["attributes"])
            ]
        tracks = [{**track, "label_id": known[track["label_id"]]["id"]} for track in parts.get("tracks", [])]
        write(alex, job_ids(alex, task_id)[0], body(*filled, tracks=tracks))
        return coco(alex, task_id)

    return draw


def polygon(label: int, points: list[float], **more: Any) -> dict[str, Any]:
    return box(label, points=points, **{**more, "type": "polygon"})


def test_a_rectangle_is_written_as_it_was_drawn(drawn: Draw) -> None:
    (annotation,) = drawn(box(1, points=[0.1, 0.2, 0.3, 70.5]))["annotations"]
    assert annotation == {
        "id": 1,
        "image_id": 0,
        "category_id": 2,
        "iscrowd": 0,
        "bbox": [0.1, 0.2, 0.3 - 0.1, 70.5 - 0.2],
        "area": (0.3 - 0.1) * (70.5 - 0.2),
        "segmentation": [[0.1, 0.2, 0.1 + (0.3 - 0.1), 0.2, 0.1 + (0.3 - 0.1), 70.5, 0.1, 70.5]],
    }


def test_nothing_is_clipped_and_an_inverted_box_keeps_its_sign(drawn: Draw) -> None:
    outside, inverted = drawn(box(0, points=[-50, -50, 500, 500]), box(0, points=[20, 30, 10, 10]))["annotations"]
    assert outside["bbox"] == [-50.0, -50.0, 550.0, 550.0]
    assert (inverted["bbox"], inverted["area"]) == ([20.0, 30.0, -10.0, -20.0], 200.0)


def test_a_polygon_has_its_area_in_pixels_of_the_image(drawn: Draw) -> None:
    whole, half, removed = drawn(
        polygon(0, [10, 10, 20, 10, 20, 20, 10, 20]),
        polygon(0, [-50, 0, 50, 0, 50, 10, -50, 10]),
        polygon(0, [200, 200, 300, 200, 300, 300]),
    )["annotations"]
    assert [a["area"] for a in (whole, half, removed)] == [100.0, 500.0, 0.0]
    assert whole["segmentation"] == [[10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]]
    assert removed["bbox"] == [200.0, 200.0, 100.0, 100.0]


def test_polylines_points_and_tags_are_left_out(drawn: Draw) -> None:
    document = drawn(box(0, type="polyline", points=[1, 1, 2, 2]), box(0, type="points", points=[1, 1]), box(1))
    assert [a["category_id"] for a in document["annotations"]] == [2]
    assert len(document["images"]) == 2


def test_a_group_becomes_one_annotation_of_its_largest_member_and_only_on_its_frame(drawn: Draw) -> None:
    small, large, far = (
        box(0, group=7, points=[0, 0, 10, 10]),
        box(1, group=7, points=[20, 20, 60, 60]),
        box(0, frame=1, group=7),
    )
    first, second = drawn(small, large, far)["annotations"]
    assert (first["category_id"], first["bbox"], first["area"]) == (2, [0.0, 0.0, 60.0, 60.0], 3600.0)
    assert (second["image_id"], second["category_id"]) == (1, 1)


def test_a_group_with_polygons_has_their_segmentation_and_the_box_of_all_members(drawn: Draw) -> None:
    first, second = polygon(0, [10, 10, 20, 10, 20, 20], group=1), polygon(0, [40, 40, 50, 40, 50, 50], group=1)
    line = box(0, type="polyline", points=[0, 0, 99, 79], group=1)
    (annotation,) = drawn(box(0, group=1, points=[5, 5, 15, 15]), first, line, second)["annotations"]
    assert annotation["segmentation"] == [[10.0, 10.0, 20.0, 10.0, 20.0, 20.0], [40.0, 40.0, 50.0, 40.0, 50.0, 50.0]]
    assert annotation["bbox"] == [5.0, 5.0, 45.0, 45.0]


def test_a_polygon_far_from_the_origin_has_no_area_when_the_leader_is_chosen(drawn: Draw) -> None:
    near, far = polygon(0, [1, 1, 11, 1, 11, 11, 1, 11], group=1), polygon(1, [60, 40, 99, 40, 99, 79, 60, 79], group=1)
    (annotation,) = drawn(far, near)["annotations"]
    assert annotation["category_id"] == 1


def test_annotations_are_ordered_by_frame_then_z_order_then_group(drawn: Draw) -> None:
    shapes = [
        box(0, frame=1, points=[1, 0, 2, 2]),
        box(0, group=3, points=[2, 0, 3, 3]),
        box(0, z_order=5, points=[3, 0, 4, 4]),
        box(0, z_order=-1, points=[4, 0, 5, 5]),
    ]
    document = drawn(*shapes)
    assert [(a["id"], a["bbox"][0]) for a in document["annotations"]] == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]


CROWD = [
    {
        "name": "crowd",
        "attributes": [
            {
                "name": "is_crowd",
                "mutable": False,
                "input_type": "checkbox",
                "default_value": "false",
                "values": ["false"],
            },
            {
                "name": "score",
                "mutable": False,
                "input_type": "number",
                "default_value": "0",
                "values": ["0", "1", "0.1"],
            },
        ],
    }
]


def test_the_attribute_is_crowd_makes_a_polygon_a_mask_and_score_becomes_a_number(drawn: Draw) -> None:
    shape = polygon(0, [1, 1, 11, 1, 11, 11, 1, 11], attributes=["true", "0.5"])
    crowd, rectangle = drawn(shape, box(0, attributes=["true", "1"]), labels=CROWD)["annotations"]
    assert (crowd["iscrowd"], crowd["score"], crowd["area"]) == (1, 0.5, 100.0)
    assert crowd["segmentation"]["size"] == [80, 100]
    assert masks.area(masks.frPyObjects(crowd["segmentation"], 80, 100)) == 100
    assert (rectangle["iscrowd"], rectangle["score"]) == (0, 1.0)


def keyframe(frame: int, points: list[float], *, outside: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "type": "rectangle",
        "occluded": False,
        "z_order": 0,
        "points": points,
        "frame": frame,
        "outside": outside,
        "attributes": [],
        **more,
    }


def test_a_track_becomes_one_box_on_each_frame(alex: httpx.Client) -> None:
    task_id = uploaded(alex, [f"{n}.jpg" for n in range(8)])
    label = task(alex, task_id)["labels"][0]["id"]
    moving = {
        "frame": 0,
        "label_id": label,
        "group": 0,
        "attributes": [],
        "shapes": [
            keyframe(0, [0, 0, 10, 10]),
            keyframe(2, [4, 0, 14, 10]),
            keyframe(4, [50, 50, 60, 60], outside=True),
            keyframe(6, [1, 1, 2, 2]),
        ],
    }
    write(alex, job_ids(alex, task_id)[0], body(tracks=[moving]))
    boxes = {a["image_id"]: a["bbox"][:2] for a in coco(alex, task_id)["annotations"]}
    assert boxes == {0: [0, 0], 1: [2, 0], 2: [4, 0], 3: [4, 0], 4: [50, 50], 6: [1, 1], 7: [1, 1]}


def failure(alex: httpx.Client, task_id: int, format_name: str = "COCO 1.0") -> str:
    ask = {"format": format_name}
    answer = until(lambda: alex.get(f"/tasks/{task_id}/annotations", params=ask), lambda a: a.status_code != 202)
    assert answer.status_code == 500
    assert alex.get(f"/tasks/{task_id}/annotations", params=ask).status_code == 202
    return str(answer.json())


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (box(0, frame=7), "KeyError: 7\n"),
        (polygon(0, [1, 1, 2, 2]), "AssertionError: Wrong polygon points: [1.0, 1.0, 2.0, 2.0]\n"),
        (box(0, points=[1, 2, 3]), "ValueError: not enough values to unpack (expected 4, got 3)\n"),
    ],
)
def test_some_shapes_can_be_saved_but_make_the_export_fail(
    alex: httpx.Client, shape: dict[str, Any], words: str
) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    shape = {**shape, "label_id": task(alex, task_id)["labels"][0]["id"]}
    write(alex, job_ids(alex, task_id)[0], body(shape))
    assert failure(alex, task_id) == words


def test_with_a_start_frame_only_a_task_without_annotations_can_be_exported(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {f"{n}.jpg": jpeg() for n in range(10)}, start_frame="2", frame_filter="step=3")
    settled(alex, task_id)
    assert [image["id"] for image in coco(alex, task_id)["images"]] == [8, 17, 26]
    write(alex, job_ids(alex, task_id)[0], body(box(task(alex, task_id)["labels"][0]["id"])))
    assert failure(alex, task_id) == "KeyError: 0\n"


def test_an_export_in_a_format_without_exporter_fails_with_a_text(alex: httpx.Client) -> None:
    assert (
        failure(alex, uploaded(alex, ["a.jpg"]), "TFRecord 1.0")
        == "NotImplementedError: the sandbox does not write TFRecord 1.0\n"
    )


def test_a_coco_import_creates_polygons_and_replaces_all_annotations(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg"])
    names = [label["name"] for label in task(alex, task_id)["labels"]]
    document = {
        "images": [{"id": 5, "file_name": "b.jpg"}],
        "categories": [{"id": 9, "name": names[1]}],
        "annotations": [
            {"image_id": 5, "category_id": 9, "segmentation": [[1, 1, 9, 1, 9, 9], [20, 20, 30, 20, 30, 30]]},
            {"image_id": 5, "category_id": 9, "segmentation": [[1, 1, 5, 1, 5, 5]]},
            {"image_id": 5, "category_id": 9, "bbox": [1, 2, 3, 4]},
            {"image_id": 5, "category_id": 9, "bbox": [0, 0, 9, 9], "segmentation": {"size": [9, 9], "counts": [81]}},
        ],
    }
    write(alex, job_ids(alex, task_id)[0], body(box(task(alex, task_id)["labels"][0]["id"])))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("annotations/instances_default.json", json.dumps(document))
    for content in (json.dumps(document).encode(), out.getvalue()):
        put = {"params": {"format": "COCO 1.0"}, "files": {"annotation_file": ("a.json", content)}}
        assert alex.put(f"/tasks/{task_id}/annotations", **put).status_code == 202
        until(
            lambda put=put: alex.put(f"/tasks/{task_id}/annotations", **put).status_code, lambda status: status == 201
        )
        shapes = alex.get(f"/tasks/{task_id}/annotations").json()["shapes"]
        kinds = [(s["type"], s["frame"], s["group"], s["points"][:2]) for s in shapes]
        assert kinds == [
            ("polygon", 1, 1, [1.0, 1.0]),
            ("polygon", 1, 1, [20.0, 20.0]),
            ("polygon", 1, 0, [1.0, 1.0]),
            ("rectangle", 1, 0, [1.0, 2.0]),
        ]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "The submitted file is empty."),
        (b"no json", 500, "JSONDecodeError"),
        (
            b'{"images": [{"id": 1, "file_name": "zz.jpg"}], "categories": [], "annotations": []}',
            500,
            "Could not match item id",
        ),
    ],
)
def test_an_import_of_an_invalid_file_fails_with_a_text(
    alex: httpx.Client, content: bytes, status: int, words: str
) -> None:
    task_id = uploaded(alex, ["a.jpg"])
    put = {"params": {"format": "COCO 1.0"}, "files": {"annotation_file": ("a.json", content)}}
    answer = until(lambda: alex.put(f"/tasks/{task_id}/annotations", **put), lambda a: a.status_code != 202)
    assert (answer.status_code, words in answer.text) == (status, True)
