"""The judgement of benchmarks/faults.py: what it calls clean is, and every way not to be is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.invariants import Batch, Export, File, Object, Seen, Task, differences

STORY = ("registered", "closed", "created", "uploaded", "ready", "assigned", "completed", "exported")
CLEAN = Seen(
    bucket={"in/1.jpg": "e1", "in/2.jpg": "e2", "in/bad.jpg": "e3"},
    unusable=frozenset({"in/bad.jpg"}),
    objects=[
        Object("in/1.jpg", "e1", "street-00001", "1.jpg", None, STORY),
        Object("in/2.jpg", "e2", "street-00001", "2.jpg", None, STORY),
        Object("in/bad.jpg", "e3", "street-00001", None, "no image", ("registered", "quarantined")),
    ],
    batches=[Batch("street-00001", "exported", 7, {70: "ann"})],
    exports=[Export("street-00001", "out/g1.json", current=False), Export("street-00001", "out/g2.json", current=True)],
    tasks=[Task(7, "street-00001 abc", ("1.jpg", "2.jpg"), {70: "ann"}, {"1.jpg": 1, "2.jpg": 2})],
    files=[
        File("out/g1.json", ("in/1.jpg", "in/2.jpg"), {"in/1.jpg": 1}),
        File("out/g2.json", ("in/1.jpg", "in/2.jpg"), {"in/1.jpg": 1, "in/2.jpg": 2}),
    ],
)


def changed(field: str, context: int, **changes: Any) -> Seen:
    """The clean one with something else in one of its things."""
    things = list(getattr(CLEAN, field))
    things[context] = replace(things[context], **changes)
    return replace(CLEAN, **{field: things})


def without(field: str, context: int) -> Seen:
    things = list(getattr(CLEAN, field))
    del things[context]
    return replace(CLEAN, **{field: things})


def with_task(*tasks: Task) -> Seen:
    return replace(CLEAN, tasks=[*CLEAN.tasks, *tasks])


def test_what_is_as_it_should_be_is_clean() -> None:
    assert differences(CLEAN) == []


def test_a_batch_of_which_nothing_is_usable_is_clean() -> None:
    nothing = Seen(
        bucket={"in/bad.jpg": "e"}, unusable=frozenset({"in/bad.jpg"}),
        objects=[Object("in/bad.jpg", "e", "street-00001", None, "no image", ("registered", "quarantined"))],
        batches=[Batch("street-00001", "quarantined")], exports=[], tasks=[], files=[],
    )  # fmt: skip
    assert differences(nothing) == []


WRONG: Sequence[tuple[str, Callable[[], Seen]]] = [
    ("is 0 times in the ledger", lambda: replace(CLEAN, bucket={**CLEAN.bucket, "in/3.jpg": "e"})),
    ("is 2 times in the ledger", lambda: replace(CLEAN, objects=[*CLEAN.objects, CLEAN.objects[0]])),
    ("is assigned, not at rest", lambda: changed("batches", 0, state="assigned")),
    ("is failed, not at rest: broken", lambda: changed("batches", 0, state="failed", error="broken")),
    ("still shows a failure: broken", lambda: changed("batches", 0, error="broken")),
    ("2 announcements were never sent", lambda: replace(CLEAN, unsent=2)),
    ("task 8 ('street-00001 abc', 0 frames) is an orphan", lambda: with_task(Task(8, "street-00001 abc"))),
    ("its task 7 is not on the server", lambda: without("tasks", 0)),
    ("shows [1.jpg] instead of [1.jpg, 2.jpg]", lambda: changed("tasks", 0, frames=("1.jpg",))),
    ("shows [1.jpg, 2.jpg, 2.jpg]", lambda: changed("tasks", 0, frames=("1.jpg", "2.jpg", "2.jpg"))),
    ("has no jobs", lambda: changed("tasks", 0, jobs={})),
    ("job 70 has no person", lambda: changed("tasks", 0, jobs={70: None})),
    ("the ledger has the jobs", lambda: changed("batches", 0, jobs={70: "bob"})),
    ("holds 1 tags that nobody set", lambda: changed("tasks", 0, tags=1)),
    ("has 0 current exports", lambda: changed("exports", 1, current=False)),
    ("has 2 current exports", lambda: changed("exports", 0, current=True)),
    ("out/g2.json is not in the bucket", lambda: without("files", 1)),
    ("holds [in/1.jpg] instead of", lambda: changed("files", 1, images=("in/1.jpg",), boxes={"in/1.jpg": 1})),
    ("2 boxes on the server and 1 in its export", lambda: changed("files", 1, boxes={"in/1.jpg": 1, "in/2.jpg": 1})),
    ("was set aside without a reason", lambda: changed("objects", 2, quarantine_reason="")),
    (
        "is fine and in the bucket, and was set aside",
        lambda: changed("objects", 0, quarantine_reason="why not", name=None),
    ),
    ("does not tell that it was set aside", lambda: changed("objects", 2, story=("registered",))),
    ("does not tell of exported", lambda: changed("objects", 0, story=STORY[:-1])),
    ("the ledger does not know it", lambda: replace(CLEAN, files=[*CLEAN.files, File("out/g3.json", ())])),
]


@pytest.mark.parametrize(("words", "seen"), WRONG, ids=[words.replace("/", "") for words, _ in WRONG])
def test_everything_that_is_not_as_it_should_be_is_told(words: str, seen: Callable[[], Seen]) -> None:
    assert any(words in line for line in differences(seen())), differences(seen())
