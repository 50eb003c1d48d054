"""Run lengths: compressed ones are read as pycocotools reads them, and anything else is refused before it does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask

from labelyard.formats.checks.run_lengths import decompressed, run_counts
from labelyard.formats.checks.shapes import shape_box
from tests.support.coco_documents import compressed

runs = st.lists(st.integers(1, 40), min_size=1, max_size=30)


@given(counts=runs, begins=st.booleans())
def test_a_compressed_mask_of_pycocotools_has_the_lengths_of_its_runs(counts: list[int], begins: bool) -> None:
    counts = [0, *counts] if begins else counts
    pixels = np.repeat(np.arange(len(counts)) % 2, counts).astype(np.uint8)
    text = mask.encode(np.asfortranarray(pixels.reshape(-1, 1)))["counts"].decode()
    assert decompressed(text) == counts
    assert compressed(counts) == text
    assert run_counts(text, [int(pixels.size), 1]) == counts


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), data=st.data())
def test_the_box_of_a_mask_is_that_of_its_pixels(rows: int, columns: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 1), min_size=rows * columns, max_size=rows * columns))
    pixels = np.asfortranarray(np.array(values, np.uint8).reshape(rows, columns))
    encoded = mask.encode(pixels)
    found = shape_box({"counts": encoded["counts"].decode(), "size": [rows, columns]})
    assert found == (mask.toBbox(encoded).tolist() if pixels.any() else None)


@given(text=st.text(max_size=20) | st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = decompressed(text)
    assert found is None or all(isinstance(one, int) for one in found)
    assert isinstance(run_counts(text, [4, 5]), str) or sum(run_counts(text, [4, 5])) == 20  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["P", "5 5", "ü", "o" * 8 + "0", "0" * 3 + "P", "p"])
def test_a_text_that_is_cut_off_or_no_mask_is_refused(text: str) -> None:
    assert decompressed(text) is None
