"""Comparing a file with annotations: equal content is equal in any order, and every change is found (hypothesis)."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labelyard.annotations.comparison import Difference, ExpectedImages, ExpectedInstance, compare
from labelyard.annotations.content import AnnotatedImages, Image, Instance
from labelyard.domain.annotations import Annotations, ShapeType
from labelyard.formats.coco.expected_export import expected_export
from labelyard.formats.coco.read import read_export
from tests.support.annotation_strategies import FRAMES, LABELS, annotated
from tests.support.coco_exports import as_export, zipped

EVERY_TRACK = [ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.POLYLINE]


def expected(annotations: Annotations) -> ExpectedImages:
    return expected_export(annotations, FRAMES, LABELS).content


def through_a_file(content: AnnotatedImages) -> AnnotatedImages:
    with tempfile.TemporaryDirectory() as folder:
        return read_export(zipped(as_export(content), Path(folder) / "export.zip"))


@given(annotated(tracks_of=EVERY_TRACK))
def test_a_file_with_the_expected_content_does_not_differ(annotations: Annotations) -> None:
    images = expected(annotations)
    assert not compare(images, through_a_file(images.likeliest))


@given(annotated(tracks_of=EVERY_TRACK), st.randoms(use_true_random=False))
def test_the_order_of_shapes_and_instances_does_not_matter(annotations: Annotations, chance: random.Random) -> None:
    other_order = expected(shuffled(annotations, chance)).likeliest
    found = list(other_order.instances)
    chance.shuffle(found)
    assert not compare(expected(annotations), replace(other_order, instances=tuple(found)))


@given(annotated(tracks_of=EVERY_TRACK), st.data())
def test_a_missing_instance_is_found(annotations: Annotations, data: st.DataObject) -> None:
    images = expected(annotations)
    index = data.draw(index_of(images.instances))
    found = list(images.likeliest.instances)
    del found[index]
    difference = compare(images, replace(images.likeliest, instances=tuple(found)))
    assert (len(difference.missing), len(difference.extra)) == (1, 0)


@given(annotated(tracks_of=EVERY_TRACK), st.data())
def test_an_extra_instance_is_found(annotations: Annotations, data: st.DataObject) -> None:
    images = expected(annotations)
    found = images.likeliest
    again = found.instances[data.draw(index_of(images.instances))]
    difference = compare(images, replace(found, instances=(*found.instances, again)))
    assert (len(difference.missing), len(difference.extra)) == (0, 1)


@given(annotated(), st.data(), st.sampled_from(["frame", "label", "box", "outline", "score", "crowd"]))
def test_a_changed_instance_is_found(annotations: Annotations, data: st.DataObject, what: str) -> None:
    images = expected(annotations)
    index = data.draw(index_of(images.instances))
    assume(images.instances[index].properties_certain)
    found = list(images.likeliest.instances)
    found[index] = changed(found[index], what)
    difference = compare(images, replace(images.likeliest, instances=tuple(found)))
    assert (len(difference.missing), len(difference.extra)) == (1, 1)


def changed(instance: Instance, what: str) -> Instance:
    x, y, width, height = instance.box
    if what == "frame":
        return replace(instance, frame=(instance.frame + 1) % len(FRAMES), box=(x + 1000, y, width, height))
    if what == "label":
        return replace(instance, label="another label")
    if what == "score":
        return replace(instance, score=0.123)
    if what == "crowd":
        return replace(instance, is_crowd=not instance.is_crowd)
    if what == "box" or not isinstance(instance.outline, tuple):
        return replace(instance, box=(x, y, width, height + 1000))
    first, *rest = instance.outline
    return replace(instance, outline=((first[0] - 1000, *first[1:]), *rest))


def index_of(instances: tuple[ExpectedInstance, ...]) -> st.SearchStrategy[int]:
    assume(instances)
    return st.integers(0, len(instances) - 1)


def shuffled(annotations: Annotations, chance: random.Random) -> Annotations:
    shapes, tracks = list(annotations.shapes), list(annotations.tracks)
    chance.shuffle(shapes)
    chance.shuffle(tracks)
    return Annotations(tuple(shapes), tuple(tracks), annotations.tags)


SQUARE = ((0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0),)
IMAGES = (Image("a.jpg", 9, 9), Image("b.jpg", 9, 9))
LABEL_NAMES = ("car", "person", "tree")


def square(label: str, *, frame: int = 0, x: float = 0.0) -> Instance:
    return Instance(frame, label, (x, 0, 4, 4), SQUARE, 16)


def expecting(*instances: ExpectedInstance) -> ExpectedImages:
    return ExpectedImages(IMAGES, LABEL_NAMES, instances)


def holding(*instances: Instance) -> AnnotatedImages:
    return AnnotatedImages(IMAGES, LABEL_NAMES, instances)


def one_of(*labels: str) -> ExpectedInstance:
    return ExpectedInstance(square(labels[0]), frozenset(labels), properties_certain=False)


def test_uncertain_labels_are_matched_so_that_most_instances_fit() -> None:
    images = expecting(one_of("car", "person", "tree"), one_of("car", "person"), one_of("car", "tree"))
    for labels in (["car", "person", "tree"], ["person", "tree", "car"], ["person", "car", "tree"]):
        assert not compare(images, holding(*map(square, labels)))


def test_an_uncertain_label_is_still_one_of_the_possible_ones() -> None:
    difference = compare(expecting(one_of("car", "person")), holding(square("tree")))
    assert difference.missing == ("a.jpg: car or person, box 4 x 4 at 0,0",)
    assert difference.extra == ("a.jpg: tree, box 4 x 4 at 0,0",)


@pytest.mark.parametrize(("off", "same"), [(0.009, True), (0.0051, True), (0.02, False)])
def test_coordinates_may_differ_by_a_hundredth_of_a_pixel_across_any_rounding(off: float, same: bool) -> None:
    images = expecting(ExpectedInstance(square("car", x=0.1249), frozenset({"car"})))
    assert bool(compare(images, holding(square("car", x=0.1249 + off)))) is not same


def test_ten_thousand_equal_boxes_are_compared_quickly() -> None:
    many = [square("car")] * 10_000
    images = expecting(*(ExpectedInstance(one, frozenset({"car"})) for one in many))
    assert compare(images, holding(*many[1:])).missing == ("a.jpg: car, box 4 x 4 at 0,0",)


def test_missing_and_unknown_images_are_named() -> None:
    found = replace(holding(), images=(Image("a.jpg", 9, 9), Image("c.jpg", 9, 9)))
    assert str(compare(expecting(), found)) == (
        "the file lacks the image b.jpg\nthe file has an image c.jpg that the task does not have"
    )


def test_images_in_another_order_or_size_are_named_with_their_frame() -> None:
    found = replace(holding(), images=(Image("a.jpg", 9, 9), Image("b.jpg", 8, 9)))
    assert str(compare(expecting(), found)) == "frame 1 is b.jpg (9 x 9) in the task, b.jpg (8 x 9) in the file"


def test_an_instance_on_an_unknown_image_is_named_with_its_frame() -> None:
    assert compare(expecting(), holding(square("car", frame=7))).extra == ("frame 7: car, box 4 x 4 at 0,0",)


def test_the_text_of_a_long_difference_is_cut_and_its_values_are_complete() -> None:
    difference = Difference(missing=tuple(f"m{n}" for n in range(50)))
    assert str(difference).splitlines()[-1] == "… and 30 more"
    assert len(difference.missing) == 50


def test_no_difference_is_false_and_has_no_text() -> None:
    assert not Difference()
    assert str(Difference()) == ""
