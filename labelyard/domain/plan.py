"""How what is declared differs from what is there, and what `labelyard apply` does about it. Pure: no I/O.

`plan_…` each compare one topic, desired against actual, and yield Differences. `domain.plan_tasks` compares the tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from labelyard.domain.label_changes import LabelChange, compare_labels
from labelyard.domain.labels import Label
from labelyard.domain.schedules import Timing, Verb


class Topic(StrEnum):
    """What a difference is about; in the order in which a plan shows and carries them out."""

    SETTINGS = "settings"
    LABELS = "labels"
    PEOPLE = "people"
    SCHEDULES = "schedules"
    OBJECTS = "objects"
    TASKS = "tasks"
    EXPORTS = "exports"


class Sign(StrEnum):
    """How a line of the plan begins."""

    ADD = "+"
    REMOVE = "-"
    CHANGE = "~"
    NOTE = "!"


class Action(StrEnum):
    """What `labelyard apply` does about a difference. REPORT leaves it to a person."""

    STORE = "store the file"
    ADD_LABEL = "add the label"
    CHANGE_LABEL = "change the label"
    CREATE_SCHEDULE = "create the schedule"
    CHANGE_SCHEDULE = "change the schedule back"
    DELETE_SCHEDULE = "delete the schedule"
    REGISTER = "register them"
    DELETE_TASK = "delete the task"
    RECREATE_TASK = "recreate the task"
    ASSIGN = "assign its jobs"
    REASSIGN = "assign them to others"
    EXPORT_AGAIN = "export it again"
    REPORT = "a person must decide"


@dataclass(frozen=True)
class Difference:
    """One difference: where, what, and the action that resolves it; `task_id` is the task that it concerns.

    `loses` says which work of annotators the action loses or replaces; it needs `--allow-loss` then. `jobs` are CVAT's
    ids of the jobs that go to others.
    """

    dataset: str
    topic: Topic
    sign: Sign
    where: str
    what: str
    action: Action
    batch_id: str | None = None
    task_id: int | None = None
    verb: Verb | None = None
    loses: str = ""
    jobs: tuple[int, ...] = ()

    def __str__(self) -> str:
        what = f"{self.where}: {self.what}" if self.what else self.where
        then = "" if self.action in (Action.STORE, Action.REPORT) else f" → {self.action}"
        return f"{self.sign} {what}{then}" + (f" (loses {self.loses}: --allow-loss)" if self.loses else "")


def diff(differences: Iterable[Difference]) -> Iterator[str]:
    """Yield the lines of a plan: datasets in their order, their topics, and a line for each difference."""
    for dataset, of_dataset in groupby(differences, key=lambda one: one.dataset):
        yield dataset
        topics = list(Topic)
        for topic, of_topic in groupby(
            sorted(of_dataset, key=lambda one: topics.index(one.topic)), key=lambda one: one.topic
        ):
            yield f"  {topic}"
            yield from (f"    {one}" for one in of_topic)


# --- the file ---------------------------------------------------------------------------------------------------------


def plan_labels(
    dataset: str, before: Sequence[Label], after: Sequence[Label], drawn: Mapping[str, int]
) -> Iterator[Difference]:
    """Compare the labels of a dataset file with those of its stored version.

    `drawn` counts the annotations of each label in the current exports. Those stay where they are; but no later task
    has a label that was dropped, so that nobody can draw or correct any.
    """
    for one in compare_labels(after, before):
        if one.wanted is None:
            loses = f"the label of {drawn[one.name]:,} annotations" if drawn.get(one.name) else ""
            yield _stored(dataset, Topic.LABELS, Sign.REMOVE, one.name, "", loses)
        elif one.present is None:
            yield _stored(dataset, Topic.LABELS, Sign.ADD, one.name)
        else:
            yield _stored(dataset, Topic.LABELS, Sign.CHANGE, one.name, "; ".join((*one.changes, *one.removals)))


def plan_people(dataset: str, before: Collection[str], after: Sequence[str]) -> Iterator[Difference]:
    """Compare the annotators of a dataset file with those of its stored version."""
    yield from (_stored(dataset, Topic.PEOPLE, Sign.REMOVE, name) for name in before if name not in after)
    yield from (_stored(dataset, Topic.PEOPLE, Sign.ADD, name) for name in after if name not in before)


def plan_settings(dataset: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    """Compare the other fields of a dataset file, each as a text, with those of its stored version."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, "none"), after.get(name, "none")
        if old != new:
            yield _stored(dataset, Topic.SETTINGS, Sign.CHANGE, name, f"{old} → {new}")


