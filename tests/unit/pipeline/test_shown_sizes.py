"""Sizes are swapped where inspection and the server disagree by a quarter turn, and only there."""

from __future__ import annotations

import pytest

from labelyard.domain.tasks import Frame
from labelyard.ledger.tables import Object
from labelyard.pipeline.shown_sizes import frames_as_shown, shown_sizes, turned


@pytest.mark.parametrize(
    ("inspected", "expected"),
    [
        ((120, 160), (120, 160)),  # a turned TIFF on 2.73
        ((160, 120), (160, 120)),
        ((80, 60), (160, 120)),  # another difference: the server is right
        ((None, None), (160, 120)),  # an object of an adopted task, which was not inspected
    ],
)
def test_frames_have_the_size_that_is_shown(
    inspected: tuple[int | None, int | None], expected: tuple[int, int]
) -> None:
    shown = shown_sizes([Object(upload_name="a.tif", width=inspected[0], height=inspected[1]), Object()])
    frames = [Frame("a.tif", 160, 120), Frame("b.tif", 160, 120)]
    assert frames_as_shown(frames, shown) == [Frame("a.tif", *expected), Frame("b.tif", 160, 120)]
    assert turned(frames, shown) == (["a.tif"] if expected == (120, 160) else [])
