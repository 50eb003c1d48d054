"""Predictions from outside: what fits becomes objects, and what does not is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelyard.annotations.content import FrameObject, Kind
from labelyard.annotations.faults import fault_of
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.errors import NoPredictions
from labelyard.formats.predictions import LeftOutPredictions, TargetImage, Targets, read_predictions, score_value

LABELS = {
    "car": Label("car", (
        AttributeSpec("score", InputType.NUMBER, "0", ("0", "100", "1"), id=7),
        AttributeSpec("parked", InputType.CHECKBOX, "false", ("false",), id=8),
    ), id=1),
    "box": Label("box", type="rectangle", id=2),
    "body": Label("body", type="skeleton", sublabels=(Label("head", id=4), Label("hand", id=5)), id=3),
}  # fmt: skip
IMAGES = (
    TargetImage(0, "in/a.jpg", 64, 48, 1),
    TargetImage(1, "in/cam1/b.jpg", 64, 48, 2),
    TargetImage(2, "in/cam2/b.jpg", 32, 32, 3),
)
TARGETS = Targets(IMAGES, LABELS, {"car": 10, "box": 11, "body": 12})


def read(
    tmp_path: Path, content: Any, targets: Targets = TARGETS, folder: str | None = None
) -> tuple[list[FrameObject], str]:
    """Return the objects of a file and the warning about the others."""
    path, left_out = tmp_path / "predictions.json", LeftOutPredictions()
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = read_predictions(path, targets, left_out, "predictions.json", folder)
    return found, left_out.warning() or ""


def coco(*annotations: dict[str, Any], name: str = "in/a.jpg", **image: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 5, "file_name": name, **image}],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "truck"}],
        "annotations": [{"image_id": 5, "category_id": 1, **one} for one in annotations],
    }


def result(**fields: Any) -> list[dict[str, Any]]:
    return [{"image_id": 1, "category_id": 10, "bbox": [1, 2, 10, 20], **fields}]


def test_a_coco_file_and_a_list_of_results_give_the_same_boxes(tmp_path: Path) -> None:
    expected = FrameObject(
        Kind.RECTANGLE, 0, "car", (1, 2, 11, 22), attributes={"score": 90}, source="auto", score=0.9
    )  # fmt: skip
    for content in (coco({"bbox": [1, 2, 10, 20], "score": 0.9}), result(score=0.9), result(label="car", score=0.9)):
        assert read(tmp_path, content) == ([expected], "")


def test_copies_of_a_frame_get_the_same_predictions(tmp_path: Path) -> None:
    honeypot = TargetImage(7, "in/a.jpg", 64, 48, 8)
    found, warning = read(tmp_path, coco({"bbox": [1, 2, 10, 20]}), Targets((*IMAGES, honeypot), LABELS, {"car": 10}))
    assert ([(one.frame, one.points) for one in found], warning) == ([(0, (1, 2, 11, 22)), (7, (1, 2, 11, 22))], "")


def test_outlines_masks_and_skeletons(tmp_path: Path) -> None:
    square = [1, 1, 9, 1, 9, 9, 1, 9]
    content = [
        {"image_id": 1, "label": "car", "segmentation": [square]},
        {"image_id": 1, "label": "car", "segmentation": [square, [20, 20, 30, 20, 30, 30]]},
        {"image_id": 3, "label": "car", "segmentation": {"counts": [33, 2, 989], "size": [32, 32]}},
        {"image_id": 1, "label": "box", "bbox": [1, 1, 8, 8], "segmentation": [square]},
        {"image_id": 1, "label": "body", "bbox": [1, 1, 8, 8], "keypoints": [3, 4, 2, 0, 0, 0]},
    ]
    found, warning = read(tmp_path, content)
    assert warning == ""
    kinds = [Kind.POLYGON, Kind.POLYGON, Kind.POLYGON, Kind.MASK, Kind.RECTANGLE, Kind.SKELETON]
    assert [one.kind for one in found] == kinds
    assert [one.group for one in found] == [0, 1, 1, 0, 0, 0]
    assert found[3].points == (0, 2, 1, 1, 1, 2)
    assert [point.outside for point in found[5].keypoints] == [False, True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (coco({"bbox": [1, 2, 10, 20], "category_id": 2}), "the dataset has no label 'truck'"),
        (coco({"bbox": [1, 2, 10, 20], "category_id": 9}), "no category with the id 9"),
        (coco({"bbox": [1, 2, 10, 20], "image_id": 6}), "no image with the id 6"),
        (coco({"bbox": [1, 2, 10, 20]}, width=640, height=480), "of 640 x 480 pixels, and 'in/a.jpg' has 64 x 48"),
        (coco({"bbox": [1, 2, 10, 20]}, name="b.jpg"), "several images of the batch are called 'b.jpg'"),
        (result(bbox=[60, 40, 20, 20]), "reaches out of the image of 64 x 48"),
        (result(bbox=[1, 2, 0, 20]), "0 x 20"),
        (result(bbox=[1, 2, 3]), "instead of four numbers"),
        (result(bbox=["a", 2, 3, 4]), "it is no prediction"),
        (result(score=7), "the score is not between 0 and 1"),
        (result(label="box", bbox=None, segmentation=[[1, 1, 9, 1, 9, 9]]), "is for rectangle alone"),
        (result(segmentation=[[1, 1, 9]]), "an outline of its segmentation has 3 numbers"),
        (result(segmentation={"counts": [3], "size": [48, 64]}), "add up to 3"),
        (result(segmentation={"counts": [4], "size": [2, 2]}), "run lengths are for 2 x 2"),
        (result(attributes={"parked": "perhaps"}), "the value 'perhaps'"),
        (result(label="body", bbox=[1, 1, 8, 8]), "is for skeleton alone"),
        ([7], "it is no prediction"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_left_out_and_named_and_the_others_stay(tmp_path: Path, content: Any, reason: str) -> None:
    found, warning = read(tmp_path, content)
    assert (found, warning.startswith("1 predictions are left out: 1: ")) == ([], True)
    assert reason in warning
    if isinstance(content, list):
        found, warning = read(tmp_path, [*content, *result(bbox=[5, 5, 5, 5])])
        assert (len(found), reason in warning) == (1, True)


def test_images_of_other_batches_are_passed_over_without_a_warning(tmp_path: Path) -> None:
    assert read(tmp_path, coco({"bbox": [1, 2, 3, 4]}, name="in/z.jpg")) == ([], "")


@pytest.mark.parametrize(
    ("name", "folder", "frame"),
    [("b.jpg", "in/cam2/", 2), ("cam1/b.jpg", "in/", 1), ("cam2/b.jpg", None, 2), ("a.jpg", None, 0),
     ("b.jpg", "in/", None), ("m1/b.jpg", None, None)],
)  # fmt: skip
def test_a_file_name_means_one_key(tmp_path: Path, name: str, folder: str | None, frame: int | None) -> None:
    found, warning = read(tmp_path, coco({"bbox": [1, 2, 3, 4]}, name=name), folder=folder)
    assert ([one.frame for one in found], warning) == ([] if frame is None else [frame], "")


def test_a_part_of_a_pixel_beyond_the_border_is_cut_off(tmp_path: Path) -> None:
    [found], _ = read(tmp_path, result(bbox=[-0.4, 0, 64.8, 48.2]))
    assert found.points == (0, 0, 64, 48)


def test_a_server_without_masks_gets_none(tmp_path: Path) -> None:
    targets = Targets(IMAGES, LABELS, {"car": 10}, frozenset({Kind.RECTANGLE}))
    found, warning = read(tmp_path, result(segmentation=[[1, 1, 9, 1, 9, 9]]), targets)
    assert (found, "this CVAT has no shapes of the kind polygon" in warning) == ([], True)


def test_the_same_prediction_twice_counts_once(tmp_path: Path) -> None:
    found, warning = read(tmp_path, result() + result())
    assert (len(found), "is the same as annotation 1" in warning) == (1, True)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (InputType.NUMBER, ("0", "100", "1"), 90),
        (InputType.NUMBER, ("0", "1", "0.01"), 0.9),
        (InputType.TEXT, ("",), "0.9"),
        (InputType.SELECT, ("0.9", "0.1"), "0.9"),
    ],
)
def test_a_score_becomes_the_value_of_an_attribute(kind: InputType, values: tuple[str, ...], expected: object) -> None:
    assert score_value(AttributeSpec("score", kind, "0", values), 0.9) == expected


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"{}", b"[" * 100_000, b"\xff\xfe[", b'{"images": 1}', b"<html>"]
)
def test_a_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoPredictions, match=r"predictions\.json"):
        read(tmp_path, content)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from([1, 10, 5]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["images", "annotations", "categories", "id", "image_id", "category_id", "label", "bbox", "segmentation",
             "counts", "size", "keypoints", "score", "attributes", "parked", "file_name", "name"]
        ),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip
_item = st.fixed_dictionaries(
    {"image_id": st.integers(0, 4), "label": st.sampled_from(["car", "box", "body", "x"])},
    optional={
        "bbox": st.lists(st.floats(-5, 80, width=16), min_size=3, max_size=4),
        "segmentation": st.lists(st.lists(st.floats(-5, 80, width=16), max_size=8), max_size=2)
        | st.fixed_dictionaries(
            {"counts": st.lists(st.integers(-2, 1100), max_size=4) | st.text(max_size=6),
             "size": st.lists(st.integers(-1, 64), max_size=3)}
        ),
        "keypoints": st.lists(st.floats(-5, 80, width=16), max_size=7),
        "score": st.floats(-0.5, 1.5, width=16),
        "attributes": st.dictionaries(st.sampled_from(["parked", "score", "x"]), st.booleans() | st.text(max_size=3)),
    },
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | (_json | st.lists(_item, max_size=5)).map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_objects_without_faults_or_an_error(tmp_path: Path, content: bytes) -> None:
    try:
        found, _ = read(tmp_path, content)
    except NoPredictions:
        return
    sizes = {image.frame: (image.width, image.height) for image in IMAGES}
    for one in found:
        assert fault_of(one, LABELS, sizes[one.frame]) is None
        assert one.source == "auto"
