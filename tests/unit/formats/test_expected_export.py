"""The expected export equals what a real CVAT 1.0.0 exported (recordings)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labelyard.annotations.comparison import ExpectedInstance, compare
from labelyard.annotations.content import Mask
from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame
from labelyard.formats.checks.fault import Severity
from labelyard.formats.coco.expected_export import expected_export
from labelyard.formats.coco.read import read_export
from labelyard.formats.interface import ExpectedExport
from tests.support.coco_exports import recorded_document, zipped
from tests.support.paths import recording

CAR, PERSON = Label("car", id=131), Label("person", id=132)
RECTANGLE, POLYGON = ShapeType.RECTANGLE, ShapeType.POLYGON


def recorded_annotations() -> Annotations:
    body = recording(477)["body_json"]
    shape = lambda raw: Shape(  # noqa: E731
        ShapeType(raw["type"]), raw["frame"], raw["label_id"], tuple(raw["points"]), raw["group"], raw["z_order"]
    )
    key = lambda raw: TrackedShape(  # noqa: E731
        ShapeType(raw["type"]), raw["frame"], tuple(raw["points"]), outside=raw["outside"]
    )
    return Annotations(
        shapes=tuple(map(shape, body["shapes"])),
        tracks=tuple(Track(t["frame"], t["label_id"], tuple(map(key, t["shapes"]))) for t in body["tracks"]),
        tags=tuple(Tag(t["frame"], t["label_id"]) for t in body["tags"]),
    )


def recorded_frames() -> list[Frame]:
    return [Frame(**frame) for frame in recording(478)["body_json"]["frames"]]


def box(frame: int = 0, label: Label = CAR, points: tuple[float, ...] = (10, 10, 30, 20), **more: Any) -> Shape:
    return Shape(RECTANGLE, frame, label.id, points, **more)


def polygon(*points: float, frame: int = 0, label: Label = CAR, **more: Any) -> Shape:
    return Shape(POLYGON, frame, label.id, points, **more)


def expected(
    *shapes: Shape, tracks: tuple[Track, ...] = (), labels: tuple[Label, ...] = (CAR, PERSON), n: int = 4
) -> ExpectedExport:
    return expected_export(Annotations(shapes, tracks), [Frame(f"{i}.jpg", 100, 80) for i in range(n)], labels)


def instances(*shapes: Shape, **task: Any) -> tuple[ExpectedInstance, ...]:
    return expected(*shapes, **task).content.instances


def track(*keys: TrackedShape, **more: Any) -> Track:
    return Track(keys[0].frame, CAR.id, keys, **more)


def key(frame: int, *points: float, outside: bool = False, **more: Any) -> TrackedShape:
    return TrackedShape(RECTANGLE, frame, points or (0, 0, 10, 10), outside=outside, **more)


def test_the_recorded_export_is_expected_in_every_number(zip_path: Path) -> None:
    want = expected_export(recorded_annotations(), recorded_frames(), [PERSON, CAR])
    document = recorded_document("488-dump-coco-download")
    assert not compare(want.content, read_export(zipped(document, zip_path)))
    found = [one.instance for one in want.content.instances]
    assert [list(one.box) for one in found] == [raw["bbox"] for raw in document["annotations"]]
    assert [[list(outline) for outline in one.outline] for one in found] == [  # type: ignore[union-attr]
        raw["segmentation"] for raw in document["annotations"]
    ]
    assert [one.area for one in found][:5] == [raw["area"] for raw in document["annotations"]][:5]
    assert want.content.labels == ("car", "person")
    assert want.faults == ()


def test_a_later_export_with_one_box_more_differs_by_that_box(zip_path: Path) -> None:
    want = expected_export(recorded_annotations(), recorded_frames(), [PERSON, CAR])
    found = read_export(zipped(recorded_document("504-dump-download-after-rename"), zip_path))
    difference = compare(want.content, found)
    assert difference.missing == ()
    assert difference.extra == ("z_10.jpg: person, box 49.5 x 29.5 at 10.5,20.5",)


def test_an_export_from_before_a_label_was_added_differs_in_its_labels(zip_path: Path) -> None:
    want = expected_export(
        Annotations((Shape(RECTANGLE, 0, 131, (10.5, 20.5, 60, 50)),)),
        recorded_frames(),
        [CAR, PERSON, Label("brandnew", id=140)],
    )
    stale = compare(
        want.content, read_export(zipped(recorded_document("599-dump-cache-after-label-download"), zip_path))
    )
    assert str(stale) == "the task has the labels car, person, brandnew; the file has car, person"


def test_a_task_without_annotations_holds_all_its_images(zip_path: Path) -> None:
    want = expected_export(Annotations(), recorded_frames(), [CAR, PERSON])
    assert not compare(
        want.content, read_export(zipped(recorded_document("537-dump-no-annotations-download"), zip_path))
    )
    assert len(want.content.images) == 7


def test_boxes_are_neither_rounded_nor_clipped() -> None:
    (it,) = instances(box(points=(0.1, -5, 0.3, 90)))
    assert it.instance.box == (0.1, -5, 0.3 - 0.1, 95)


def test_an_inverted_rectangle_has_negative_sides_and_a_positive_area() -> None:
    (it,) = instances(box(points=(30, 20, 10, 10)))
    assert it.instance.box == (30, 20, -20, -10)
    assert it.instance.area == 200


def test_polylines_points_cuboids_and_tags_are_not_exported() -> None:
    kinds = (ShapeType.POLYLINE, ShapeType("points"), ShapeType.CUBOID)
    shapes = tuple(Shape(kind, 0, CAR.id, (1, 1, 5, 5, 9, 1)) for kind in kinds)
    want = expected_export(Annotations(shapes, tags=(Tag(0, CAR.id),)), [Frame("a.jpg", 10, 10)], [CAR])
    assert (want.content.instances, want.faults) == ((), ())


def test_grouped_boxes_become_one_box_with_the_label_of_the_largest() -> None:
    small, large = box(points=(0, 0, 5, 5), group=1), box(label=PERSON, points=(10, 10, 40, 40), group=1)
    (it,) = instances(small, large)
    assert (it.instance.box, it.instance.label, it.instance.area) == ((0, 0, 40, 40), "person", 1600)
    assert it.instance.outline == ((0, 0, 40, 0, 40, 40, 0, 40),)
    assert it.labels == {"person"}


def test_any_of_the_largest_boxes_of_a_group_may_give_the_label() -> None:
    (it,) = instances(box(group=1), box(label=PERSON, group=1))
    assert it.labels == {"car", "person"}
    assert not it.properties_certain


def test_a_group_with_a_polygon_has_its_outline_and_the_label_of_any_member() -> None:
    outline = (50, 50, 60, 50, 60, 60)
    (it,) = instances(box(group=2), polygon(*outline, label=PERSON, group=2))
    assert it.instance.outline == (outline,)
    assert it.instance.box == (10, 10, 50, 50)
    assert it.labels == {"car", "person"}


def test_shapes_of_one_group_on_two_frames_are_not_merged() -> None:
    assert len(instances(box(0, group=1), box(1, group=1))) == 2


def test_a_polyline_in_a_group_is_ignored() -> None:
    line = Shape(ShapeType.POLYLINE, 0, PERSON.id, (0, 0, 90, 70), group=1)
    (it,) = instances(box(group=1), line)
    assert it.instance.box == (10, 10, 20, 10)
    assert it.labels == {"car"}


def test_a_tracked_box_is_interpolated_and_stays_to_the_end_of_the_task() -> None:
    want = expected(tracks=(track(key(0, 0, 0, 10, 10), key(2, 10, 20, 30, 40)),), n=5)
    boxes = {e.instance.frame: e.instance.box for e in want.content.instances}
    assert boxes == {
        0: (0, 0, 10, 10),
        1: (5, 10, 15, 15),
        2: (10, 20, 20, 20),
        3: (10, 20, 20, 20),
        4: (10, 20, 20, 20),
    }


def test_an_outside_key_frame_is_exported_and_no_frame_after_it_until_the_next_one() -> None:
    keys = (key(0, 0, 0, 10, 10), key(2, 8, 8, 9, 9, outside=True), key(4, 1, 1, 2, 2))
    want = expected(tracks=(track(*keys),), n=6)
    boxes = {e.instance.frame: e.instance.box for e in want.content.instances}
    assert boxes == {0: (0, 0, 10, 10), 1: (0, 0, 10, 10), 2: (8, 8, 1, 1), 4: (1, 1, 1, 1), 5: (1, 1, 1, 1)}


def test_a_polygon_track_ends_with_its_last_key_frame_and_its_outline_is_uncertain() -> None:
    keys = tuple(TrackedShape(POLYGON, frame, (0, 0, 9, 0, 9, 9)) for frame in (0, 2))
    want = expected(tracks=(track(*keys),), n=5)
    assert [e.instance.frame for e in want.content.instances] == [0, 1, 2]
    assert not any(e.outline_certain for e in want.content.instances)


CROWD = AttributeSpec("is_crowd", InputType.CHECKBOX, "false", ("false",), id=7)
SCORE = AttributeSpec("score", InputType.NUMBER, "0.5", ("0", "1", "0.1"), id=8)
WITH_ATTRIBUTES = replace(CAR, attributes=(CROWD, SCORE))


def test_a_polygon_with_is_crowd_becomes_a_mask_and_a_box_does_not() -> None:
    ticked = (AttributeValue(7, "True"),)
    outline, rectangle = instances(
        polygon(10, 10, 20, 10, 20, 20, 10, 20, attributes=ticked), box(1, attributes=ticked), labels=(WITH_ATTRIBUTES,)
    )
    assert outline.instance.is_crowd
    assert isinstance(outline.instance.outline, Mask)
    assert sum(outline.instance.outline.runs) == 100 * 80
    assert sum(outline.instance.outline.runs[1::2]) == 100
    assert not rectangle.instance.is_crowd


def test_a_mask_that_starts_in_the_first_pixel_has_an_empty_first_run() -> None:
    (it,) = instances(
        polygon(0, 0, 20, 0, 20, 20, 0, 20, attributes=(AttributeValue(7, "true"),)), labels=(WITH_ATTRIBUTES,)
    )
    assert isinstance(it.instance.outline, Mask)
    assert it.instance.outline.runs[:2] == (0, 20)


def test_an_attribute_called_score_becomes_the_score_by_value_or_default() -> None:
    given, default = instances(box(attributes=(AttributeValue(8, "0.9"),)), box(1), labels=(WITH_ATTRIBUTES,))
    assert (given.instance.score, default.instance.score) == (0.9, 0.5)


def test_a_mutable_attribute_of_a_track_keeps_its_value_until_the_next_change() -> None:
    keys = (key(0, attributes=(AttributeValue(8, "0.9"),)), key(1), key(2, attributes=(AttributeValue(8, "0.1"),)))
    want = expected(tracks=(track(*keys),), labels=(WITH_ATTRIBUTES,))
    assert [e.instance.score for e in want.content.instances] == [0.9, 0.9, 0.1, 0.1]


@pytest.mark.parametrize(
    ("shape", "where", "what"),
    [
        (box(7, id=3), "frame 7, shape 3", "beyond the task"),
        (Shape(ShapeType("points"), 7, CAR.id, (1, 1), id=4), "frame 7, shape 4", "beyond the task"),
        (polygon(1, 1, 5, 5, frame=1, id=5), "frame 1 (1.jpg), shape 5", "polygon of 2 points"),
        (polygon(1, 1, 5, 5, 3, 3, 2, id=6), "frame 0 (0.jpg), shape 6", "polygon of 3.5 points"),
        (box(points=(0, 0, float("nan"), 1), id=7), "frame 0 (0.jpg), shape 7", "not a number"),
        (box(points=(0, 0, 1e9, 1), id=8), "frame 0 (0.jpg), shape 8", "beyond a million"),
        (box(label=Label("deleted", id=99), id=9), "frame 0 (0.jpg), shape 9", "label 99"),
    ],
)
def test_a_shape_on_which_the_export_fails_is_named_and_left_out(shape: Shape, where: str, what: str) -> None:
    want = expected(box(id=1), shape)
    (fault,) = want.faults
    assert (fault.where, fault.severity) == (where, Severity.ERROR)
    assert what in fault.message
    assert [e.origin for e in want.content.instances] == ["shape 1"]


def test_a_track_beyond_the_task_is_named_once_for_its_key_frame() -> None:
    want = expected(tracks=(track(key(2), key(6), id=5),))
    assert [fault.where for fault in want.faults] == ["frame 6, track 5"]
    assert [e.instance.frame for e in want.content.instances] == [2, 3]


def test_a_tag_beyond_the_task_is_named() -> None:
    want = expected_export(Annotations(tags=(Tag(9, CAR.id, id=2),)), [Frame("a.jpg", 10, 10)], [CAR])
    assert [fault.where for fault in want.faults] == ["frame 9, tag 2"]


def test_a_track_of_mixed_shape_types_is_named_and_its_key_frames_are_kept() -> None:
    keys = (key(0), TrackedShape(POLYGON, 2, (0, 0, 9, 0, 9, 9)))
    want = expected(tracks=(track(*keys, id=6),))
    assert "track 6" in str(want.faults[0])
    assert [e.instance.frame for e in want.content.instances] == [0, 2]


def test_a_score_that_is_not_a_number_is_none() -> None:
    want = expected(box(id=2, attributes=(AttributeValue(8, "much"),)), labels=(WITH_ATTRIBUTES,))
    assert want.content.instances[0].instance.score is None
