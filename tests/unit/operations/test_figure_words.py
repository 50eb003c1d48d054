"""Figures in the words of a page."""

from __future__ import annotations

import pytest

from labelyard.operations.figure_words import short_number


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, ""), (7, "7"), (999, "999"), (1000, "1.0k"), (1249, "1.2k"), (9949, "9.9k"), (9950, "10k"),
        (99_499, "99k"), (999_499, "999k"), (999_500, "1.0M"), (12_000_000, "12M"),
    ],
)  # fmt: skip
def test_a_number_at_a_bar_has_four_characters_at_most(number: float, shown: str) -> None:
    assert short_number(number) == shown
    assert len(shown) <= 4
