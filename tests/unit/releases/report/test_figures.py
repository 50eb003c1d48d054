"""Figures of a report: the same as a slow and simple computation gives."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelyard.errors import InputError
from labelyard.releases.lines import items
from labelyard.releases.manifest import instances_path, read_manifest
from labelyard.releases.report import figures, main_figures, markdown
from labelyard.releases.report.attributes import MOST_VALUES, AttributeCounts
from labelyard.releases.report.overlaps import same_boxes
from labelyard.releases.report.reading import Contents
from labelyard.releases.report.summary import all_warnings
from tests.support.examples import examples
from tests.support.small_releases import THREE_SPLITS, box, contents, image, write_release

LABELS = ("car", "person", "dog")
sizes = st.sampled_from([(100, 80), (80, 100), (640, 480)])
sides = st.integers(1, 60).map(float) | st.sampled_from([0.5, 59.5])


@st.composite
def releases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Images and boxes; boxes often share a corner, so that some overlap almost wholly."""
    count = draw(st.integers(0, 6))
    images = [image(number, *draw(sizes)) for number in range(1, count + 1)]
    if not images:
        return [], []
    corner = st.sampled_from([0.0, 1.0, 2.5, 20.0])
    boxes = draw(
        st.lists(
            st.builds(
                lambda on, label, x, y, width, height, kind: box(
                    on, label, x, y, width, height, attributes={"kind": kind}
                ),
                st.integers(1, count),
                st.sampled_from(LABELS),
                corner,
                corner,
                sides,
                sides,
                st.sampled_from(["a", "b", 3, True]),
            ),
            max_size=14,
        )
    )
    return images, boxes


@given(releases())
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=examples(40))
def test_the_figures_are_those_of_a_slow_computation(found: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    images, boxes = found
    with tempfile.TemporaryDirectory() as folder:
        release = write_release(Path(folder), images, boxes, labels=LABELS, rule=THREE_SPLITS)
        split_of = {
            item.split(b'"file_name":"')[1][:7].decode(): split
            for split in THREE_SPLITS.fractions
            for part, item in items(release / instances_path(split))
            if part == "images"
        }
        columns = contents(release)
        main = main_figures(release)
    by_name = {one["id"]: one["file_name"] for one in images}
    expected = Counter((one["label"], split_of[by_name[one["image_id"]]]) for one in boxes)
    counts = figures.label_counts(columns)
    assert expected == Counter(
        {
            (label, split): int(counts[row, column])
            for row, label in enumerate(columns.labels)
            for column, split in enumerate(columns.splits)
            if counts[row, column]
        }
    )
    per_image = Counter(one["image_id"] for one in boxes)
    assert sorted(figures.objects_per_image(columns)) == sorted(per_image[one["id"]] for one in images)
    assert main["images without annotations"] == sum(per_image[one["id"]] == 0 for one in images)
    assert (main["images"], main["annotations"]) == (len(images), len(boxes))
    assert_shapes(columns, images, boxes)
    assert_pairs(columns, boxes)
    assert_attributes(columns, boxes)


def assert_shapes(columns: Contents, images: list[dict[str, Any]], boxes: list[dict[str, Any]]) -> None:
    found = figures.shapes(columns)
    size = {one["id"]: one["width"] * one["height"] for one in images}
    shares = [one["bbox"][2] * one["bbox"][3] / size[one["image_id"]] for one in boxes]
    assert sorted(found.share) == pytest.approx(sorted(shares))
    areas = [one["bbox"][2] * one["bbox"][3] for one in boxes]
    small, medium = sum(area < 32**2 for area in areas), sum(32**2 <= area < 96**2 for area in areas)
    assert figures.size_classes(found) == (small, medium, len(areas) - small - medium)
    middle, numbers = figures.medians(found.width, columns.boxes.label[found.rows], len(columns.labels))
    for row, label in enumerate(columns.labels):
        widths = [one["bbox"][2] for one in boxes if one["label"] == label]
        assert numbers[row] == len(widths)
        assert middle[row] == statistics.median(widths) if widths else math.isnan(middle[row])
    cells = figures.centres(columns, found, 4)
    inside = 0
    for one in boxes:
        x, y, width, height = one["bbox"]
        whole = images[one["image_id"] - 1]
        inside += x + width / 2 <= whole["width"] and y + height / 2 <= whole["height"]
    assert cells.sum() == inside


def assert_pairs(columns: Contents, boxes: list[dict[str, Any]]) -> None:
    of_image: dict[int, set[str]] = {}
    for one in boxes:
        of_image.setdefault(one["image_id"], set()).add(one["label"])
    counts = figures.co_occurrence(columns, np.arange(len(columns.labels)))
    for row, first in enumerate(columns.labels):
        for column, second in enumerate(columns.labels):
            assert counts[row, column] == sum({first, second} <= labels for labels in of_image.values())
    left, right, _ = same_boxes(columns)
    found = Counter(
        frozenset([tuple(columns.boxes.box[one]), tuple(columns.boxes.box[two])])
        for one, two in zip(left, right, strict=True)
    )
    expected = Counter(
        frozenset([tuple(one["bbox"]), tuple(two["bbox"])])
        for one, two in combinations(boxes, 2)
        if one["image_id"] == two["image_id"] and overlap(one["bbox"], two["bbox"]) > 0.9
    )
    assert found == expected


def overlap(one: list[float], two: list[float]) -> float:
    width = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    height = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    shared = max(0, width) * max(0, height)
    return shared / (one[2] * one[3] + two[2] * two[3] - shared)


def assert_attributes(columns: Contents, boxes: list[dict[str, Any]]) -> None:
    texts = {"a": "a", "b": "b", 3: "3", True: "true"}
    found = {(columns.labels[label], name): counts.values for label, name, counts in columns.attributes}
    expected: dict[tuple[str, str], Counter[str]] = {}
    for one in boxes:
        expected.setdefault((one["label"], "kind"), Counter())[texts[one["attributes"]["kind"]]] += 1
    assert found == expected


def test_an_item_of_the_extra_file_counts_and_its_image_has_annotations(tmp_path: Path) -> None:
    (tmp_path / "source.extra.json").write_text(
        '{"info":{},"categories":[{"id":1,"name":"car"}],"images":[{"id":1,"file_name":"001.jpg"}],'
        '"tags":[{"id":1,"image_id":1,"category_id":1,"attributes":{"colour":"red"}}]}'
    )
    release = write_release(tmp_path, [image(1), image(2)], [])
    columns = contents(release)
    assert figures.label_counts(columns).tolist() == [[1], [0]]
    assert columns.has_items.sum() == 1
    assert [(name, counts.values) for _, name, counts in columns.attributes] == [("colour", Counter(red=1))]
    assert main_figures(release)["images without annotations"] == 1


def test_images_of_the_same_content_in_several_splits_are_found(tmp_path: Path) -> None:
    hashes = np.array([7, 0, 7, 9, 9, 0], np.uint64)
    found = figures.repeated(hashes, np.array([0, 0, 1, 2, 2, 1]))
    assert (found.sets, found.images, found.apart) == (2, 4, 1)
    assert found.largest == [(0, 2), (3, 2)]


def test_a_reference_to_an_unknown_image_names_the_next_command(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 1, 1, 9, 9)])
    path = release / instances_path("train")
    number = next(item for part, item in items(path) if part == "images").split(b",")[0].split(b":")[1]
    path.write_bytes(path.read_bytes().replace(b'"image_id":' + number, b'"image_id":5'))
    with pytest.raises(InputError, match="no image 5") as caught:
        main_figures(release)
    assert "labelyard verify" in str(caught.value)


