"""The split of an image."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.splits import SplitRule

THREE = {"train": 0.8, "val": 0.1, "test": 0.1}


def test_the_splits_have_about_their_fraction_of_the_groups() -> None:
    rule = SplitRule(THREE)
    found = Counter(rule.split(f"image {number}") for number in range(10_000))
    assert {name: round(count / 10_000, 1) for name, count in found.items()} == THREE


def test_the_split_of_a_group_is_the_same_on_every_machine() -> None:
    names = ("é", "", "y", "0", "1")
    assert [SplitRule(THREE).split(name) for name in names] == ["train", "train", "test", "train", "val"]


@given(st.text(), st.permutations(list(THREE)))
def test_the_order_of_the_fractions_does_not_matter(group: str, names: list[str]) -> None:
    assert SplitRule({name: THREE[name] for name in names}).split(group) == SplitRule(THREE).split(group)


@pytest.mark.parametrize(
    ("by", "name", "group"),
    [
        ("image", "cam1/day1/a.jpg", "content"),
        ("folder", "cam1/day1/a.jpg", "cam1/day1/"),
        ("folder", "a.jpg", ""),
        (r"cam(\d+)", "cam12/a.jpg", "12"),
        (r"cam\d+", "x/cam12/a.jpg", "cam12"),
        (r"cam(\d+)?", "x/cam/a.jpg", "cam"),
        (r"cam(\d+)", "x.jpg", None),
    ],
)
def test_a_group_is_the_image_its_folder_or_what_an_expression_finds(by: str, name: str, group: str | None) -> None:
    assert SplitRule(THREE, by).group("content", name) == group


@pytest.mark.parametrize(
    ("fractions", "by", "message"),
    [
        ({}, "image", "add up to 0"),
        ({"train": 0.8, "val": 0.1}, "image", "add up to 0.9"),
        ({"train": 1.5, "val": -0.5}, "image", "fraction of train is 1.5"),
        ({"train": 1, "val": 0}, "image", "fraction of val is 0"),
        ({"train": float("nan")}, "image", "fraction of train is nan"),
        ({"../train": 1}, "image", "cannot name a split"),
        ({"Train": 1}, "image", "lower-case"),
        ({"train": 1}, "(", "nor a regular expression"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(fractions: dict[str, float], by: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitRule(fractions, by)
