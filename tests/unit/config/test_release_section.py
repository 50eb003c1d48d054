"""The section `release` of a dataset file."""

from __future__ import annotations

import pytest

from tests.support.dataset_files import GOOD, error_lines, read


def with_release(section: str) -> str:
    return f"{GOOD}release: {section}\n"


def test_a_file_without_it_has_three_splits_by_image_beside_the_exports() -> None:
    spec = read(GOOD)
    assert spec.release.splits.rule().fractions == {"train": 0.8, "val": 0.1, "test": 0.1}
    assert (spec.release.splits.by, spec.release.prefix) == ("image", "releases/")
    assert spec.release_bucket == spec.export_bucket


def test_a_split_without_a_fraction_does_not_exist() -> None:
    spec = read(with_release("{splits: {train: 0.9, val: 0.1, test: 0, by: folder}}"))
    assert spec.release.splits.rule().fractions == {"train": 0.9, "val": 0.1}
    assert spec.release.splits.rule().group("content", "drive-7/0001.jpg") == "drive-7/"


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{splits: {train: 0.5, val: 0.1}}", "release.splits: the fractions of the splits add up to 0.7"),
        ("{splits: {train: 1.5}}", "release.splits.train: 1.5 is out of range: write at most 1.0"),
        ("{splits: {trian: 0.8}}", "release.splits.trian: no such field: write train"),
        ("{splits: {by: 'camera-('}}", "release.splits.by: 'camera-(' is neither image, nor folder, nor a regular"),
        ("{prefix: incoming/}", "release.prefix: 'incoming/' overlaps the source s3://raw-images/incoming/, releases"),
        ("{images: link}", "release.images: 'link' is unknown: write"),
        ("{people: name}", "release.people: 'name' is unknown: write names"),
        ('{licence: "a\\nb"}', "release.licence: write it on one line"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(section: str, problem: str) -> None:
    lines = error_lines(with_release(section))
    assert any(problem in line for line in lines), lines


def test_releases_are_not_in_the_folder_of_the_exports() -> None:
    prefix = read(GOOD).export.prefix
    [line] = error_lines(with_release(f"{{prefix: {prefix}releases/}}"))
    assert "is in the folder of the exports: write one outside of it" in line
    assert read(with_release(f"{{prefix: {prefix}releases/, bucket: other-bucket}}")).release_bucket == "other-bucket"
