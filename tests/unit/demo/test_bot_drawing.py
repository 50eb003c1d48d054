"""What a bot draws depends on its seed, its name, the frame and its care."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from labelyard.demo.bots import Bot, draw, known_photograph, parse_bot
from labelyard.demo.photographs import labels, photographs
from labelyard.domain.labels import Label
from labelyard.domain.naming import upload_names
from labelyard.domain.tasks import Frame
from labelyard.errors import InputError

LABELS = [Label(name, id=100 + n) for n, name in enumerate(labels())]
ANNA = Bot("anna", SecretStr("pass"), care=0.5)
PERFECT = replace(ANNA, care=1.0)


def frame(name: str, upload_name: str = "") -> Frame:
    photograph = photographs()[name]
    return Frame(upload_name or f"{name}.jpg", photograph.width, photograph.height)


def test_full_care_draws_the_ground_truth() -> None:
    by_id = {label.id: label.name for label in LABELS}
    for name, photograph in photographs().items():
        drawn = [(by_id[shape.label_id], shape.points) for shape in draw(PERFECT, frame(name), 3, LABELS)]
        assert drawn == [(box.label, (box.left, box.top, box.right, box.bottom)) for box in photograph.boxes]


def test_the_same_bot_draws_the_same_again_and_another_one_does_not() -> None:
    it = frame("coins-1")
    assert draw(ANNA, it, 0, LABELS) == draw(ANNA, it, 0, LABELS)
    assert draw(ANNA, it, 0, LABELS) != draw(replace(ANNA, name="ben"), it, 0, LABELS)
    assert draw(ANNA, it, 0, LABELS) != draw(replace(ANNA, seed=1), it, 0, LABELS)


def test_less_care_means_more_missed_and_mislabelled_boxes() -> None:
    careless, careful = (
        [
            draw(replace(ANNA, care=care, seed=seed), frame(name), 0, LABELS)
            for name in photographs()
            for seed in range(20)
        ]
        for care in (0.0, 0.9)
    )
    assert sum(map(len, careless)) < sum(map(len, careful)) < 106 * 20


@given(care=st.floats(0, 1), seed=st.integers(0, 999), name=st.sampled_from(list(photographs())))
def test_every_box_drawn_lies_inside_its_image_and_is_a_pixel_or_larger(care: float, seed: int, name: str) -> None:
    it = frame(name)
    for shape in draw(replace(ANNA, care=care, seed=seed), it, 0, LABELS):
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
    (shape,) = draw(PERFECT, Frame("holiday.png", 200, 100), 4, LABELS)
    assert (shape.frame, shape.points) == (4, (50, 25, 150, 75))


def test_an_object_whose_label_the_task_lacks_stays_undrawn() -> None:
    assert draw(PERFECT, frame("cat-1"), 0, [Label("nothing of the kind", id=1)]) == []
    assert draw(PERFECT, frame("cat-1"), 0, []) == []


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
