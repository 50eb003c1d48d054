"""What happens in the day, and what must be true at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labelyard.domain.deadlines import Stage, stage_words
from tests.day.answers import Answers, BatchAnswers, read_batch, read_operations
from tests.day.rig import DATASETS, SLOW, Day, picture

CVAT = "CVAT default/acme"
NO_IMAGE = b"\xff\xd8 not an image"


def happen(day: Day) -> None:
    """Let everything happen, and wait after each part until the installation has dealt with it."""
    _morning(day)
    _outage(day)
    _dead_worker(day)
    _rejected_file_replaced(day)
    _deleted_task(day)
    day.until(lambda: _late(day), f"{SLOW} is late, and the page says so")
    day.until(lambda: _alerted(day), "both channels have messages about what was late and what was deleted")
    day.until(lambda: not day.failed_runs(), "no run is red")
    day.until(lambda: not _page(day).needs, "nobody has to act any more")


def _morning(day: Day) -> None:
    day.put("street", 0, 5)
    day.put_file("street", "broken-1.jpg", NO_IMAGE)
    day.put("night", 0, 3)
    day.put_file("night", "9999.jpg", NO_IMAGE + b"!")
    day.until(lambda: _state(day, "street-00001") == "exported", "the first batch of street is exported")
    day.until(lambda: len(_page(day).rejected) == len(DATASETS), "the page names the rejected files of both datasets")


def _outage(day: Day) -> None:
    day.stop_cvat()
    day.put("street", 100, 6)
    day.until(lambda: CVAT in _down(_page(day)), "CVAT is away, and the page says so")
    assert not day.failed_runs(), "a run is red though only CVAT is away"
    day.start_cvat()
    day.until(lambda: not _down(_page(day)), "CVAT is back, and the page says when it was away")
    day.until(lambda: _state(day, "street-00002") in ("assigned", "exported"), "what had waited for it is with people")


def _dead_worker(day: Day) -> None:
    day.put("night", 100, 4)
    day.until(lambda: _state(day, "night-00002") not in ("", "open"), "the second batch of night has closed")
    day.kill_worker()
    day.until(lambda: _state(day, "night-00002") in ("assigned", "exported"), "another worker has continued its work")


def _rejected_file_replaced(day: Day) -> None:
    day.put("street", 200, 4)
    day.put_file("street", "broken-1.jpg", picture(201))
    day.put_file("street", "broken-2.jpg", NO_IMAGE)
    day.until(lambda: _state(day, "street-00003") in ("assigned", "exported"), "the good file is with people")
    day.until(
        lambda: _names(_page(day).rejected) == {"night", "street-2"}, "its rejection is over, another file is rejected"
    )


def _deleted_task(day: Day) -> None:
    batch = next(one["id"] for one in day.status()["batches"] if _is_with(one, SLOW))
    day.delete_task(batch)
    day.until(lambda: any(batch in entry for entry in _page(day).needs), f"the task of {batch} is missed")
    day.until(lambda: _got_message(day, "task unreadable"), "both channels have a message about it")
    day.run("apply")
    day.until(lambda: _state(day, batch) in ("assigned", "exported"), f"{batch} has another task")


def problems(day: Day) -> Iterator[str]:
    """Yield what is wrong at the end: answers that the pages do not give, or that are not true."""
    page = _page(day)
    # Of three files that are no images one was replaced.
    late = "1 batch" if len(page.late) == 1 else f"{len(page.late)} batches"
    if page.verdict != f"{late} late, 2 files quarantined":
        yield f"1: the verdict is {page.verdict!r}"
    began, ended = page.outages.get(CVAT, ("", ""))
    if not (began and ended):
        yield f"2: the outage of CVAT began {began or 'at no time'} and ended {ended or 'at no time'}"
    expected = {"": day.put_images.total(), **day.put_images}
    if page.arrived != expected:
        yield f"3: {page.arrived} files arrived, and {expected} were put"
    exported = day.exported_images()
    waiting = day.put_images.total() - exported - 3  # three files that are no images
    if page.backlog[0] != waiting or not page.backlog[1]:
        yield f"4: {page.backlog} images are not exported, and {waiting} are not in the files"
    yield from _people(page)
    if not page.late or any(SLOW not in people or not due for due, people in page.late.values()):
        yield f"6: late are {page.late}"
    if page.what_ends_it.count("same key") != 1 or not page.rejected:
        yield f"7: rejected are {page.rejected}, next {page.what_ends_it!r}"
    if page.exported != exported or not page.classes.keys() <= {"car", "person"} or not page.classes:
        yield f"8: {page.exported} images were exported with {page.classes}, and {exported} are in the files"
    if not page.forecast:
        yield "9: there is no forecast, nor why"
    yield from _batch(read_batch(day.page("batch-street-00003")), day)
    yield from (f"a run is red: {run}" for run in day.failed_runs())


def _people(page: Answers) -> Iterator[str]:
    slow = page.people.get(SLOW)
    if slow is None or not slow.open_jobs or slow.done_today:
        yield f"5: {SLOW} has {slow}"
    if not all(page.people[name].done_today for name in ("ada", "ben") if name in page.people):
        yield f"5: people are {page.people}"


def _batch(found: BatchAnswers, day: Day) -> Iterator[str]:
    known = day.batch("street-00003")
    jobs = [(job["assignee"], job["status"]) for job in known["jobs"]]
    if found.task_url != known["task_url"] or list(found.jobs) != jobs or found.state != known["state"]:
        yield f"10: the page says {found}, and the ledger {known}"
    if not {"open", "closed", "assigned"} <= found.life.keys():
        yield f"10: its life is {found.life}"


def _page(day: Day) -> Answers:
    return read_operations(day.page("operations"))


def _down(page: Answers) -> Sequence[str]:
    return [name for name, (_, ended) in page.outages.items() if not ended]


def _state(day: Day, batch: str) -> str:
    return next((str(one["state"]) for one in day.status()["batches"] if one["id"] == batch), "")


def _late(day: Day) -> bool:
    return any(SLOW in people for _, people in _page(day).late.values())


def _is_with(batch: dict[str, object], person: str) -> bool:
    jobs = batch["jobs"]
    assert isinstance(jobs, list)
    return batch["state"] == "assigned" and any(job["assignee"] == person for job in jobs)


def _names(rejected: Sequence[str]) -> set[str]:
    names = {"9999.jpg": "night", "broken-1.jpg": "street-1", "broken-2.jpg": "street-2"}
    return {short for entry in rejected for name, short in names.items() if name in entry}


def _got_message(day: Day, words: str) -> bool:
    """Whether a message with these words has come by mail and by HTTP."""
    bodies = [(one["Subject"], one.get_body(("plain", "html"))) for one in day.mail.received]
    mails = [f"{subject} {body.get_content() if body else ''}" for subject, body in bodies]
    posts = [one.raw.decode() for one in day.hook.received]
    return any(words in text.lower() for text in mails) and any(words in text.lower() for text in posts)


def _alerted(day: Day) -> bool:
    return _got_message(day, stage_words(Stage.LABEL))
