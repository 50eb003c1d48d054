"""Annotators: share and speed from the passport; and agreement where images were labelled twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelyard.errors import InputError
from labelyard.releases.report.agreement import find_agreement
from labelyard.releases.report.people import read_people
from tests.support.small_releases import box, contents, image, write_release


def passport(folder: Path, *lines: dict[str, Any]) -> Path:
    (folder / "passport.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def at(minute: int, second: int = 0) -> str:
    return f"2026-03-01T10:{minute:02d}:{second:02d}+00:00"


def test_speed_counts_the_time_of_work_without_pauses(tmp_path: Path) -> None:
    times = [at(0), at(1), at(2), at(40), at(41)]
    lines = [{"annotation": n, "image": 1, "job": n // 3, "annotator": 5, "at": time} for n, time in enumerate(times)]
    people = read_people(passport(tmp_path, {"image": 1, "batch": "b"}, *lines))
    assert people is not None
    (one,) = people.annotators
    assert (one.name, one.annotations, one.jobs, one.seconds, one.timed) == ("5", 5, 2, 180.0, 3)
    assert one.per_hour == 60


def test_a_time_without_zone_is_utc_on_every_machine(tmp_path: Path) -> None:
    lines = [
        {"annotation": n, "annotator": "a", "at": f"2026-03-01T10:0{n}:00{zone}"} for n, zone in enumerate(("", "Z"))
    ]
    people = read_people(passport(tmp_path, *lines))
    assert people is not None
    assert people.annotators[0].seconds == 60


def test_one_time_for_all_annotations_says_nothing_about_speed(tmp_path: Path) -> None:
    people = read_people(passport(tmp_path, *({"annotation": n, "annotator": "a", "at": at(0)} for n in range(9))))
    assert people is not None
    assert people.annotators[0].per_hour is None


@pytest.mark.parametrize("lines", [[], [{"image": 1}], [{"annotation": 1, "annotator": None}], [{"annotation": 1}]])
def test_a_passport_that_names_nobody_is_as_none(lines: list[dict[str, Any]], tmp_path: Path) -> None:
    assert read_people(passport(tmp_path, *lines)) is None
    assert read_people(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("line", ["", "no JSON", '{"annotation": "x"}', '{"annotation": 1, "at": "yesterday"}'])
def test_a_line_that_cannot_be_read_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "passport.jsonl").write_text(f'{{"annotation": 1, "annotator": "a"}}\n{line}\n')
    with pytest.raises(InputError, match="line 2 is no line of a passport"):
        read_people(tmp_path)


def test_without_double_work_there_is_no_agreement(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 1, 1, 9, 9, attributes={"job": 4})])
    assert find_agreement(contents(release), None) is None


def test_two_jobs_on_one_image_are_compared(tmp_path: Path) -> None:
    first = [box(1, "car", 1, 1, 20, 20), box(1, "person", 40, 1, 20, 20), box(1, "car", 1, 40, 20, 20)]
    second = [box(1, "car", 2, 1, 20, 20), box(1, "person", 70, 40, 20, 20)]
    boxes = [{**one, "attributes": {"job": job}} for job, some in ((4, first), (9, second)) for one in some]
    found = find_agreement(contents(write_release(tmp_path, [image(1)], boxes)), None)
    assert found is not None
    by_label = {name: (one.first, one.second, one.matched, one.matched_75) for name, one in found.labels}
    assert by_label == {"car": (2, 1, 1, 1), "person": (1, 1, 0, 0)}
    assert found.matched == pytest.approx(2 / 5)
    assert 0 < found.average_precision < found.average_precision_50 < 1


def test_two_images_of_the_same_content_are_compared(tmp_path: Path) -> None:
    images = [image(number, sha256="ab" * 32 if number < 3 else "cd" * 32) for number in (1, 2, 3)]
    boxes = [box(number, "car", 1, 1, 20, 20) for number in (1, 2, 3)]
    found = find_agreement(contents(write_release(tmp_path, images, boxes)), None)
    assert found is not None
    assert (found.images, found.matched, found.average_precision) == (1, 1.0, pytest.approx(1))


def test_the_jobs_of_the_passport_count(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 1, 1, 20, 20), box(1, "car", 1, 1, 20, 19)])
    columns = contents(release)
    lines = [{"annotation": int(number), "job": job, "annotator": job} for job, number in enumerate(columns.boxes.id)]
    found = find_agreement(columns, read_people(passport(release, *lines)))
    assert found is not None
    assert [(name, one.matched) for name, one in found.labels] == [("car", 1)]
