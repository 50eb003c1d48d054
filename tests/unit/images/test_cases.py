"""The cases from the field: what inspection says of each, for both families of CVAT."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from labelyard.images import SERVERS, inspect_image
from tests.support.paths import ROOT

CASES = ROOT / "tests" / "cases" / "images"


class Expected(NamedTuple):
    """Part of the reason, or none if accepted; part of the warning, or none; the size."""

    reason: str | None = None
    warning: str | None = None
    size: tuple[int, int] = (160, 120)


EXPECTED: dict[str, tuple[Expected, Expected]] = {
    "badcrc_text_before.png": (Expected(), Expected()),
    "big.tif": (Expected("a BigTIFF: CVAT 1.x"), Expected()),
    "c_zstd.tif": (Expected("ZSTD compression, which CVAT 1.x"), Expected()),
    "float.tif": (Expected(warning="frames are black"), Expected(warning="frames are black")),
    "hole.jpg": (Expected("a damaged JPEG"), Expected("a damaged JPEG")),
    "i16.png": (Expected(warning="scales the values"), Expected(warning="equalises")),
    "i16.tif": (Expected(warning="washed out"), Expected(warning="equalises")),
    "lab.tif": (Expected("CVAT 1.x (Pillow 6.2) has no conversion"), Expected(warning="false colours")),
    "noeoi.jpg": (Expected(warning="only the end marker"), Expected(warning="only the end marker")),
    "orient6.tif": (
        Expected(size=(120, 160)),
        Expected(warning="shows 120 x 160 pixels, but its data/meta says 160 x 120", size=(120, 160)),
    ),
    "pyramid.tif": (Expected(), Expected()),
    "ztxt2m.png": (Expected(), Expected()),
}
"""File -> what CVAT 1.x and 2.x make of it."""


def test_each_case_has_an_expected_outcome() -> None:
    assert {file.name for file in CASES.iterdir()} - {"README.md"} == set(EXPECTED)


@pytest.mark.parametrize("dialect", ["v1", "v2"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_case_is_judged_as_the_server_shows_it(name: str, dialect: str) -> None:
    expected = EXPECTED[name][dialect == "v2"]
    found = inspect_image(Path(CASES / name), SERVERS[dialect])
    assert found.verdict == ("quarantine" if expected.reason else "accept")
    assert (found.width, found.height, found.exif_orientation) == (*expected.size, 1)
    if expected.reason:
        assert expected.reason in (found.reason or "")
    elif expected.warning:
        (warning,) = found.warnings
        assert expected.warning in warning
    else:
        assert found.warnings == ()
