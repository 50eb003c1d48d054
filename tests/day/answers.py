"""The ten questions of a labelling lead, answered from the Markdown of the pages in Prefect's UI and nothing else.

1. Does anything need me now? What is it, and what do I do?
2. Was a server down today? Which, from when to when, and is it over?
3. How many files arrived today, in all and for each dataset?
4. How many images still have to be labelled or exported, and since when has the oldest waited?
5. Who has open jobs, how many, and who has done what today?
6. Which batches are late, since when, and with whom?
7. Was a file rejected? Which, why, and what can I do?
8. What was finished today: images, annotations by class?
9. When will the backlog be done?
10. Where is a batch: its CVAT task, its jobs with persons and states, and its timeline with durations?
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MOMENT = r"[A-Z][a-z]{2} \d+ [A-Z][a-z]{2} \d\d:\d\d"
_SECOND = r"(?:[A-Z][a-z]{2} \d+ [A-Z][a-z]{2} )?\d\d:\d\d:\d\d"
_LINK = re.compile(r"\[([^\]]*)\]\(<[^>]*>\)")


@dataclass(frozen=True)
class Person:
    """A row of the table of people; "nobody" for jobs without an assignee."""

    open_jobs: int
    done_today: int


@dataclass(frozen=True)
class Answers:
    """What the operations page says; a question that it does not answer has an empty answer."""

    verdict: str
    needs: Sequence[str]
    """The entries below "Needs a person", each with its next command."""
    outages: Mapping[str, tuple[str, str]]
    """By server: when its last outage began and ended; the end is "" while it lasts."""
    arrived: Mapping[str, int]
    """Images by dataset today, and with the name "" in all."""
    backlog: tuple[int, str]
    """How many images, and since when the oldest batch waits."""
    people: Mapping[str, Person]
    late: Mapping[str, tuple[str, str]]
    """By batch: when it was due, and the people who have it."""
    rejected: Sequence[str]
    """The entries about quarantined files."""
    what_ends_it: str
    """What a person can do about these files."""
    exported: int
    """Images today."""
    classes: Mapping[str, int]
    """Annotations of today by class."""
    forecast: str


@dataclass(frozen=True)
class BatchAnswers:
    """What the page of a batch says."""

    state: str
    task_url: str
    jobs: Sequence[tuple[str, str]]
    """The person and the status of each job."""
    life: Mapping[str, str]
    """How long the batch was in each state."""


def read_operations(page: str) -> Answers:
    """Return the answers to questions 1 to 9."""
    servers = {row[0]: row for row in _table(page, "Servers")}
    today = {row[0]: row[1] for row in _table(page, "Today and this week")}
    waits = re.search(rf"Not exported yet: \*\*([\d,]+) images? in .*?since ({_MOMENT})", page)
    forecast = re.search(r"- Forecast: (.*)", page)
    known = _entries(page, "To know")
    by_class = re.search(r"- Today: (.*)", page)
    return Answers(
        verdict=page.splitlines()[0].removeprefix("## "),
        needs=_entries(page, "Needs a person"),
        outages={name: found for name, row in servers.items() if any(found := _outage(row[2]))},
        arrived={"": _number(today.get("files arrived", ""))}
        | {_text(row[0]): _number(row[1]) for row in _table(page, "Datasets")},
        backlog=(_number(waits[1]), waits[2]) if waits else (0, ""),
        people={_text(row[0]): Person(_number(row[1]), _number(row[4])) for row in _table(page, "With people")},
        late=_late(_entries(page, "Late")),
        rejected=[entry for entry in known if "quarantined" in entry],
        what_ends_it="\n".join(line for line in _section(page, "To know").splitlines() if line.startswith("next ")),
        exported=_number(today.get("images exported", "")),
        classes={
            name: _number(number) for name, number in re.findall(r"`([^`]+)` ([\d,]+)", by_class[1] if by_class else "")
        },
        forecast=forecast[1] if forecast else "",
    )


def read_batch(page: str) -> BatchAnswers:
    """Return the answer to question 10."""
    task = re.search(r"### Task \[\d+\]\(<([^>]+)>\)", page)
    state = re.match(r"## \S+: (\w+)", page)
    return BatchAnswers(
        state=state[1] if state else "",
        task_url=task[1] if task else "",
        jobs=[(_text(row[2]), row[3]) for row in _table(page, "Task")],
        life={row[0]: row[2] for row in _table(page, "Life")},
    )


def _outage(cell: str) -> tuple[str, str]:
    """Return when an outage began and ended: of "03:01:29 to 03:02:03, once today", of "since 03:01:29", of others."""
    found = re.match(rf"(?:since )?({_SECOND})(?: to ({_SECOND}))?", cell)
    return (found[1], found[2] or "") if found else ("", "")


def _section(page: str, title: str) -> str:
    found = re.search(rf"^### {title}.*?$(.*?)(?=^### |\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _entries(page: str, title: str) -> Sequence[str]:
    return [line.removeprefix("- ") for line in _section(page, title).splitlines() if line.startswith("- ")]


def _table(page: str, title: str) -> Sequence[Sequence[str]]:
    """Return the rows of the first table of a section, without its head."""
    lines = [line for line in _section(page, title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def _late(entries: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for entry in entries:
        read = re.match(r"\*\*([^*]*)\*\*: [^:]*?(?:, with (.*?))?(?::|<br>)", _text(entry))
        batches, people = (read[1], read[2] or "") if read else ("", "")
        for batch, due in re.findall(rf"(\S+-\d{{5}}) due ({_MOMENT})", batches):
            found[batch] = due, people
    return found


def _text(cell: str) -> str:
    """Return a cell without its link, and without the backticks of code."""
    return _LINK.sub(r"\1", cell).replace("`", "")


def _number(cell: str) -> int:
    return int(cell.replace(",", "")) if re.fullmatch(r"[\d,]+", cell) else 0
