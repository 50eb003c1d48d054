"""Doubtful annotations: each kind is found where it is, with its reason, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labelyard.releases.lines import items
from labelyard.releases.manifest import instances_path
from labelyard.releases.report.doubts import DoubtKind, find_doubts
from tests.support.small_releases import box, contents, image, write_release

USUAL = [box(on, "car", 10.0 + on, 10, 20, 15 + on % 3) for on in range(1, 31)]


def doubts(tmp_path: Path, *boxes: dict[str, Any], images: list[dict[str, Any]] | None = None) -> dict[str, DoubtKind]:
    release = write_release(tmp_path, images or [image(number) for number in range(1, 31)], [*USUAL, *boxes])
    return {kind.title: kind for kind in find_doubts(contents(release), 6)}


def test_ordinary_boxes_are_not_doubtful(tmp_path: Path) -> None:
    assert doubts(tmp_path) == {}


@pytest.mark.parametrize(
    ("doubtful", "title", "reason"),
    [
        (box(1, "person", 90, 10, 30, 20), "Outside of the image", "20 px beyond the image"),
        (box(1, "person", -4, 10, 30, 20), "Outside of the image", "4 px beyond the image"),
        (box(1, "person", 200, 10, 30, 20), "Outside of the image", "it is wholly outside of the image"),
        (box(1, "car", 11, 10, 20, 16.5), "The same box twice", "two boxes, IoU 0.97"),
        (box(1, "person", 11, 10, 20, 16.5), "Two labels on one object", "two boxes, IoU 0.97"),
        (box(1, "person", 50, 50, 3, 6), "Tiny boxes", "3 \u00d7 6 px"),
        (box(1, "car", 5, 50, 90, 4.5), "Long and thin", "20 : 1; for this label 1.2 : 1 is usual"),
        (box(1, "car", 1, 1, 98, 78), "Nearly the whole image", "96% of the image; for this label 4.0% is usual"),
        (box(1, "person", 50, 79, 20, 1), "Slivers at the edge", "20 \u00d7 1 px at the edge"),
        (box(1, "person", 50, 50, 20, 20, score=0.125), "Low scores", "score 0.12"),
        (box(1, "person", 50, 50, 20, 20, attributes={"score": 0.25}), "Low scores", "score 0.25"),
    ],
)
def test_a_doubtful_box_is_found_with_its_reason(
    doubtful: dict[str, Any], title: str, reason: str, tmp_path: Path
) -> None:
    found = doubts(tmp_path, doubtful)
    assert found[title].count == 1
    shown = [example.reason for kind in found.values() for example in kind.examples]
    assert reason in shown or (title == "Slivers at the edge" and found[title].above == 1)


def test_a_box_of_unusual_size_for_its_label_is_found(tmp_path: Path) -> None:
    assert doubts(tmp_path, box(2, "car", 60, 50, 30, 29)) == {}  # 2.7 times the median
    images = [image(number, 1000, 800) for number in range(1, 31)]
    found = doubts(tmp_path / "large", box(2, "car", 60, 50, 200, 200), images=images)
    assert [one.reason for one in found["Of unusual size for the label"].examples] == [
        "125 times the usual area of its label"
    ]


def test_an_image_of_unlike_size_is_found(tmp_path: Path) -> None:
    images = [*(image(number) for number in range(1, 31)), image(31, 20, 16)]
    found = doubts(tmp_path, images=images)["Images of unlike size"]
    assert [(one.reason, one.rows) for one in found.examples] == [("20 \u00d7 16 px; 0.008 megapixels are usual", ())]


def test_a_pole_among_poles_is_not_long_and_thin(tmp_path: Path) -> None:
    poles = [box(on, "person", 50, 2, 5, 70 + on % 5) for on in range(1, 31)]
    assert "Long and thin" not in doubts(tmp_path, *poles)


def test_a_box_without_area_is_named_though_other_figures_leave_it_out(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 1, 1, 9, 9)])
    path = release / instances_path("train")
    path.write_bytes(path.read_bytes().replace(b'"bbox":[1,1,9,9]', b'"bbox":[1,1,0,9]'))
    assert b'"bbox":[1,1,0,9]' in next(item for part, item in items(path) if part == "annotations")
    found = find_doubts(contents(release), 6)
    assert [(kind.title, kind.count, kind.examples[0].reason) for kind in found] == [
        ("No usable box", 1, "box 1, 1, 0, 9")
    ]


def test_one_image_does_not_hide_the_others(tmp_path: Path) -> None:
    worst = [box(1, "person", 10.0 * number, 50, 1, 1 + number / 10) for number in range(1, 9)]
    found = doubts(tmp_path, *worst, box(2, "person", 50, 50, 3, 3.5))["Tiny boxes"]
    assert (found.count, len(found.examples), found.more) == (9, 3, 6)


def test_the_order_of_the_source_does_not_matter(tmp_path: Path) -> None:
    boxes = [box(on, "person", 50, 50, 2, 2) for on in range(1, 20)]
    one, two = doubts(tmp_path / "one", *boxes), doubts(tmp_path / "two", *reversed(boxes))
    assert [(e.image, e.reason) for e in one["Tiny boxes"].examples] == [
        (e.image, e.reason) for e in two["Tiny boxes"].examples
    ]
