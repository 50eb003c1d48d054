"""The demo's photographs and what is drawn on them."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image

from labelyard.demo.photographs import FOLDER, Photograph, labels, photographs


def test_there_are_27_photographs_with_106_boxes_of_13_classes() -> None:
    boxes = [box for photograph in photographs().values() for box in photograph.boxes]
    assert (len(photographs()), len(boxes), len(labels())) == (27, 106, 13)
    assert set(Counter(box.label for box in boxes)) == set(labels())


@pytest.mark.parametrize("photograph", photographs().values(), ids=photographs())
def test_a_photograph_decodes_and_every_box_lies_inside_it(photograph: Photograph) -> None:
    with Image.open(photograph.path) as image:
        image.load()
        assert image.size == (photograph.width, photograph.height)
    assert photograph.boxes
    for box in photograph.boxes:
        assert 0 <= box.left < box.right <= photograph.width
        assert 0 <= box.top < box.bottom <= photograph.height


def test_every_jpeg_has_its_ground_truth_and_its_source() -> None:
    files = {path.stem for path in FOLDER.glob("*.jpg")}
    sources = (FOLDER / "SOURCES.md").read_text()
    assert files == set(photographs())
    assert all(f"| {name.rsplit('-', 1)[0]}-* |" in sources for name in files)
