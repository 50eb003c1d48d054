"""The figures in words: the sentences that the operations page and `labelyard status` share, and its lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from labelyard.domain.causes import Kind
from labelyard.escaping import printable
from labelyard.ledger.workload import Verdicts
from labelyard.operations.figures import Figures, Period, PersonFigures, late_groups
from labelyard.operations.foresee import forecast_words
from labelyard.operations.late_words import due, waits_for
from labelyard.operations.moments import moment, moment_and_zone, second_or_day
from labelyard.operations.review_facts import progress_words
from labelyard.operations.server_figures import ServerFigures

_BATCHES_SHOWN, _PEOPLE_SHOWN = 5, 8
_NOT_IN_PROBLEMS = (
    Kind.SOURCE,
    Kind.NOTHING_ARRIVED,
    Kind.QUEUE,
    Kind.EVENTS,
    Kind.AUTOMATION,
    Kind.HOUSEKEEPING,
    Kind.NOT_REACHED,
    Kind.NOBODY,
    Kind.REVIEW,
)
"""Kinds of causes that `problems` says nothing about."""


def headline(seen: Figures) -> str:
    """Return the verdict as a sentence."""
    return seen.verdict[:1].upper() + seen.verdict[1:]


def count(number: int, noun: str, plural: str = "s") -> str:
    """Return a number with its noun: "1 batch", "2,000 images"."""
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def outage(one: ServerFigures, seen: Figures) -> str:
    """Return when a server was down last, or since when it is, and how often today: "03:01:29 to 03:02:03, once today".

    It is "" if no outage is known.
    """
    if one.since is None:
        return ""
    changed = second_or_day(one.since, seen.at, seen.zone)
    often = f", {one.times_today} times today" if one.times_today > 1 else ""
    if not one.up:
        return f"since {changed}{often}"
    began = second_or_day(one.was_down_since or one.since, seen.at, seen.zone)
    return f"{began} to {changed}{often or (', once today' if one.times_today else '')}"


def short_number(number: float) -> str:
    """Return a number in at most four characters: "999", "1.2k", "85k"; "" for none."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= 0.9995 * size:
            return f"{number / size:.1f}{unit}" if number < 9.95 * size else f"{number / size:.0f}{unit}"
    return f"{number:.0f}" if number else ""


def waiting(seen: Figures) -> str:
    """Return what is not exported yet, since when its oldest batch waits, and what people have; "" if nothing."""
    found = seen.arriving.backlog
    if not found.batches:
        return ""
    oldest = f", the oldest batch since {moment(found.oldest_at, seen.zone)}" if found.oldest_at else ""
    to_label = sum(one.open_images for one in seen.people)
    in_jobs = f", {to_label:,} images in open jobs" if to_label else ""
    return f"{count(found.objects, 'image')} in {count(found.batches, 'batch', 'es')}{oldest}{in_jobs}"


def forecast(seen: Figures) -> str:
    """Return when what waits is labelled, also if images go on arriving; "" if nothing waits."""
    if not seen.arriving.backlog.objects:
        return ""
    if seen.forecast is None:
        return "everything is labelled"
    return forecast_words(seen.forecast, seen.zone)


def lines(seen: Figures) -> Iterator[str]:
    """Yield the figures as lines of text; of what needs a person only that of which `problems` says nothing."""
    found = seen.arriving
    for cause in seen.causes:
        if cause.kind in _NOT_IN_PROBLEMS:
            about = f"{cause.dataset}: " if cause.dataset else ""
            yield f"{about}{printable(cause.what)}\n  next: {printable(cause.next_step)}"
    yield from _periods(seen)
    if found.objects_hour:
        yield f"arrived in the last hour: {count(found.objects_hour, 'file')}"
    if text := waiting(seen):
        yield f"not exported yet: {text}"
        yield f"forecast: {forecast(seen)}"
    yield from (f"late: {line}" for line in _late(seen))
    if seen.people:
        more = f" and {len(seen.people) - _PEOPLE_SHOWN} more" if len(seen.people) > _PEOPLE_SHOWN else ""
        yield "people: " + "; ".join(map(_person, seen.people[:_PEOPLE_SHOWN])) + more
    if found_reviews := "; ".join(review_lines(seen, printable)):
        yield f"review: {found_reviews}"
    if seen.finished.batches:
        yield f"finished: {_finished(seen)}"
    yield from (line for one in seen.servers if (line := _server(one, seen)))


def _periods(seen: Figures) -> Iterator[str]:
    """Yield what has happened today, and this week if that is more."""
    periods = {"today": seen.today, "this week": seen.week}
    if period_rows(seen.week) == period_rows(seen.today):
        periods.pop("this week")
    for name, period in periods.items():
        if text := ", ".join(_amount(number, what) for what, number in period_rows(period) if number):
            yield f"{name}: {text}"