def _stored(dataset: str, topic: Topic, sign: Sign, where: str, what: str = "", loses: str = "") -> Difference:
    return Difference(dataset, topic, sign, where, what, Action.STORE, loses=loses)


# --- what is there ----------------------------------------------------------------------------------------------------


def plan_project(dataset: str, name: str, url: str, changes: Iterable[LabelChange]) -> Iterator[Difference]:
    """Yield what differs between the labels of a dataset file and those of its project in CVAT.

    What would delete what people drew is never done: a person does it at the project's `url`.
    """
    for one in changes:
        if one.wanted is not None and one.present is None:
            what = f"the project {name!r} has no such label"
            yield Difference(dataset, Topic.LABELS, Sign.ADD, one.name, what, Action.ADD_LABEL)
        elif one.changes:
            what = f"in the project {name!r}: {'; '.join(one.changes)}"
            yield Difference(dataset, Topic.LABELS, Sign.CHANGE, one.name, what, Action.CHANGE_LABEL)
        if one.removals:
            what = "; ".join(one.removals)
            next_step = f"to remove it deletes what people drew: do so in {url}, or correct the file"
            yield _noted(dataset, Topic.LABELS, one.name, f"{what}: {next_step}")


def plan_accounts(
    dataset: str, server: str, annotators: Sequence[str], users: Mapping[str, bool], assignable: Collection[str]
) -> Iterator[Difference]:
    """Compare the annotators with the users of a CVAT, or of an organization there; jobs go to `assignable` ones only.

    `users` says of each whether the account is active.
    """
    for name in annotators:
        if name not in users:
            what = f"CVAT {server} has no such user"
        elif not users[name]:
            what = f"CVAT {server} has deactivated them"
        elif name not in assignable:
            what = f"they have not accepted the invitation to CVAT {server}"
        else:
            continue
        yield _noted(dataset, Topic.PEOPLE, name, f"{what}: no job goes to them")


def plan_objects(dataset: str, source: str, keys: Sequence[str], count: int) -> Iterator[Difference]:
    """Report `count` objects of a source that the ledger lacks; `keys` are the first of them."""
    if count:
        shown = ", ".join(keys) + (", …" if count > len(keys) else "")
        yield Difference(
            dataset, Topic.OBJECTS, Sign.ADD, source, f"{count:,} objects without a batch: {shown}", Action.REGISTER
        )


@dataclass(frozen=True)
class FoundSchedule:
    """A schedule of Prefect with a dataset as its parameter.

    `timing` is None for one that no dataset file can describe (an rrule, other parameters); `described` says what it
    is. `ours` is whether labelyard created it; it is not `active` while a person has paused it.
    """

    dataset: str
    verb: Verb
    timing: Timing | None
    described: str
    active: bool
    ours: bool


def plan_schedules(
    dataset: str, declared: Mapping[Verb, Timing], found: Iterable[FoundSchedule]
) -> Iterator[Difference]:
    """Compare the schedules of a dataset file with those in Prefect.

    A schedule that a person paused stays paused, and one that a person added stays; both are named.
    """
    schedules = [one for one in found if one.dataset == dataset]
    ours = {one.verb: one for one in schedules if one.ours}
    for verb in Verb:
        wanted, actual = declared.get(verb), ours.get(verb)
        if actual is None and wanted is not None:
            yield _scheduled(dataset, verb, Sign.ADD, str(wanted), Action.CREATE_SCHEDULE)
        elif actual is not None and wanted is None:
            yield _scheduled(dataset, verb, Sign.REMOVE, actual.described, Action.DELETE_SCHEDULE)
        elif actual is not None and wanted != actual.timing:
            what = f"{wanted}, in Prefect {actual.described}"
            yield _scheduled(dataset, verb, Sign.CHANGE, what, Action.CHANGE_SCHEDULE)
        if actual is not None and wanted is not None and not actual.active:
            yield _noted(dataset, Topic.SCHEDULES, verb, "a person has paused it in Prefect; it stays paused", verb)
    for one in schedules:
        if not one.ours:
            what = f"{one.described}: a person has added it in Prefect; it stays"
            yield _noted(dataset, Topic.SCHEDULES, one.verb, what, one.verb)


def _scheduled(dataset: str, verb: Verb, sign: Sign, what: str, action: Action) -> Difference:
    return Difference(dataset, Topic.SCHEDULES, sign, verb, what, action, verb=verb)


def _noted(dataset: str, topic: Topic, where: str, what: str, verb: Verb | None = None) -> Difference:
    return Difference(dataset, topic, Sign.NOTE, where, what, Action.REPORT, verb=verb)
