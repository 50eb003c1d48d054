"""The section of the page about quality: CVAT's comparison of the annotations with ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labelyard.domain.quality import Quality
from labelyard.releases.quality import BatchQuality, in_all
from labelyard.releases.report.blocks import Block, Section, table
from labelyard.releases.report.plots import MOST_BARS, plain_bars

_FIGURES = ("frames", "accuracy", "precision", "recall", "conflicts")


def about_quality(batches: Sequence[BatchQuality]) -> Section | None:
    """How far annotators and batches agree with ground truth; None if CVAT has made no report."""
    if not batches:
        return None
    total = in_all([one.found for one in batches])
    text = (
        f"{100 * total.accuracy:.1f} % accuracy and {total.conflicts:,} conflicts on {total.frames:,} frames of "
        f"{len(batches):,} batches, compared with ground truth by CVAT. Copies for quality control (honeypots) count, "
        "and are not in the release."
    )
    outdated = sum(not one.current for one in batches)
    if outdated:
        text += f" Of {outdated:,} batches the work has changed since the report."
    return Section("quality", "Quality", text, [*_by_annotator(batches), _by_batch(batches)])


def _by_annotator(batches: Sequence[BatchQuality]) -> Iterator[Block]:
    found: dict[str, list[Quality]] = {}
    for batch in batches:
        for job in batch.jobs:
            found.setdefault("nobody" if job.annotator is None else str(job.annotator), []).append(job.found)
    people = sorted(((name, in_all(those)) for name, those in found.items()), key=lambda one: (one[1].accuracy, one[0]))
    if people:
        yield Block(
            "Annotators",
            "Accuracy on the frames with ground truth, the lowest first; few frames say little.",
            plain_bars(
                "accuracy", "Accuracy by annotator", [name for name, _ in people[:MOST_BARS]],
                [one.accuracy for _, one in people[:MOST_BARS]], "{:.0%}", most=1.0,
            ),
            table(("annotator", "jobs", *_FIGURES), [(name, len(found[name]), *_cells(one)) for name, one in people]),
        )  # fmt: skip


def _by_batch(batches: Sequence[BatchQuality]) -> Block:
    ordered = sorted(batches, key=lambda one: (one.found.accuracy, one.batch))
    rows = [(one.batch, one.task_id, *_cells(one.found)) for one in ordered]
    text = "The lowest accuracy first. CVAT's page of a task has each conflict."
    return Block("Batches", text, table=table(("batch", "task in CVAT", *_FIGURES), rows), is_open=True)


def _cells(one: Quality) -> tuple[int, str, str, str, int]:
    accuracy, precision, recall = (f"{100 * value:.1f} %" for value in (one.accuracy, one.precision, one.recall))
    return one.frames, accuracy, precision, recall, one.conflicts