def period_rows(period: Period) -> Sequence[tuple[str, int]]:
    """Return what is counted of today or of a week, with its number."""
    return (
        ("files arrived", period.arrived),
        ("files quarantined", period.quarantined),
        ("batches opened", period.opened),
        ("images labelled", period.labelled),
        ("jobs rejected", period.rejected),
        ("images exported", period.exported.images),
        ("annotations exported", sum(period.exported.annotations.values())),
        ("releases", len(period.releases)),
    )


def _amount(number: int, what: str) -> str:
    noun, _, done = what.partition(" ")
    one = {"batches": "batch"}.get(noun, noun.removesuffix("s"))
    return f"{number:,} {one if number == 1 else noun} {done}".strip()


def review_lines(seen: Figures, named: Callable[[str], str]) -> Iterator[str]:
    """Yield how many jobs wait for their reviewers, and how many jobs of each annotator were rejected since when.

    `named` writes a person's name.
    """
    found = seen.reviews
    if found.waiting:
        reviewers = [f"{named(one.name)} {one.to_review}" for one in seen.people if one.name and one.to_review]
        with_whom = f" ({', '.join(reviewers)})" if reviewers else ""
        since = f", the oldest since {moment(found.oldest, seen.zone)}" if found.oldest else ""
        yield f"{count(found.waiting, 'job')} in review{with_whom}{since}"
    for batch, progress in [*found.batches.items()][:_BATCHES_SHOWN]:
        yield f"{batch}: {progress_words(progress, seen.zone, named)}"
    if len(found.batches) > _BATCHES_SHOWN:
        yield f"{len(found.batches) - _BATCHES_SHOWN} more batches in review"
    periods = (("today", seen.today.verdicts), ("this week", seen.week.verdicts), ("in two weeks", found.verdicts))
    for name, verdicts in periods:
        yield from _verdicts(name, verdicts, named)


def _verdicts(period: str, verdicts: Sequence[Verdicts], named: Callable[[str], str]) -> Iterator[str]:
    """Yield whose jobs reviewers rejected in a period, and whose the check sent back; the most first."""
    decided = [
        f"{_name(one, named)} {one.rejected} of {one.rejected + one.accepted}"
        for one in verdicts
        if one.rejected + one.accepted
    ]
    faulty = [
        f"{_name(one, named)} {one.faulty}" for one in sorted(verdicts, key=lambda one: -one.faulty) if one.faulty
    ]
    for what, said in (("rejected", decided), ("sent back by the check", faulty)):
        more = f" and {len(said) - _PEOPLE_SHOWN} more" if len(said) > _PEOPLE_SHOWN else ""
        if said:
            yield f"{what} {period}: {', '.join(said[:_PEOPLE_SHOWN])}{more}"


def _name(verdicts: Verdicts, named: Callable[[str], str]) -> str:
    return named(verdicts.annotator) if verdicts.annotator else "nobody"


def _late(seen: Figures) -> Iterator[str]:
    for members in late_groups(seen.late):
        names = ", ".join(f"{one.id} {due(one, seen.at, seen.zone)}" for one in members[:_BATCHES_SHOWN])
        more = f" and {len(members) - _BATCHES_SHOWN} more" if len(members) > _BATCHES_SHOWN else ""
        yield f"{names}{more}: {waits_for(members, printable)}\n  next: {printable(members[0].next_step)}"


def _person(one: PersonFigures) -> str:
    rate = f", {one.images_per_hour:,.0f} an hour" if one.images_per_hour is not None else ""
    back = f", sent back {one.returned} times" if one.returned else ""
    open_jobs = f"{count(one.open_jobs, 'open job')} ({count(one.open_images, 'image')})"
    done = f"{one.images_today:,} images done today, {one.images_week:,} this week"
    return f"{printable(one.name) or 'nobody'} {open_jobs}, {done}{rate}{back}"


def _finished(seen: Figures) -> str:
    total = sum(seen.finished.annotations.values())
    releases = "".join(
        f"; {one.dataset} release {one.number} of {moment(one.published_at, seen.zone)}" for one in seen.releases
    )
    return f"{count(seen.finished.images, 'image')}, {count(total, 'annotation')}{releases}"


def _server(one: ServerFigures, seen: Figures) -> str:
    """Return a line about a server that is down or was down today; "" for any other."""
    if one.up or one.since is None:
        return f"{one.name} was down {outage(one, seen)}" if one.times_today else ""
    held = f"; waiting for it: {one.waiting}" if one.waiting else ""
    return f"{one.name} is down since {moment_and_zone(one.since, seen.zone)}{held}"
