"""The first line of the page and the lists below it say the same, in any situation."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.attention import (
    ExpectedObjects,
    OpenProblem,
    Outage,
    QuarantinedObject,
    Situation,
    causes,
    stopped_batches,
)
from labelyard.domain.causes import Kind
from labelyard.domain.deadlines import STAGES, BatchAtWork, JobAtWork
from labelyard.domain.headline import verdict
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger.finished import Finished
from labelyard.ledger.workload import Backlog
from labelyard.operations.figure_words import headline, lines
from labelyard.operations.figures import Arriving, Figures, Period
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
DATASETS = ("street", "night")
ERRORS = ("label car is unknown", "task 7 was deleted", "no such user")
EVENTS_OF_LEDGER = (Kind.SOURCE, Kind.QUEUE, Kind.EVENTS, Kind.AUTOMATION, Kind.HOUSEKEEPING)

some_time = st.timedeltas(timedelta(0), timedelta(days=20)).map(lambda age: NOW - age)
people = st.sampled_from([None, "anna", "ben"])
jobs = st.builds(
    JobAtWork,
    id=st.integers(1, 9), assignee=people, frames=st.integers(1, 9), status=st.sampled_from(JobStatus), since=some_time,
    undecided=st.sampled_from(["", "", "rejected 3 times"]), undecided_since=some_time,
)  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    numbers = count(1)
    states = [*STAGES, BatchState.FAILED, BatchState.EXPORTED]

    def batch() -> BatchAtWork:
        dataset, state = draw(st.sampled_from(DATASETS)), draw(st.sampled_from(states))
        name, error = f"{dataset}-{next(numbers):05d}", draw(st.sampled_from([None, *ERRORS]))
        return BatchAtWork(
            name, dataset, state, draw(some_time), draw(st.sampled_from(["default", "night"])),
            error=error or ("failed" if state is BatchState.FAILED else None), error_since=draw(some_time),
            attempts=draw(st.integers(0, 7)), warning=draw(st.sampled_from([None, "16-bit images"])),
            jobs=tuple(draw(st.lists(jobs, max_size=3))) if state is BatchState.ASSIGNED else (),
        )  # fmt: skip

    outage = st.builds(
        Outage, st.sampled_from(["default", "night"]), some_time, st.just("503"), label=st.just("CVAT default")
    )
    problem = st.builds(
        OpenProblem, st.sampled_from(EVENTS_OF_LEDGER), st.sampled_from("abcd"), st.sampled_from(DATASETS),
        st.just("cannot be read"), st.just("labelyard doctor"), some_time,
    )  # fmt: skip
    objects = st.builds(
        QuarantinedObject, st.integers(1, 99).map("s3://b/{}.jpg".format), st.sampled_from(DATASETS),
        st.sampled_from(["", "street-00001"]), st.sampled_from(["no image: 8 bytes", "manually: blurred"]), some_time,
    )  # fmt: skip
    return Situation(
        NOW,
        batches=[batch() for _ in range(draw(st.integers(0, 12)))],
        outages=draw(st.lists(outage, max_size=1)),
        quarantined=draw(st.lists(objects, max_size=5)),
        dead_letters=draw(st.integers(0, 2)),
        dead_letters_since=NOW,
        paused=draw(st.dictionaries(st.sampled_from(DATASETS), st.just(("holidays", NOW)))),
        expected=draw(
            st.lists(st.just(ExpectedObjects("street", timedelta(days=1), NOW - timedelta(days=3))), max_size=1)
        ),
        problems=draw(st.lists(problem, max_size=3)),
    )


def shown(seen: Situation) -> Figures:
    """The figures of a situation in which nothing arrives and nobody works."""
    found = causes(seen)
    nothing = Period(NOW, 0, 0, 0, 0, (), Finished(0, 0, {}), ())
    at_work = sum(one.state in (*STAGES, BatchState.FAILED) for one in seen.batches)
    return Figures(
        at=NOW, dataset=None, causes=found,
        verdict=verdict(found, seen.late, at_work=at_work, down=[one.label for one in seen.outages]),
        late=[one for one in seen.late if one.id not in stopped_batches(found)],
        today=nothing, week=nothing, datasets=(), people=(), finished=Finished(0, 0, {}), releases=(), servers=(),
        arriving=Arriving(0, 0, Backlog(at_work, 0, None, {}, {})), forecast=None, days=(),
    )  # fmt: skip


def number(text: str, words: str) -> int:
    found = re.search(rf"(\d+) {words}", text)
    return int(found[1]) if found else 0


def named(line: str) -> int:
    """How many batches a line names, or counts beside those that it names."""
    return len(set(re.findall(r"(?:street|night)-\d{5}", line))) + number(line, "more")


def section(page: str, title: str) -> list[str]:
    """The entries of a section of the page."""
    found = re.search(rf"### {title}\n\n((?:- .*\n?)*)", page)
    return found[1].splitlines() if found else []


@given(situations())
def test_every_number_of_the_headline_is_the_number_of_what_the_lists_name(seen: Situation) -> None:
    figures = shown(seen)
    first, page, text = headline(figures), operations_markdown(figures, PageLinks("http://ui")), list(lines(figures))
    to_act = [cause for cause in figures.causes if cause.to_act]
    stopped = {batch for cause in to_act for batch in cause.batches}
    assert number(first.lower(), "batch(?:es)? needs? you") == len(stopped)
    assert number(first.lower(), "things? needs? you") == sum(
        not cause.batches and cause.kind is not Kind.SERVER for cause in to_act
    )
    overdue = number(first, "batch(?:es)? late")
    assert overdue == len(figures.late) == sum(map(named, section(page, "Late")))
    assert overdue == sum(named(line) for line in text if line.startswith("late: "))
    assert overdue == sum(len(cause.batches) for cause in figures.causes if cause.kind is Kind.LATE)
    assert number(first, "datasets? paused") == sum("no run starts" in line for line in section(page, "To know"))
    assert len(section(page, "Needs a person")) == len(to_act)
    assert number(first, "files? quarantined") == sum(
        number(line, "files? quarantined") for line in section(page, "To know")
    )
    warned = [cause.batches for cause in figures.causes if cause.kind is Kind.WARNING]
    assert number(first, "batch(?:es)? with a warning") == len({batch for group in warned for batch in group})


@given(situations())
def test_each_entry_names_as_many_batches_as_it_counts(seen: Situation) -> None:
    page = operations_markdown(shown(seen), PageLinks("http://ui"))
    for line in [*section(page, "Needs a person"), *section(page, "To know"), *section(page, "Late")]:
        if counted := re.match(r"- \*\*(\d+) batch(?:es)? ", line):
            assert named(line.replace("`labelyard", "").split(" · next: ")[0]) == int(counted[1])


@given(situations())
def test_no_batch_is_both_late_and_in_need_of_a_person_and_nothing_runs_well_beside_an_entry(seen: Situation) -> None:
    figures = shown(seen)
    late = {batch for cause in figures.causes if cause.kind is Kind.LATE for batch in cause.batches}
    assert not late & stopped_batches(figures.causes)
    if "all running" in figures.verdict or "nothing to do" in figures.verdict:
        assert not figures.causes
        assert not figures.late
        assert "unavailable" not in figures.verdict