@pytest.mark.parametrize("path", ["annotations/instances_train.json", "images.jsonl"])
@pytest.mark.parametrize("damage", [b"", b'{"images":[\n{"id":"x"},\n]}', b"[1]\n", b"\xff\xfe"])
def test_a_damaged_file_gives_an_error_that_names_it(path: str, damage: bytes, tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "car", 1, 1, 9, 9)])
    (release / path).write_bytes(damage)
    if path == "images.jsonl" and not damage:
        main_figures(release)  # a list without lines: only the names are missing
        return
    with pytest.raises(InputError):
        main_figures(release)


def test_markdown_escapes_what_labels_contain(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [box(1, "a|b<i>`", 1, 1, 9, 9)], labels=["a|b<i>`"])
    text = markdown(main_figures(release))
    assert r"a\|b\<i\>\`" in text
    assert text.splitlines()[2] == "| release | street 3 |"


def test_the_manifest_of_a_release_that_is_being_written_may_be_given(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(1)], [])
    manifest = read_manifest(release)
    (release / "manifest.json").unlink()
    assert main_figures(release, manifest)["images"] == 1


@pytest.mark.parametrize(
    "more",
    [
        {"attributes": {"score": "high"}},
        {"attributes": {"score": 10**400}},
        {"attributes": [{"name": "score", "job": 5}]},
        {"attributes": "score"},
        {"attributes": {"job": -1, "score": None, "nested": {"a": [1]}}},
        {"attributes": {"job": 2**70}},
    ],
)
def test_fields_of_other_programs_are_no_error(more: dict[str, Any], tmp_path: Path) -> None:
    columns = contents(write_release(tmp_path, [image(1)], [box(1, "car", 1, 1, 9, 9, **more)]))
    assert columns.boxes.score.tolist() == []
    assert columns.boxes.job.tolist() == [-1]


def test_many_values_of_an_attribute_are_counted_together() -> None:
    counts = AttributeCounts()
    for number in range(3 * MOST_VALUES):
        counts.add(0, b'{"plate":"%d","parked":true}' % number)
    counts.close()
    found = {name: (len(one.values), one.others, one.total) for _, name, one in counts}
    assert found == {
        "parked": (1, 0, 3 * MOST_VALUES),
        "plate": (MOST_VALUES, 2 * MOST_VALUES, 3 * MOST_VALUES),
    }


def test_a_group_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    release = write_release(tmp_path, [image(number) for number in range(1, 9)], [], rule=THREE_SPLITS)
    lines = (release / "images.jsonl").read_text().splitlines()
    (release / "images.jsonl").write_text("".join(line[:-1] + ',"group":"video 1"}\n' for line in lines))
    found = all_warnings(read_manifest(release), contents(release))
    assert [one for one in found if "of one group are in several splits" in one] != []
