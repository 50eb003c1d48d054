"""How far the annotations of a release agree with ground truth: CVAT's reports, in `quality.json`.

The file is none of the content: a report that is made later is no reason for another release.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from labelyard.domain.quality import Quality
from labelyard.errors import InputError
from labelyard.releases.manifest import QUALITY
from labelyard.releases.passport import PersonName


class JobQuality(Struct, frozen=True):
    """The figures of a job, and its annotator."""

    job: int
    annotator: PersonName | None
    found: Quality


class BatchQuality(Struct, frozen=True):
    """CVAT's report on a batch's task. It is not `current` if the work has changed since it was made."""

    batch: str
    task_id: int
    report: int | None
    current: bool
    found: Quality
    jobs: list[JobQuality]


class _File(Struct):
    batches: list[BatchQuality]


def write_quality(folder: Path, batches: Sequence[BatchQuality]) -> None:
    """Write the file of a release into its folder, if CVAT has made a report on any of its batches."""
    if batches:
        document = msgspec.json.encode(_File(list(batches)))
        (folder / QUALITY).write_bytes(msgspec.json.format(document, indent=1) + b"\n")


def read_quality(folder: Path) -> Sequence[BatchQuality]:
    """Return the reports of a release, none if it has no such file. Raises InputError for a file that is none."""
    path = folder / QUALITY
    if not path.is_file():
        return ()
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).batches
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not the quality reports of a release: {error}", where=str(path)) from error


def in_all(found: Sequence[Quality]) -> Quality:
    """Return the figures of several jobs or tasks together: shares are weighted by frames."""
    frames = sum(one.frames for one in found)
    weights = [(one, one.frames / frames if frames else 1 / max(len(found), 1)) for one in found]
    return Quality(
        frames,
        sum(one.accuracy * weight for one, weight in weights),
        sum(one.precision * weight for one, weight in weights),
        sum(one.recall * weight for one, weight in weights),
        sum(one.conflicts for one in found),
    )


def main_quality(folder: Path) -> dict[str, int | float | str]:
    """Return the main figures of quality of a release; none without reports."""
    found = read_quality(folder)
    if not found:
        return {}
    total = in_all([one.found for one in found])
    compared = f"{total.frames:,} frames of {len(found):,} batches"
    return {
        "accuracy against ground truth": f"{100 * total.accuracy:.1f} % on {compared}",
        "conflicts with ground truth": total.conflicts,
    }
