"""The invariants of predictions and quality control: a clean snapshot violates none, each violation is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from labelyard.domain.job_faults import JobFault
from labelyard.domain.tasks import Issue
from tests.chaos.fault_plan import Quality
from tests.chaos.feature_invariants import feature_violations
from tests.chaos.invariants import (
    EXPORTED_HISTORY,
    Batch,
    ExportedFile,
    ExportFacts,
    Frame,
    Object,
    Predictions,
    QualityJob,
    Snapshot,
    Task,
)

BATCH = "street-00001"
ACCOUNT = {"drawn": {"rectangle": {"car": 3}}, "in_file": {"rectangle": {"car": 3}}, "left_out": []}
CORRECTIONS = {"imported": 3, "total": {"kept": 2, "moved": 1, "changed": 0, "removed": 0, "added": 1}}
HONEYPOTS = Snapshot(
    bucket={}, unusable=frozenset(),
    objects=[Object(f"in/{n}.jpg", f"e{n}", BATCH, f"{n}.jpg", None, EXPORTED_HISTORY) for n in range(3)],
    batches=[
        Batch(
            BATCH, "exported", 7, {70: "ann"}, predictions=Predictions("imported", 3), quality_jobs={71: "bob"},
            has_report=True,
        )
    ],
    exports=[ExportFacts(BATCH, "out/g1.json", current=True)],
    tasks=[
        Task(
            7, "street", ("0.jpg", "1.jpg", "2.jpg"), {70: "ann"}, {"0.jpg": 2, "1.jpg": 1},
            all_frames=(
                Frame("0.jpg", predictions=1), Frame("2.jpg", "honeypot", 1), Frame("1.jpg", predictions=1),
                Frame("2.jpg", "truth"),
            ),
            quality_jobs=(QualityJob(71, "bob"),),
        )
    ],
    files=[
        ExportedFile(
            "out/g1.json", ("in/0.jpg", "in/1.jpg"), {"in/0.jpg": 2, "in/1.jpg": 1},
            {"account": ACCOUNT, "preannotation": CORRECTIONS},
        )
    ],
    predicted=frozenset({"in/0.jpg", "in/1.jpg", "in/2.jpg"}), quality=Quality(truth=1, honeypots=1),
)  # fmt: skip
"""A task with honeypots and predictions."""
REPLICAS = Snapshot(
    bucket={}, unusable=frozenset(), objects=[],
    batches=[Batch(BATCH, "exported", 7, {70: None}, quality_jobs={71: "ann", 72: "bob"})],
    exports=[], files=[],
    tasks=[
        Task(
            7, "street", ("0.jpg",), {70: None}, {"0.jpg": 1}, all_frames=(Frame("0.jpg"),),
            quality_jobs=(QualityJob(71, "ann", 70), QualityJob(72, "bob", 70)),
        )
    ],
    quality=Quality(replicas=2),
)  # fmt: skip
"""A task with replicas."""
ISSUE = Issue(7, 70, 0, (JobFault(0, "its area is zero", (3.0, 4.0, 3.0, 9.0)).issue,), is_resolved=True)
REVIEWED = Snapshot(
    bucket={}, unusable=frozenset(), exports=[], files=[],
    objects=[Object("in/0.jpg", "e0", BATCH, "0.jpg", None, EXPORTED_HISTORY)],
    batches=[Batch(BATCH, "exported", 7, {70: "ann"}, verdicts=((70, "faulty"), (71, "accepted"), (70, "accepted")))],
    tasks=[
        Task(
            7, "street", ("0.jpg",), {70: "ann"}, {"0.jpg": 1}, all_frames=(Frame("0.jpg"),),
            completed_faulty={70: "0.jpg"}, issues=(ISSUE, Issue(6, 70, 0, ("the left edge is loose",))),
        )
    ],
)  # fmt: skip
"""A task with a job that went back before a reviewer got it."""


def changed(snapshot: Snapshot, field: str, **changes: Any) -> Snapshot:
    """The snapshot with changes in the one row of a field."""
    rows: dict[str, Any] = {field: [replace(getattr(snapshot, field)[0], **changes)]}
    return replace(snapshot, **rows)


def with_issues(*issues: Issue) -> Snapshot:
    return changed(REVIEWED, "tasks", issues=issues)


def with_info(**changes: Any) -> Snapshot:
    return changed(HONEYPOTS, "files", info={**HONEYPOTS.files[0].info, **changes})


def with_predictions(state: str, shapes: int, reason: str | None = None) -> Snapshot:
    return changed(HONEYPOTS, "batches", predictions=Predictions(state, shapes, reason))


def with_frame(number: int, **changes: Any) -> Snapshot:
    frames = list(HONEYPOTS.tasks[0].all_frames)
    frames[number] = replace(frames[number], **changes)
    return changed(HONEYPOTS, "tasks", all_frames=tuple(frames))


@pytest.mark.parametrize("clean", [HONEYPOTS, REPLICAS, REVIEWED])
def test_a_clean_snapshot_violates_no_invariant(clean: Snapshot) -> None:
    assert feature_violations(clean) == []


def test_people_may_label_without_predictions_if_that_is_said() -> None:
    frames = tuple(replace(frame, predictions=0) for frame in HONEYPOTS.tasks[0].all_frames)
    without = changed(with_predictions("skipped", 0, "the time is over"), "tasks", all_frames=frames)
    info = {"account": ACCOUNT, "preannotation": {"imported": 0, "reason": "the time is over"}}
    assert feature_violations(changed(without, "files", info=info)) == []


VIOLATIONS: Sequence[tuple[str, Callable[[], Snapshot]]] = [
    ("frame 0 (0.jpg) has 2 predictions, not 1", lambda: with_frame(0, predictions=2)),
    ("frame 2 (1.jpg) has 0 predictions, not 1", lambda: with_frame(2, predictions=0)),
    ("frame 3 (2.jpg) has 1 predictions, not 0", lambda: with_frame(3, predictions=1)),
    ("and some are wanted", lambda: changed(HONEYPOTS, "batches", predictions=None)),
    ("and none are wanted", lambda: replace(HONEYPOTS, predicted=None)),
    ("its predictions are sending", lambda: with_predictions("sending", 3)),
    ("does not say why", lambda: with_predictions("skipped", 0)),
    ("the ledger has 2 predictions", lambda: with_predictions("imported", 2)),
    ("says {'imported': 2}", lambda: with_info(preannotation={"imported": 2})),
    ("says None", lambda: with_info(preannotation=None)),
    (
        "nobody removed a prediction",
        lambda: with_info(preannotation={"imported": 3, "total": {"kept": 2, "removed": 1}}),
    ),
    ("has no account", lambda: with_info(account=None)),
    ("does not balance", lambda: with_info(account={**ACCOUNT, "drawn": {"rectangle": {"car": 4}}})),
    ("has other boxes than the file", lambda: changed(HONEYPOTS, "files", boxes={"in/0.jpg": 2})),
    ("has 0 ground-truth jobs, not 1", lambda: changed(HONEYPOTS, "tasks", quality_jobs=())),
    ("quality job 71 has no assignee", lambda: changed(HONEYPOTS, "tasks", quality_jobs=(QualityJob(71, None),))),
    ("the ledger has the quality jobs", lambda: changed(HONEYPOTS, "batches", quality_jobs={})),
    ("0 files are ground truth alone, not 1", lambda: with_frame(3, use="data")),
    ("1 jobs have the honeypots []", lambda: with_frame(1, use="data")),
    ("and no quality report", lambda: changed(HONEYPOTS, "batches", has_report=False)),
    ("has replicas of ['ann'], 2 are", lambda: changed(REPLICAS, "tasks", quality_jobs=(QualityJob(71, "ann", 70),))),
    ("on 0.jpg after the merge is lost", lambda: changed(REPLICAS, "tasks", drawn_again=("0.jpg",))),
    ("nothing that people drew on 0.jpg was merged", lambda: changed(REPLICAS, "tasks", boxes={})),
    (
        "its first verdict is rejected",
        lambda: changed(REVIEWED, "batches", verdicts=((70, "rejected"), (70, "faulty"))),
    ),
    ("its first verdict is None", lambda: changed(REVIEWED, "batches", verdicts=())),
    ("its issue is open: labelyard check", lambda: with_issues(replace(ISSUE, is_resolved=False))),
    ("in 1 rounds, frame 0 has 2 times: labelyard", lambda: with_issues(ISSUE, replace(ISSUE, id=8))),
]


@pytest.mark.parametrize(("words", "snapshot"), VIOLATIONS, ids=[words.replace("/", "") for words, _ in VIOLATIONS])
def test_every_violation_is_found(words: str, snapshot: Callable[[], Snapshot]) -> None:
    assert any(words in line for line in feature_violations(snapshot())), feature_violations(snapshot())
