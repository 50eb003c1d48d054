"""CVAT's quality reports in a release: the file, figures of several tasks together, the section of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelyard.domain.quality import Quality
from labelyard.errors import InputError
from labelyard.releases.quality import BatchQuality, JobQuality, in_all, main_quality, read_quality
from labelyard.releases.quality import write_quality as write
from labelyard.releases.report.blocks import Bar
from labelyard.releases.report.quality_section import about_quality

LOW, HIGH = Quality(10, 0.5, 0.6, 0.7, 9), Quality(30, 0.9, 1.0, 0.9, 3)
BATCHES = [
    BatchQuality("street-00001", 7, 70, True, HIGH, [JobQuality(1, "ann", HIGH)]),
    BatchQuality("street-00002", 8, 80, False, LOW, [JobQuality(2, "bob", LOW), JobQuality(3, None, LOW)]),
]


def test_what_is_written_is_read_and_without_reports_there_is_no_file(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert (read_quality(tmp_path), main_quality(tmp_path)) == ((), {})
    write(tmp_path, BATCHES)
    assert read_quality(tmp_path) == BATCHES
    assert main_quality(tmp_path) == {
        "accuracy against ground truth": "80.0 % on 40 frames of 2 batches",
        "conflicts with ground truth": 12,
    }


def test_shares_are_weighted_by_frames() -> None:
    assert in_all([LOW, HIGH]) == Quality(40, pytest.approx(0.8), pytest.approx(0.9), pytest.approx(0.85), 12)
    assert in_all([Quality(0, 1.0, 1.0, 1.0, 0)]).accuracy == 1.0, "nothing was compared"


@pytest.mark.parametrize("text", ["", "[]", '{"batches": [{"batch": 1}]}'])
def test_a_file_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "quality.json").write_text(text)
    with pytest.raises(InputError, match="not the quality reports of a release"):
        read_quality(tmp_path)


def test_the_section_has_people_and_batches_the_lowest_accuracy_first_and_says_what_is_outdated() -> None:
    section = about_quality(BATCHES)
    assert section is not None
    assert "80.0 % accuracy and 12 conflicts on 40 frames of 2 batches" in section.text
    assert "Of 1 batches the work has changed since the report." in section.text
    people, batches = (block.table for block in section.blocks)
    assert people is not None
    assert batches is not None
    assert [row[0] for row in people.rows] == ["bob", "nobody", "ann"]
    assert [row[0] for row in batches.rows] == ["street-00002", "street-00001"]
    assert batches.rows[0][2:] == (10, "50.0 %", "60.0 %", "70.0 %", 9)
    assert not any(isinstance(cell, Bar) for row in batches.rows for cell in row)
    assert about_quality([]) is None
