"""What a bot draws depends on its seed, its name, the frame and its care."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from labelyard.demo.bots import Bot, draw, draw_boxes, known_photograph, parse_bot
from labelyard.demo.photographs import labels, photographs
from labelyard.domain.annotations import Annotations, Shape, ShapeType
from labelyard.domain.labels import Label
from labelyard.domain.naming import upload_names
from labelyard.domain.tasks import Frame
from labelyard.errors import InputError
from tests.support.labels_of_every_kind import BODY, NEW_LABELS, with_ids

LABELS = [Label(name, id=100 + n) for n, name in enumerate(labels())]
ANNA = Bot("anna", SecretStr("pass"), care=0.5)
PERFECT = replace(ANNA, care=1.0)


def frame(name: str, upload_name: str = "") -> Frame:
    photograph = photographs()[name]
    return Frame(upload_name or f"{name}.jpg", photograph.width, photograph.height)


def test_full_care_draws_the_ground_truth() -> None:
    by_id = {label.id: label.name for label in LABELS}
    for name, photograph in photographs().items():
        drawn = [(by_id[shape.label_id], shape.points) for shape in draw_boxes(PERFECT, frame(name), 3, LABELS)]
        assert drawn == [(box.label, (box.left, box.top, box.right, box.bottom)) for box in photograph.boxes]


def test_the_same_bot_draws_the_same_again_and_another_one_does_not() -> None:
    it = frame("coins-1")
    assert draw_boxes(ANNA, it, 0, LABELS) == draw_boxes(ANNA, it, 0, LABELS)
    assert draw_boxes(ANNA, it, 0, LABELS) != draw_boxes(replace(ANNA, name="ben"), it, 0, LABELS)
    assert draw_boxes(ANNA, it, 0, LABELS) != draw_boxes(replace(ANNA, seed=1), it, 0, LABELS)


def test_less_care_means_more_missed_and_mislabelled_boxes() -> None:
    careless, careful = (
        [
            draw_boxes(replace(ANNA, care=care, seed=seed), frame(name), 0, LABELS)
            for name in photographs()
            for seed in range(20)
        ]
        for care in (0.0, 0.9)
    )
    assert sum(map(len, careless)) < sum(map(len, careful)) < 106 * 20


@given(care=st.floats(0, 1), seed=st.integers(0, 999), name=st.sampled_from(list(photographs())))
def test_every_box_drawn_lies_inside_its_image_and_is_a_pixel_or_larger(care: float, seed: int, name: str) -> None:
    it = frame(name)
    for shape in draw_boxes(replace(ANNA, care=care, seed=seed), it, 0, LABELS):
        left, top, right, bottom = shape.points
        assert 0 <= left <= right - 0.99 <= it.width
        assert 0 <= top <= bottom - 0.99 <= it.height
        assert right <= it.width
        assert bottom <= it.height


def test_a_photograph_is_recognised_by_every_upload_name() -> None:
    for name, photograph in photographs().items():
        upload, *_ = upload_names([f"cam1/{name}.jpg", f"cam2/{name}.jpg"])
        assert upload != f"{name}.jpg"
        assert known_photograph(frame(name, upload)) is photograph
        assert known_photograph(frame(name, f"{name}.jpg")) is photograph


def test_a_photograph_named_by_its_subject_is_recognised_by_its_size() -> None:
    uploads = upload_names([f"cam{n}/cat.jpg" for n in (1, 2, 3)])
    assert len(set(uploads)) == 3
    for n, upload in enumerate(uploads, start=1):
        assert known_photograph(frame(f"cat-{n}", upload)) is photographs()[f"cat-{n}"]


@pytest.mark.parametrize("name", ["cat-10.jpg", "cat-.jpg", "mycat-1.jpg", "cat-1x.jpg", "-.jpg", ""])
def test_another_name_is_another_image(name: str) -> None:
    assert known_photograph(frame("cat-1", name) if name else replace(frame("cat-1"), name="")) is None


def test_an_image_of_a_known_name_and_another_size_is_another_image() -> None:
    assert known_photograph(replace(frame("cat-1"), width=10)) is None


def test_an_image_never_seen_gets_one_box_in_the_middle() -> None:
    (shape,) = draw_boxes(PERFECT, Frame("holiday.png", 200, 100), 4, LABELS)
    assert (shape.frame, shape.points) == (4, (50, 25, 150, 75))


def test_an_object_whose_label_the_task_lacks_stays_undrawn() -> None:
    assert draw_boxes(PERFECT, frame("cat-1"), 0, [Label("nothing of the kind", id=1)]) == []
    assert draw_boxes(PERFECT, frame("cat-1"), 0, []) == []


FRAMES = [frame(name) for name in list(photographs())[:4]]
V1_KINDS = {ShapeType.RECTANGLE, ShapeType.POLYGON, ShapeType.POLYLINE, ShapeType.POINTS, ShapeType.CUBOID}


def job(family: str, frames: list[Frame] = FRAMES, bot: Bot = ANNA) -> list[Annotations]:
    """Return what a bot draws on each frame of a job."""
    labels = with_ids((*NEW_LABELS, BODY) if family == "v2" else NEW_LABELS)
    return [draw(bot, frames, n, range(len(frames)), labels, family) for n in range(len(frames))]


@pytest.mark.parametrize(("family", "kinds"), [("v1", V1_KINDS), ("v2", set(ShapeType))])
def test_every_frame_gets_every_kind_that_the_server_has(family: str, kinds: set[ShapeType]) -> None:
    for n, found in enumerate(job(family)):
        assert {shape.type for shape in found.shapes} == kinds
        assert [tag.frame for tag in found.tags] == [n]
        assert sum(shape.group != 0 for shape in found.shapes) == 2
    assert any(shape.rotation for shape in job(family)[0].shapes) == (family == "v2")
    assert any(shape.occluded for found in job(family) for shape in found.shapes)
    assert job(family) == job(family) != job(family, bot=replace(ANNA, seed=1))


def test_the_tracks_of_a_job_begin_on_its_first_frame_and_are_outside_on_its_last() -> None:
    first, *others = job("v1")
    assert [track.shapes[0].type for track in first.tracks] == [ShapeType.RECTANGLE, ShapeType.POLYGON]
    assert not any(found.tracks for found in others)
    for track in first.tracks:
        assert [(key.frame, key.outside) for key in track.shapes] == [(0, False), (2, False), (3, True)]
    assert all(key.attributes for key in first.tracks[0].shapes)
    two = job("v1", FRAMES[:2])[0].tracks
    assert [[(key.frame, key.outside) for key in track.shapes] for track in two] == [[(0, False), (1, True)]] * 2
    assert job("v1", FRAMES[:1])[0].tracks == ()


@pytest.mark.parametrize("family", ["v1", "v2"])
def test_everything_drawn_lies_inside_its_image(family: str) -> None:
    frames = [frame(name) for name in photographs()]
    for found in job(family, frames):
        for shape in found.shapes:
            assert_inside(shape, frames[shape.frame])
        for key in (key for track in found.tracks for key in track.shapes):
            assert max(key.points[::2]) <= min(one.width for one in frames)
            assert max(key.points[1::2]) <= min(one.height for one in frames)


def assert_inside(shape: Shape, image: Frame) -> None:
    points = shape.points[-4:] if shape.type is ShapeType.MASK else shape.points
    for one in (points, *(element.points for element in shape.elements)):
        assert all(0 <= x <= image.width for x in one[::2])
        assert all(0 <= y <= image.height for y in one[1::2])


def test_an_image_never_seen_gets_nothing_but_its_box() -> None:
    (found,) = job("v2", [Frame("holiday.png", 200, 100)])
    assert (len(found.shapes), found.tags, found.tracks) == (1, (), ())


def test_a_skeleton_is_never_drawn_as_a_box() -> None:
    labels = with_ids((BODY, Label("cat")))
    for seed in range(50):
        boxes = draw_boxes(replace(ANNA, care=0.0, seed=seed), frame("cat-1"), 0, labels)
        assert {shape.label_id for shape in boxes} <= {labels[1].id}


def test_a_bot_is_read_from_its_argument() -> None:
    bot = parse_bot("ben:secret:0.25:0.75", seed=3)
    assert bot == Bot("ben", SecretStr("secret"), 0.25, 0.75, 3)
    assert parse_bot("ben:secret") == Bot("ben", SecretStr("secret"), 1.0, 0.9)


@pytest.mark.parametrize(
    "text", ["ben", "ben:", ":secret", "ben:secret:fast", "ben:secret:-1", "ben:secret:1:2", "b:s:1:1:1", ""]
)
def test_a_wrong_argument_is_reported_without_the_password(text: str) -> None:
    with pytest.raises(InputError, match="write NAME:PASSWORD") as reported:
        parse_bot(text)
    assert "secret" not in str(reported.value)


def test_the_password_is_not_shown_with_the_bot() -> None:
    assert "secret" not in repr(parse_bot("ben:secret"))
