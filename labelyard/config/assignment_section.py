"""The section `assignment` of a dataset file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, WithJsonSchema

from labelyard.config.fields import Caption, Count, Duration, Glob, Name, Person, Problem, Section, unknown_choice
from labelyard.config.schedule_section import Timezone
from labelyard.domain.assignment import ASSIGNMENT_POLICIES, AssignmentRules, PersonRules
from labelyard.domain.working_hours import HOURS, WorkingHours, parse_hours


def _known_policy(value: str) -> str:
    if value not in ASSIGNMENT_POLICIES:
        raise ValueError(unknown_choice(value, list(ASSIGNMENT_POLICIES)))
    return value


def _hours(value: str) -> str:
    parse_hours(value)
    return value


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError(
            f'{value!r} is no day: write it in quotes as year, month and day, such as "2026-12-25"'
        ) from None


PolicyName = Annotated[
    str, AfterValidator(_known_policy), WithJsonSchema({"type": "string", "enum": list(ASSIGNMENT_POLICIES)})
]
"""The name of an assignment policy."""
HoursText = Annotated[str, AfterValidator(_hours), WithJsonSchema({"type": "string", "pattern": f"^ *{HOURS} *$"})]
"""Days and times of day: `mon-fri 09:00-17:00`."""
Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]
"""A day: year, month and day."""
Limit = Annotated[Count, Field(ge=1, le=10_000)]
_LIMITS = {"pool": 1, "forecast": 1}
"""The limits of policies that give jobs one after the other."""
Level = Annotated[Count, Field(ge=1, le=10)]


class PersonSection(Section):
    """What counts for one annotator in place of what counts for everybody; null: what counts for everybody."""

    limit: Limit | None = None
    """How many unfinished jobs of the dataset this person has at most."""
    hours: tuple[HoursText, ...] | None = None
    """When this person works; `[]` for at any hour."""
    timezone: Timezone | None = None
    """The time zone of this person's hours and holidays."""
    holidays: tuple[Day, ...] | None = None
    """The days on which this person does not work, such as `["2026-12-25"]`."""


class SkillSection(Section):
    """A skill: which jobs need it, and who has it."""

    keys: tuple[Glob, ...] = ()
    """A job needs it if the key of one of its images, after the prefix of its source, matches one of these globs."""
    labels: tuple[Caption, ...] = ()
    """A job needs it if `preannotate` predicts a shape with one of these labels in it."""
    people: dict[Person, Level] = Field(min_length=1)
    """Who has it, and how well, from 1 to 10: the highest level with room for another job gets it."""

    def problems(self) -> Iterator[Problem]:
        """Yield a skill that no job could need."""
        if not self.keys and not self.labels:
            yield ("keys",), "no job needs this skill: write keys or labels"

    def is_needed(self, keys: Sequence[str], labels: Sequence[str]) -> bool:
        """Return whether a job with images of these keys (after their prefixes) and predicted labels needs it."""
        if not {*labels}.isdisjoint(self.labels):
            return True
        return any(fnmatchcase(key.lower(), glob.lower()) for key in keys for glob in self.keys)


class AssignmentSection(Section):
    """How jobs are assigned to annotators. A job that nobody may get now waits, and is assigned once somebody may."""

    policy: PolicyName = "round_robin"
    """round_robin: the annotators in turn, continuing from batch to batch. least_loaded: who has the fewest images in
    unfinished jobs. by_skill: who is best at what the job needs (`skills`), the least loaded of these. pool: jobs stay
    free, and a person gets the next one when an earlier one is completed. forecast: who is expected to complete it
    first, by the times learned of each person; while too little is known, as least_loaded."""
    limit: Limit | None = None
    """How many unfinished jobs of the dataset a person has at most; null for any number, with `pool` and `forecast`
    for 1. Work that a review sends back counts, and goes to its annotator whatever the limit."""
    hours: tuple[HoursText, ...] = ()
    """When people work, such as `["mon-fri 09:00-17:00"]`: nobody gets a job at another time. Empty for at any hour."""
    timezone: Timezone = "UTC"
    """The time zone of `hours` and `holidays`, such as Europe/Berlin."""
    holidays: tuple[Day, ...] = ()
    """Days on which nobody works, such as `["2026-12-25"]`."""
    people: dict[Person, PersonSection] = Field(default_factory=dict)
    """Other limits and hours of some annotators, by their user names."""
    reassign_after: Duration | None = None
    """A job that its annotator has not begun for so long, nights and holidays included, goes to somebody else who may
    get it, once; null: never."""
    skills: dict[Name, SkillSection] = Field(default_factory=dict)
    """With `policy: by_skill`: what some jobs need, and who can do it, each by a name."""

    def problems(self) -> Iterator[Problem]:
        """Yield fields that would have no effect."""
        if self.skills and self.policy != "by_skill":
            yield ("skills",), "count with policy: by_skill only: write that policy, or remove them"
        if self.policy == "by_skill" and not self.skills:
            yield ("skills",), "are missing: by_skill needs at least one, with keys or labels and people"
        if self.timezone != "UTC" and not (self.hours or self.holidays or self._personal_times()):
            yield ("timezone",), "counts for hours and holidays: write one of them, or remove it"

    def misfits(self, annotators: Sequence[str], labels: Sequence[str], *, predicts: bool) -> Iterator[Problem]:
        """Yield what does not fit the rest of the file: its annotators, its labels, and whether it has predictions."""
        for name in self.people:
            if name not in annotators:
                yield ("people", name), unknown_choice(name, annotators)
        for skill, section in self.skills.items():
            at = ("skills", skill)
            for name in section.people:
                if name not in annotators:
                    yield (*at, "people", name), unknown_choice(name, annotators)
            for number, label in enumerate(section.labels):
                if label not in labels:
                    yield (*at, "labels", number), unknown_choice(label, labels)
            if section.labels and not predicts:
                yield (*at, "labels"), "are those that a model predicts: write preannotate, or keys instead"

    def rules(self) -> AssignmentRules:
        """Return them as the decisions need them."""
        people = {*self.people, *(name for skill in self.skills.values() for name in skill.people)}
        return AssignmentRules(
            self.policy, self._rules_of(None, {}),
            {name: self._rules_of(name, self._levels(name)) for name in people}, self.reassign_after,
        )  # fmt: skip

    def needed_skills(self, keys: Sequence[str], labels: Sequence[str]) -> frozenset[str]:
        """Return the skills that a job with images of these keys and predicted labels needs."""
        return frozenset(name for name, skill in self.skills.items() if skill.is_needed(keys, labels))

    def _personal_times(self) -> bool:
        return any(one.hours or one.holidays for one in self.people.values())

    def _levels(self, person: str) -> dict[str, int]:
        return {name: skill.people[person] for name, skill in self.skills.items() if person in skill.people}

    def _rules_of(self, person: str | None, levels: dict[str, int]) -> PersonRules:
        own = self.people.get(person or "", PersonSection())
        hours = self.hours if own.hours is None else own.hours
        holidays = self.holidays if own.holidays is None else own.holidays
        limit = own.limit or self.limit or _LIMITS.get(self.policy)
        zone = ZoneInfo(own.timezone or self.timezone)
        days = frozenset(map(date.fromisoformat, holidays))
        times = WorkingHours(tuple(map(parse_hours, hours)), zone, days) if hours or days else None
        return PersonRules(limit, times, levels)
