"""What a real CVAT 1.0.0 exported is what the annotations foretell (recordings; section 2 of the measured facts)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labelyard.annotations.comparison import compare
from labelyard.annotations.content import Rle, Severity
from labelyard.annotations.expected import Expected, expected
from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame
from labelyard.formats.coco.read import read_export
from tests.support.coco_exports import recorded_document, recording, zipped

CAR, PERSON = Label("car", id=131), Label("person", id=132)
RECTANGLE, POLYGON = ShapeType.RECTANGLE, ShapeType.POLYGON


def recorded_annotations() -> Annotations:
    body = recording("477-dump-prepare-annotations")["body_json"]
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
    return [Frame(**frame) for frame in recording("478-dump-prepare-meta")["body_json"]["frames"]]


def box(frame: int = 0, label: Label = CAR, points: tuple[float, ...] = (10, 10, 30, 20), **more: Any) -> Shape:
    return Shape(RECTANGLE, frame, label.id, points, **more)


def polygon(*points: float, frame: int = 0, label: Label = CAR, **more: Any) -> Shape:
    return Shape(POLYGON, frame, label.id, points, **more)


def foretold(
    *shapes: Shape, tracks: tuple[Track, ...] = (), labels: tuple[Label, ...] = (CAR, PERSON), n: int = 4
) -> Expected:
    return expected(Annotations(shapes, tracks), [Frame(f"{i}.jpg", 100, 80) for i in range(n)], labels)


def track(*keys: TrackedShape, **more: Any) -> Track:
    return Track(keys[0].frame, CAR.id, keys, **more)


def key(frame: int, *points: float, outside: bool = False, **more: Any) -> TrackedShape:
    return TrackedShape(RECTANGLE, frame, points or (0, 0, 10, 10), outside=outside, **more)


def test_the_recorded_export_is_foretold_in_every_number(zip_path: Path) -> None:
    want = expected(recorded_annotations(), recorded_frames(), [PERSON, CAR])
    document = recorded_document("488-dump-coco-download")
    assert not compare(want, read_export(zipped(document, zip_path)))
    assert [list(e.annotation.bbox) for e in want.annotations] == [a["bbox"] for a in document["annotations"]]
    assert [[list(p) for p in e.annotation.segmentation] for e in want.annotations] == [  # type: ignore[union-attr]
        a["segmentation"] for a in document["annotations"]
    ]
    assert [e.annotation.area for e in want.annotations][:5] == [a["area"] for a in document["annotations"]][:5]
    assert want.categories == ("car", "person")
    assert want.findings == ()


def test_a_later_export_with_one_box_more_is_not_what_the_earlier_annotations_foretell(zip_path: Path) -> None:
    want = expected(recorded_annotations(), recorded_frames(), [PERSON, CAR])
    found = read_export(zipped(recorded_document("504-dump-download-after-rename"), zip_path))
    difference = compare(want, found)
    assert difference.missing == ()
    assert difference.extra == ("z_10.jpg: person, box 49.5 x 29.5 at 10.5,20.5",)


def test_an_export_from_before_a_label_was_added_differs_in_its_categories(zip_path: Path) -> None:
    want = expected(
        Annotations((Shape(RECTANGLE, 0, 131, (10.5, 20.5, 60, 50)),)),
        recorded_frames(),
        [CAR, PERSON, Label("brandnew", id=140)],
    )
    stale = compare(want, read_export(zipped(recorded_document("599-dump-cache-after-label-download"), zip_path)))
    assert str(stale) == "the task has the labels car, person, brandnew; the file has car, person"


def test_a_task_without_annotations_holds_all_its_images(zip_path: Path) -> None:
    want = expected(Annotations(), recorded_frames(), [CAR, PERSON])
    assert not compare(want, read_export(zipped(recorded_document("537-dump-no-annotations-download"), zip_path)))
    assert len(want.images) == 7


def test_boxes_keep_their_floats_and_leave_the_image_unclipped() -> None:
    (it,) = foretold(box(points=(0.1, -5, 0.3, 90))).annotations
    assert it.annotation.bbox == (0.1, -5, 0.3 - 0.1, 95)


def test_an_inverted_rectangle_has_negative_sides_and_a_positive_area() -> None:
    (it,) = foretold(box(points=(30, 20, 10, 10))).annotations
    assert it.annotation.bbox == (30, 20, -20, -10)
    assert it.annotation.area == 200


def test_polylines_points_cuboids_and_tags_are_dropped() -> None:
    kinds = (ShapeType.POLYLINE, ShapeType.POINTS, ShapeType.CUBOID)
    shapes = tuple(Shape(kind, 0, CAR.id, (1, 1, 5, 5, 9, 1)) for kind in kinds)
    want = expected(Annotations(shapes, tags=(Tag(0, CAR.id),)), [Frame("a.jpg", 10, 10)], [CAR])
    assert (want.annotations, want.findings) == ((), ())


def test_grouped_boxes_become_one_with_the_label_of_the_larger() -> None:
    small, large = box(points=(0, 0, 5, 5), group=1), box(label=PERSON, points=(10, 10, 40, 40), group=1)
    (it,) = foretold(small, large).annotations
    assert (it.annotation.bbox, it.annotation.label, it.annotation.area) == ((0, 0, 40, 40), "person", 1600)
    assert it.annotation.segmentation == ((0, 0, 40, 0, 40, 40, 0, 40),)
    assert it.labels == {"person"}


def test_equal_boxes_of_a_group_leave_open_which_of_them_leads() -> None:
    (it,) = foretold(box(group=1), box(label=PERSON, group=1)).annotations
    assert it.labels == {"car", "person"}
    assert not it.leader


def test_a_group_with_a_polygon_keeps_only_its_outline_and_any_member_may_lead() -> None:
    outline = (50, 50, 60, 50, 60, 60)
    (it,) = foretold(box(group=2), polygon(*outline, label=PERSON, group=2)).annotations
    assert it.annotation.segmentation == (outline,)
    assert it.annotation.bbox == (10, 10, 50, 50)
    assert it.labels == {"car", "person"}


def test_the_same_group_number_on_two_frames_does_not_merge() -> None:
    assert len(foretold(box(0, group=1), box(1, group=1)).annotations) == 2


def test_a_polyline_in_a_group_counts_for_nothing() -> None:
    line = Shape(ShapeType.POLYLINE, 0, PERSON.id, (0, 0, 90, 70), group=1)
    (it,) = foretold(box(group=1), line).annotations
    assert it.annotation.bbox == (10, 10, 20, 10)
    assert it.labels == {"car"}


def test_a_box_of_a_track_moves_evenly_and_stays_to_the_end_of_the_task() -> None:
    want = foretold(tracks=(track(key(0, 0, 0, 10, 10), key(2, 10, 20, 30, 40)),), n=5)
    boxes = {e.annotation.frame: e.annotation.bbox for e in want.annotations}
    assert boxes == {
        0: (0, 0, 10, 10),
        1: (5, 10, 15, 15),
        2: (10, 20, 20, 20),
        3: (10, 20, 20, 20),
        4: (10, 20, 20, 20),
    }


def test_an_outside_key_frame_is_shown_itself_and_nothing_after_it_until_the_next() -> None:
    keys = (key(0, 0, 0, 10, 10), key(2, 8, 8, 9, 9, outside=True), key(4, 1, 1, 2, 2))
    want = foretold(tracks=(track(*keys),), n=6)
    boxes = {e.annotation.frame: e.annotation.bbox for e in want.annotations}
    assert boxes == {0: (0, 0, 10, 10), 1: (0, 0, 10, 10), 2: (8, 8, 1, 1), 4: (1, 1, 1, 1), 5: (1, 1, 1, 1)}


def test_a_polygon_track_ends_with_its_last_key_frame_and_its_outline_is_left_open() -> None:
    keys = tuple(TrackedShape(POLYGON, frame, (0, 0, 9, 0, 9, 9)) for frame in (0, 2))
    want = foretold(tracks=(track(*keys),), n=5)
    assert [e.annotation.frame for e in want.annotations] == [0, 1, 2]
    assert not any(e.outline for e in want.annotations)


CROWD = AttributeSpec("is_crowd", InputType.CHECKBOX, "false", ("false",), id=7)
SCORE = AttributeSpec("score", InputType.NUMBER, "0.5", ("0", "1", "0.1"), id=8)
JUDGED = replace(CAR, attributes=(CROWD, SCORE))


def test_a_polygon_ticked_is_crowd_becomes_run_lengths_and_a_box_does_not() -> None:
    ticked = (AttributeValue(7, "True"),)
    outline, rectangle = foretold(
        polygon(10, 10, 20, 10, 20, 20, 10, 20, attributes=ticked), box(1, attributes=ticked), labels=(JUDGED,)
    ).annotations
    assert outline.annotation.crowd
    assert isinstance(outline.annotation.segmentation, Rle)
    assert sum(outline.annotation.segmentation.counts) == 100 * 80
    assert sum(outline.annotation.segmentation.counts[1::2]) == 100
    assert not rectangle.annotation.crowd


def test_a_mask_that_starts_in_the_first_pixel_has_an_empty_first_run() -> None:
    (it,) = foretold(
        polygon(0, 0, 20, 0, 20, 20, 0, 20, attributes=(AttributeValue(7, "true"),)), labels=(JUDGED,)
    ).annotations
    assert isinstance(it.annotation.segmentation, Rle)
    assert it.annotation.segmentation.counts[:2] == (0, 20)


def test_an_attribute_called_score_becomes_one_by_value_or_default() -> None:
    given, default = foretold(box(attributes=(AttributeValue(8, "0.9"),)), box(1), labels=(JUDGED,)).annotations
    assert (given.annotation.score, default.annotation.score) == (0.9, 0.5)


def test_a_mutable_attribute_of_a_track_holds_until_its_next_change() -> None:
    keys = (key(0, attributes=(AttributeValue(8, "0.9"),)), key(1), key(2, attributes=(AttributeValue(8, "0.1"),)))
    want = foretold(tracks=(track(*keys),), labels=(JUDGED,))
    assert [e.annotation.score for e in want.annotations] == [0.9, 0.9, 0.1, 0.1]


@pytest.mark.parametrize(
    ("shape", "where", "what"),
    [
        (box(7, id=3), "frame 7, shape 3", "beyond the task"),
        (Shape(ShapeType.POINTS, 7, CAR.id, (1, 1), id=4), "frame 7, shape 4", "beyond the task"),
        (polygon(1, 1, 5, 5, frame=1, id=5), "frame 1 (1.jpg), shape 5", "polygon of 2 points"),
        (polygon(1, 1, 5, 5, 3, 3, 2, id=6), "frame 0 (0.jpg), shape 6", "polygon of 3.5 points"),
        (box(points=(0, 0, float("nan"), 1), id=7), "frame 0 (0.jpg), shape 7", "not a number"),
        (box(points=(0, 0, 1e9, 1), id=8), "frame 0 (0.jpg), shape 8", "beyond a million"),
        (box(label=Label("gone", id=99), id=9), "frame 0 (0.jpg), shape 9", "label 99"),
    ],
)
def test_what_cvat_would_fail_on_is_told_with_frame_and_shape_and_left_out(shape: Shape, where: str, what: str) -> None:
    want = foretold(box(id=1), shape)
    (finding,) = want.findings
    assert (finding.where, finding.gravity) == (where, Severity.REFUSE)
    assert what in finding.what
    assert [e.origin for e in want.annotations] == ["shape 1"]


def test_a_track_reaching_beyond_the_task_is_told_once_for_its_key_frame() -> None:
    want = foretold(tracks=(track(key(2), key(6), id=5),))
    assert [finding.where for finding in want.findings] == ["frame 6, track 5"]
    assert [e.annotation.frame for e in want.annotations] == [2, 3]


def test_a_tag_beyond_the_task_is_told_too() -> None:
    want = expected(Annotations(tags=(Tag(9, CAR.id, id=2),)), [Frame("a.jpg", 10, 10)], [CAR])
    assert [finding.where for finding in want.findings] == ["frame 9, tag 2"]


def test_a_track_of_mixed_kinds_is_told_and_its_key_frames_kept() -> None:
    keys = (key(0), TrackedShape(POLYGON, 2, (0, 0, 9, 0, 9, 9)))
    want = foretold(tracks=(track(*keys, id=6),))
    assert "track 6" in str(want.findings[0])
    assert [e.annotation.frame for e in want.annotations] == [0, 2]


def test_a_score_that_is_no_number_is_none() -> None:
    want = foretold(box(id=2, attributes=(AttributeValue(8, "much"),)), labels=(JUDGED,))
    assert want.annotations[0].annotation.score is None
