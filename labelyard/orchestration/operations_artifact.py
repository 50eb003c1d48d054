"""The Markdown of the operations page, and of the page of a dataset. Figures come in, text goes out.

Prefect's UI cuts a table that is wider than the page, so tables have short cells only, and all else is a list.
Times are absolute: a page on which nothing changed keeps its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from labelyard.domain.causes import Cause, Kind
from labelyard.domain.deadlines import LateBatch, stage_words
from labelyard.markdown import advice, code, link, table
from labelyard.operations.figure_words import count, forecast, outage, period_rows, review_lines, waiting
from labelyard.operations.figures import DatasetFigures, Figures, late_groups
from labelyard.operations.late_words import due, open_work, waits_for
from labelyard.operations.moments import day_or_time, moment, moment_and_zone
from labelyard.orchestration.page_links import PageLinks, batch_key, dataset_key, job_link, release_key
from labelyard.orchestration.quarantine_advice import quarantine_advice

_SHOWN, _CAUSES_SHOWN, _CLASSES_SHOWN, _PEOPLE_SHOWN, _DATASETS_SHOWN, _LATE_SHOWN = 5, 20, 15, 30, 50, 50


def operations_markdown(seen: Figures, links: PageLinks, datasets: Sequence[str] = (), plot: str = "") -> str:
    """Return the page as Markdown, without the time at which it was drawn; `plot` is the image's data URL.

    `datasets` are those that it names with a link to their page, also where nothing happens in them.
    """
    to_act = [cause for cause in seen.causes if cause.to_act]
    to_know = [cause for cause in seen.causes if not cause.has_alert]
    parts = [
        _list("Needs a person", _causes(to_act, seen, links), none="nothing"),
        _list("Late", _late(seen, links), none="nothing"),
        _list("To know", _causes(to_know, seen, links)),
        quarantine_advice(_quarantined(to_know[:_CAUSES_SHOWN])),
        _periods(seen),
        _datasets(seen, links, datasets),
        _arriving(seen),
        plot_line(plot),
        _people(seen),
        _reviews(seen),
        _servers(seen),
        _finished(seen, links),
        _newest(seen, links),
    ]
    return "\n\n".join(part for part in parts if part)


def plot_line(plot: str) -> str:
    """Return the line of the page that shows the image, "" without one."""
    return f"![Images by day]({plot})" if plot else ""


def _list(title: str, lines: Iterator[str], none: str = "") -> str:
    found = "\n".join(f"- {line}" for line in lines)
    return f"### {title}\n\n{found}" if found else f"**{title}:** {none}" if none else ""


def _page(links: PageLinks, key: str, name: str) -> str:
    return link(name, links.known(key))


def _batch(batch: str, seen: Figures, links: PageLinks) -> str:
    return link(batch, links.known(batch_key(batch)) or seen.task_urls.get(batch, ""))


def _first(shown: Sequence[str]) -> str:
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _causes(causes: Sequence[Cause], seen: Figures, links: PageLinks) -> Iterator[str]:
    yield from (_cause(cause, seen, links) for cause in causes[:_CAUSES_SHOWN])
    if len(causes) > _CAUSES_SHOWN:
        yield f"… and {len(causes) - _CAUSES_SHOWN} more: {code('labelyard status')}"


def _cause(cause: Cause, seen: Figures, links: PageLinks) -> str:
    about = f"{cause.dataset}: " if cause.dataset and not seen.dataset and not cause.batches else ""
    more = [f"in {_first([_batch(one, seen, links) for one in cause.batches])}"] if cause.batches else []
    if cause.examples:
        beside = "such as " if cause.objects > 1 else ""
        more.append(f"{beside}{code(cause.examples[0])}")
    if cause.next_step and cause.kind is not Kind.QUARANTINED:
        each = " for each" if len(cause.batches) > 1 and cause.next_step.endswith(cause.batches[0]) else ""
        more.append("next: " + " ".join(map(advice, cause.next_step.splitlines())) + each)
    first = f"**{about}{cause.title}** (since {moment(cause.since, seen.zone)}): {code(cause.reason.splitlines()[0])}"
    return f"{first}<br>{' · '.join(more)}" if more else first


def _quarantined(causes: Sequence[Cause]) -> Iterator[tuple[str, str]]:
    """Yield the reason and the address of a file of each entry about quarantined ones."""
    yield from ((cause.reason, cause.examples[0]) for cause in causes if cause.kind is Kind.QUARANTINED)


def _late(seen: Figures, links: PageLinks) -> Iterator[str]:
    """Yield an entry for alike late batches; on the page of a dataset one for each, with its jobs."""
    if seen.dataset:
        yield from (_late_batch(one, seen, links) for one in seen.late[:_LATE_SHOWN])
        if len(seen.late) > _LATE_SHOWN:
            yield f"… and {len(seen.late) - _LATE_SHOWN} more: {code('labelyard status')}"
        return
    for members in late_groups(seen.late):
        shown = [f"{_batch(one.id, seen, links)} {due(one, seen.at, seen.zone)}" for one in members]
        yield f"**{_first(shown)}**: {waits_for(members, code)}<br>next: {advice(members[0].next_step)}"


def _late_batch(late: LateBatch, seen: Figures, links: PageLinks) -> str:
    jobs = [f"{open_work([late])}: {_first(_late_jobs(late))}"] if late.jobs else []
    more = " · ".join([*jobs, f"next: {advice(late.next_step)}"])
    first = f"{_batch(late.id, seen, links)} {due(late, seen.at, seen.zone)}"
    return f"**{first}**: {stage_words(late.stage)}<br>{more}"


def _late_jobs(late: LateBatch) -> Sequence[str]:
    """Return the unfinished jobs of a late batch, each with its link, its person and its images."""
    return [
        f"job {job_link(one.id, late.task_url or '')} with {code(one.assignee) if one.assignee else 'nobody'}:"
        f" {count(one.frames, 'image')}"
        for one in late.jobs
    ]


def _periods(seen: Figures) -> str:
    rows = zip(period_rows(seen.today), period_rows(seen.week), strict=True)
    shown = [(what, f"{today:,}", f"{week:,}") for (what, today), (_, week) in rows]
    since = f"Since {moment(seen.today.since, seen.zone)} and {moment_and_zone(seen.week.since, seen.zone)}."
    if seen.week.quarantined:
        since += " Quarantined files count here also after they were replaced or deleted."
    return f"### Today and this week\n\n{table(('', 'today', 'this week'), shown)}\n\n{since}"


def _datasets(seen: Figures, links: PageLinks, names: Sequence[str]) -> str:
    """Return the figures of each dataset; on the page of a dataset nothing."""
    if seen.dataset or not (names or seen.datasets):
        return ""
    idle = [DatasetFigures(name, 0, 0, 0, 0, 0) for name in sorted({*names} - {one.name for one in seen.datasets})]
    found = [*seen.datasets, *idle]
    rows = (
        (
            _page(links, dataset_key(one.name), one.name),
            f"{one.arrived_today:,}",
            f"{one.arrived_week:,}",
            f"{one.exported_today:,}",
            f"{one.exported_week:,}",
            f"{one.waiting:,}",
        )
        for one in found[:_DATASETS_SHOWN]
    )
    head = ("dataset", "arrived today", "this week", "exported today", "this week", "not exported")
    more = f"\n\n… and {len(found) - _DATASETS_SHOWN} more" if len(found) > _DATASETS_SHOWN else ""
    units = "What arrived are files, quarantined ones included; all other numbers are images."
    return f"### Datasets\n\n{table(head, rows)}{more}\n\n{units}"


def _arriving(seen: Figures) -> str:
    found, backlog = seen.arriving, seen.arriving.backlog
    hour = f"{count(found.objects_hour, 'file')} and {count(found.batches_hour, 'batch', 'es')}"
    lines = [f"In the last hour: {hour}"]
    if text := waiting(seen):
        lines += [f"Not exported yet: **{text}**", f"Forecast: {forecast(seen)}"]
    states = ", ".join(f"{number} {state}" for state, number in sorted(backlog.states.items()))
    lines.append(f"All batches: {states or 'none yet'}")
    return _list("Arriving", iter(lines))


def _people(seen: Figures) -> str:
    people = seen.people
    if not people:
        return "**With people:** nothing"
    rows = (
        (
            code(one.name) if one.name else "nobody",
            f"{one.open_jobs:,}" if one.open_jobs else "-",
            f"{one.open_images:,}" if one.open_images else "-",
            day_or_time(one.oldest, seen.at, seen.zone) if one.oldest else "-",
            f"{one.images_today:,}" if one.images_today else "-",
            f"{one.images_week:,}" if one.images_week else "-",
            f"{one.images_per_hour:,.0f}" if one.images_per_hour is not None else "-",
            f"{one.returned:,}" if one.returned else "-",
        )
        for one in people[:_PEOPLE_SHOWN]
    )
    head = ("person", "open jobs", "images", "oldest", "done today", "this week", "per hour", "sent back")
    more = f"\n\n… and {len(people) - _PEOPLE_SHOWN} more" if len(people) > _PEOPLE_SHOWN else ""
    note = "Images done today and this week, and the rate of two weeks."
    return f"### With people\n\n{table(head, rows)}{more}\n\n{note}"


def _reviews(seen: Figures) -> str:
    """Return the jobs in review and the verdicts about each annotator; nothing for datasets without reviews."""
    return _list("In review", iter(review_lines(seen, code)))


def _finished(seen: Figures, links: PageLinks) -> str:
    found = seen.finished
    if not found.batches:
        return "**Finished:** nothing"
    total = sum(found.annotations.values())
    releases = [
        f"{link(f'{one.dataset} release {one.number}', links.known(release_key(one.dataset)))}"
        f" of {moment(one.published_at, seen.zone)}: {one.images:,} images, {one.annotations:,} annotations"
        for one in seen.releases
    ]
    images = f"{count(found.images, 'image')} in {count(found.batches, 'batch', 'es')}"
    periods = (("In all", found), ("Today", seen.today.exported), ("This week", seen.week.exported))
    by_class = [f"{name}: {_by_class(of_it.annotations)}" for name, of_it in periods if of_it.annotations]
    lines = [f"**{images}**, {count(total, 'annotation')}", *by_class, *releases]
    return _list("Finished", iter(lines if releases else [*lines, "No release yet"]))


def _by_class(annotations: Mapping[str, int]) -> str:
    classes = sorted(annotations.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(classes) - _CLASSES_SHOWN} more" if len(classes) > _CLASSES_SHOWN else ""
    return " · ".join(f"{code(name)} {number:,}" for name, number in classes[:_CLASSES_SHOWN]) + more


def _newest(seen: Figures, links: PageLinks) -> str:
    shown = (f"{_batch(one.id, seen, links)}: {one.state}, {count(one.objects, 'image')}" for one in seen.newest)
    return _list("Newest batches", shown)


def _servers(seen: Figures) -> str:
    """Return a line if every server is up and no outage is known, else a table."""
    if all(one.up and one.since is None for one in seen.servers):
        return f"**Servers:** {', '.join(one.name for one in seen.servers)}: up, no outage known"
    rows = (
        (
            one.name,
            "up" if one.up else "**down**",
            outage(one, seen) or "none known",
            one.waiting or "-",
        )
        for one in seen.servers
    )
    errors = "\n".join(f"- {one.name}: {code(one.error)}" for one in seen.servers if one.error)
    shown = f"### Servers\n\n{table(('server', 'state', f'last outage ({seen.zone})', 'waits for it'), rows)}"
    return f"{shown}\n\n{errors}" if errors else shown
