"""A file that holds what the annotations say is found equal, and one that does not, never (hypothesis)."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labelyard.annotations.comparison import Difference, compare
from labelyard.annotations.content import Annotation, CocoContent, Image
from labelyard.annotations.expected import Expectation, Expected, expected
from labelyard.domain.annotations import Annotations, ShapeType
from labelyard.domain.objects import StoredObject
from labelyard.formats.coco.read import read_export
from labelyard.formats.coco.write import Original, Provenance, Source, write_dataset
from tests.support.annotation_strategies import FRAMES, LABELS, annotated
from tests.support.coco_exports import as_export, zipped

EVERY_TRACK = [ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.POLYLINE]


def foretold(annotations: Annotations) -> Expected:
    return expected(annotations, FRAMES, LABELS)


def through_a_file(content: CocoContent) -> CocoContent:
    with tempfile.TemporaryDirectory() as folder:
        return read_export(zipped(as_export(content), Path(folder) / "export.zip"))


def digest(content: CocoContent) -> str:
    files = {one.name: Original(StoredObject("b", f"cam/{one.name}", "e"), n) for n, one in enumerate(FRAMES)}
    numbers = {label.name: number for number, label in enumerate(LABELS, 1)}
    with tempfile.TemporaryDirectory() as folder:
        said = Provenance("d", 1, "d-1", 1, 1, Source.API)
        return write_dataset(content, files, numbers, said, Path(folder) / "d.json").sha256


@given(annotated(tracks_of=EVERY_TRACK))
def test_a_file_written_and_read_is_what_was_expected(annotations: Annotations) -> None:
    want = foretold(annotations)
    assert not compare(want, through_a_file(want.content))


@given(annotated(tracks_of=EVERY_TRACK), st.randoms(use_true_random=False))
def test_neither_the_order_of_shapes_nor_of_the_file_matters(annotations: Annotations, chance: random.Random) -> None:
    want = foretold(annotations)
    turned = foretold(_shuffled(annotations, chance))
    found = list(turned.content.annotations)
    chance.shuffle(found)
    assert not compare(want, replace(turned.content, annotations=tuple(found)))


@given(annotated(groups=0), st.randoms(use_true_random=False))
def test_what_is_certain_gives_the_same_bytes_in_any_order_and_from_any_jobs(
    annotations: Annotations, chance: random.Random
) -> None:
    want = foretold(annotations)
    jobs = [
        Annotations(tuple(s for s in annotations.shapes if s.frame % 2 == half), annotations.tracks if half else ())
        for half in (1, 0)
    ]
    merged = Annotations(jobs[0].shapes + jobs[1].shapes, jobs[0].tracks)
    assert (
        digest(want.content) == digest(foretold(merged).content) == digest(foretold(_shuffled(merged, chance)).content)
    )


@given(annotated(tracks_of=EVERY_TRACK), st.data())
def test_an_annotation_that_is_missing_is_found(annotations: Annotations, data: st.DataObject) -> None:
    want = foretold(annotations)
    at = data.draw(_index(want.annotations))
    found = list(want.content.annotations)
    del found[at]
    difference = compare(want, replace(want.content, annotations=tuple(found)))
    assert (len(difference.missing), len(difference.extra)) == (1, 0)


@given(annotated(tracks_of=EVERY_TRACK), st.data())
def test_an_annotation_too_much_is_found(annotations: Annotations, data: st.DataObject) -> None:
    want = foretold(annotations)
    again = want.content.annotations[data.draw(_index(want.annotations))]
    difference = compare(want, replace(want.content, annotations=(*want.content.annotations, again)))
    assert (len(difference.missing), len(difference.extra)) == (0, 1)


@given(annotated(), st.data(), st.sampled_from(["frame", "label", "box", "outline", "score", "crowd"]))
def test_an_annotation_that_changed_is_found(annotations: Annotations, data: st.DataObject, what: str) -> None:
    want = foretold(annotations)
    at = data.draw(_index(want.annotations))
    assume(want.annotations[at].leader)
    found = list(want.content.annotations)
    found[at] = changed(found[at], what)
    difference = compare(want, replace(want.content, annotations=tuple(found)))
    assert (len(difference.missing), len(difference.extra)) == (1, 1)


def changed(it: Annotation, what: str) -> Annotation:
    x, y, width, height = it.bbox
    if what == "frame":
        return replace(it, frame=(it.frame + 1) % len(FRAMES), bbox=(x + 1000, y, width, height))
    if what == "label":
        return replace(it, label="nobody's label")
    if what == "score":
        return replace(it, score=0.123)
    if what == "crowd":
        return replace(it, crowd=not it.crowd)
    if what == "box" or not isinstance(it.segmentation, tuple):
        return replace(it, bbox=(x, y, width, height + 1000))
    first, *rest = it.segmentation
    return replace(it, segmentation=((first[0] - 1000, *first[1:]), *rest))


def _index(annotations: tuple[Expectation, ...]) -> st.SearchStrategy[int]:
    assume(annotations)
    return st.integers(0, len(annotations) - 1)


def _shuffled(annotations: Annotations, chance: random.Random) -> Annotations:
    shapes, tracks = list(annotations.shapes), list(annotations.tracks)
    chance.shuffle(shapes)
    chance.shuffle(tracks)
    return Annotations(tuple(shapes), tuple(tracks), annotations.tags)


BOX = ((0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0),)


def one(label: str, *, frame: int = 0, x: float = 0.0) -> Annotation:
    return Annotation(frame, label, (x, 0, 4, 4), BOX, 16)


def of(*expectations: Expectation) -> Expected:
    return Expected((Image("a.jpg", 9, 9), Image("b.jpg", 9, 9)), ("car", "person", "tree"), expectations, ())


def holding(*annotations: Annotation) -> CocoContent:
    return CocoContent((Image("a.jpg", 9, 9), Image("b.jpg", 9, 9)), ("car", "person", "tree"), annotations)


def may_be(*labels: str) -> Expectation:
    return Expectation(one(labels[0]), frozenset(labels), leader=False)


def test_open_leaders_are_given_the_labels_that_leave_most_places() -> None:
    want = of(may_be("car", "person", "tree"), may_be("car", "person"), may_be("car", "tree"))
    for labels in (["car", "person", "tree"], ["person", "tree", "car"], ["person", "car", "tree"]):
        assert not compare(want, holding(*map(one, labels)))


def test_an_open_leader_is_still_one_of_the_members() -> None:
    difference = compare(of(may_be("car", "person")), holding(one("tree")))
    assert difference.missing == ("a.jpg: car or person, box 4 x 4 at 0,0",)
    assert difference.extra == ("a.jpg: tree, box 4 x 4 at 0,0",)


@pytest.mark.parametrize(("off", "same"), [(0.009, True), (0.0051, True), (0.02, False)])
def test_coordinates_may_differ_by_a_hundredth_of_a_pixel_across_any_rounding(off: float, same: bool) -> None:
    want = of(Expectation(one("car", x=0.1249), frozenset({"car"})))
    assert bool(compare(want, holding(one("car", x=0.1249 + off)))) is not same


def test_ten_thousand_equal_boxes_are_compared_in_no_time() -> None:
    many = [one("car")] * 10_000
    want = of(*(Expectation(it, frozenset({"car"})) for it in many))
    assert compare(want, holding(*many[1:])).missing == ("a.jpg: car, box 4 x 4 at 0,0",)


def test_an_image_that_is_missing_or_strange_is_told_by_name() -> None:
    found = replace(holding(), images=(Image("a.jpg", 9, 9), Image("c.jpg", 9, 9)))
    assert str(compare(of(), found)) == (
        "the file lacks the image b.jpg\nthe file has an image c.jpg that the task does not have"
    )


def test_images_in_another_order_or_size_are_told_by_frame() -> None:
    found = replace(holding(), images=(Image("a.jpg", 9, 9), Image("b.jpg", 8, 9)))
    assert str(compare(of(), found)) == "frame 1 is b.jpg (9 x 9) in the task, b.jpg (8 x 9) in the file"


def test_an_annotation_on_an_image_nobody_knows_is_told_all_the_same() -> None:
    assert compare(of(), holding(one("car", frame=7))).extra == ("frame 7: car, box 4 x 4 at 0,0",)


def test_a_long_difference_is_cut_in_words_and_whole_in_values() -> None:
    difference = Difference(missing=tuple(f"m{n}" for n in range(50)))
    assert str(difference).splitlines()[-1] == "… and 30 more"
    assert len(difference.missing) == 50


def test_no_difference_is_false_and_says_nothing() -> None:
    assert not Difference()
    assert str(Difference()) == ""
