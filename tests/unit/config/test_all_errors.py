"""Errors that need a whole section are reported together with those of single fields."""

from __future__ import annotations

from tests.support.dataset_files import error_lines, with_task

TEXT = with_task(
    """
    labels: [car]
    segment_size: 10
    overlap: 8
    image_quality: 101
    colour: red
    """
)


def test_a_wrong_field_does_not_hide_fields_that_contradict_each_other() -> None:
    found = error_lines(TEXT)
    assert len(found) == 3
    assert any("task.overlap" in line for line in found)
    assert any("task.image_quality" in line for line in found)
    assert any("task.colour" in line for line in found)
