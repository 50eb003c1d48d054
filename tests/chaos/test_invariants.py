"""The invariants: a clean snapshot violates none, and every kind of violation is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.invariants import (
    EXPORTED_HISTORY,
    QUARANTINED_ENTRY,
    Batch,
    ExportedFile,
    ExportFacts,
    Object,
    Snapshot,
    Task,
    violations,
)

FIRST_ENTRY = EXPORTED_HISTORY[0]
CLEAN = Snapshot(
    bucket={"in/1.jpg": "e1", "in/2.jpg": "e2", "in/bad.jpg": "e3"},
    unusable=frozenset({"in/bad.jpg"}),
    objects=[
        Object("in/1.jpg", "e1", "street-00001", "1.jpg", None, EXPORTED_HISTORY),
        Object("in/2.jpg", "e2", "street-00001", "2.jpg", None, EXPORTED_HISTORY),
        Object("in/bad.jpg", "e3", "street-00001", None, "no image", (FIRST_ENTRY, QUARANTINED_ENTRY)),
    ],
    batches=[Batch("street-00001", "exported", 7, {70: "ann"})],
    exports=[
        ExportFacts("street-00001", "out/g1.json", current=False),
        ExportFacts("street-00001", "out/g2.json", current=True),
    ],
    tasks=[Task(7, "street-00001 abc", ("1.jpg", "2.jpg"), {70: "ann"}, {"1.jpg": 1, "2.jpg": 2})],
    files=[
        ExportedFile("out/g1.json", ("in/1.jpg", "in/2.jpg"), {"in/1.jpg": 1}),
        ExportedFile("out/g2.json", ("in/1.jpg", "in/2.jpg"), {"in/1.jpg": 1, "in/2.jpg": 2}),
    ],
)


def changed(field: str, index: int, **changes: Any) -> Snapshot:
    """The clean snapshot with changes in one of its rows."""
    rows: Any = list(getattr(CLEAN, field))
    rows[index] = replace(rows[index], **changes)
    changed_rows: dict[str, Any] = {field: rows}
    return replace(CLEAN, **changed_rows)


def without(field: str, index: int) -> Snapshot:
    rows: Any = list(getattr(CLEAN, field))
    del rows[index]
    changed_rows: dict[str, Any] = {field: rows}
    return replace(CLEAN, **changed_rows)


def with_task(*tasks: Task) -> Snapshot:
    return replace(CLEAN, tasks=[*CLEAN.tasks, *tasks])


def test_a_labelyard_at_rest_violates_no_invariant() -> None:
    assert violations(CLEAN) == []


def test_a_batch_without_usable_objects_violates_no_invariant() -> None:
    snapshot = Snapshot(
        bucket={"in/bad.jpg": "e"}, unusable=frozenset({"in/bad.jpg"}),
        objects=[Object("in/bad.jpg", "e", "street-00001", None, "no image", (FIRST_ENTRY, QUARANTINED_ENTRY))],
        batches=[Batch("street-00001", "quarantined")], exports=[], tasks=[], files=[],
    )  # fmt: skip
    assert violations(snapshot) == []


def test_a_cancelled_batch_needs_no_task_and_no_export() -> None:
    cancelled = changed("batches", 0, state="cancelled", task=0)
    assert violations(replace(cancelled, tasks=[], exports=[], files=[])) == []


def test_an_object_that_a_person_has_quarantined_may_be_a_good_image() -> None:
    row = replace(CLEAN.objects[2], quarantine_reason="manually: blurred")
    assert violations(replace(CLEAN, objects=[*CLEAN.objects[:2], row], unusable=frozenset())) == []


def test_a_retired_dataset_may_miss_files() -> None:
    assert violations(replace(CLEAN, bucket={**CLEAN.bucket, "in/3.jpg": "e"}, retired=True)) == []


VIOLATIONS: Sequence[tuple[str, Callable[[], Snapshot]]] = [
    ("is 0 times in the ledger", lambda: replace(CLEAN, bucket={**CLEAN.bucket, "in/3.jpg": "e"})),
    ("is 2 times in the ledger", lambda: replace(CLEAN, objects=[*CLEAN.objects, CLEAN.objects[0]])),
    ("is assigned, not at rest", lambda: changed("batches", 0, state="assigned")),
    ("is failed, not at rest: broken", lambda: changed("batches", 0, state="failed", error="broken")),
    ("still shows a failure: broken", lambda: changed("batches", 0, error="broken")),
    ("2 events were never published", lambda: replace(CLEAN, unpublished_events=2)),
    ("task 8 ('street-00001 abc', 0 frames) is an orphan", lambda: with_task(Task(8, "street-00001 abc"))),
    (
        "is cancelled, and its task 7 is empty",
        lambda: replace(
            changed("batches", 0, state="cancelled"), tasks=[replace(CLEAN.tasks[0], frames=(), boxes={}, jobs={})]
        ),
    ),
    ("its task 7 is not on the server", lambda: without("tasks", 0)),
    ("shows [1.jpg] instead of [1.jpg, 2.jpg]", lambda: changed("tasks", 0, frames=("1.jpg",))),
    ("shows [1.jpg, 2.jpg, 2.jpg]", lambda: changed("tasks", 0, frames=("1.jpg", "2.jpg", "2.jpg"))),
    ("has no jobs", lambda: changed("tasks", 0, jobs={})),
    ("job 70 has no assignee", lambda: changed("tasks", 0, jobs={70: None})),
    ("the ledger has the jobs", lambda: changed("batches", 0, jobs={70: "bob"})),
    ("has 1 tags that nobody set", lambda: changed("tasks", 0, tags=1)),
    ("has 0 current exports", lambda: changed("exports", 1, current=False)),
    ("has 2 current exports", lambda: changed("exports", 0, current=True)),
    ("out/g2.json is not in the bucket", lambda: without("files", 1)),
    ("has [in/1.jpg] instead of", lambda: changed("files", 1, images=("in/1.jpg",), boxes={"in/1.jpg": 1})),
    ("2 boxes on the server and 1 in its export", lambda: changed("files", 1, boxes={"in/1.jpg": 1, "in/2.jpg": 1})),
    ("is quarantined without a reason", lambda: changed("objects", 2, quarantine_reason="")),
    (
        "is a good image in the bucket and is quarantined",
        lambda: changed("objects", 0, quarantine_reason="why not", upload_name=None),
    ),
    ("does not say that it is quarantined", lambda: changed("objects", 2, history=(FIRST_ENTRY,))),
    ("does not contain exported", lambda: changed("objects", 0, history=EXPORTED_HISTORY[:-1])),
    (
        "is in the bucket and not in the ledger",
        lambda: replace(CLEAN, files=[*CLEAN.files, ExportedFile("out/g3.json", ())]),
    ),
]


@pytest.mark.parametrize(("words", "snapshot"), VIOLATIONS, ids=[words.replace("/", "") for words, _ in VIOLATIONS])
def test_every_violation_is_found(words: str, snapshot: Callable[[], Snapshot]) -> None:
    assert any(words in line for line in violations(snapshot())), violations(snapshot())
