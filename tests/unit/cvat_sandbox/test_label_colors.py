"""The colours of labels, as measured on CVAT 2.73."""

from __future__ import annotations

import pytest

from cvat_sandbox.state.label_colors import color_of


@pytest.mark.parametrize(
    ("name", "color"),
    [("car", "#2080c0"), ("blob", "#66be96"), ("thing", "#548542"), ("body", "#7a1d90"), ("coach", "#0b5457")],
)
def test_a_name_has_its_colour(name: str, color: str) -> None:
    assert color_of(name, []) == color


def test_a_colour_that_another_label_has_is_shaded() -> None:
    assert color_of("car", ["#2080c0"]) == "#368cc6"
    assert color_of("car", ["#2080c0", "#368cc6"]) not in {"#2080c0", "#368cc6"}
