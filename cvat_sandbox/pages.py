"""Pages to look at: the tasks, and the frames of a task or a job with what is drawn on them.

The real server has its annotation tool at these addresses. The pages are for whoever follows a link to a task: they
ask for no login, take nothing but GET and HEAD, and change nothing. What the API allows to whom does not hang on them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Response, render_template

from cvat_sandbox import annotating, labels, outlines, tasks
from cvat_sandbox.answers import NOT_FOUND_PAGE, NotFound, Page
from cvat_sandbox.fields import LARGEST_ID
from cvat_sandbox.media import Frames
from cvat_sandbox.web import Call

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.state import Store

TASKS_A_PAGE = 50
FRAMES_A_PAGE = 100
LONGEST_SIDE = 960
"""Pixels: no image of a page is larger, whatever was uploaded."""

ID = f"<int(max={LARGEST_ID}):{{}}>"
TASK_PATH = f"/tasks/{ID.format('task_id')}"
HEADERS = {
    "Cache-Control": "no-cache",  # the next sandbox on this port gives the same ids to other images
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_SHRINKING = threading.BoundedSemaphore(2)  # a page asks for a hundred images at once, and each is decoded whole


def task_list(call: Call) -> Response:
    """The tasks, newest first."""
    store = call.sandbox.store
    page = _page(call, store.count("SELECT COUNT(*) FROM task"), TASKS_A_PAGE)
    rows = store.all(
        "SELECT t.id, t.name, t.status, u.username AS assignee, COALESCE(d.size, 0) AS size, "
        "(SELECT COUNT(*) FROM job j WHERE j.task_id = t.id) AS jobs, "
        "(SELECT COUNT(*) FROM job j WHERE j.task_id = t.id AND j.status = 'completed') AS completed "
        "FROM task t LEFT JOIN data d ON d.id = t.data_id LEFT JOIN user u ON u.id = t.assignee "
        "ORDER BY t.id DESC LIMIT ? OFFSET ?", page["size"], page["first"],
    )  # fmt: skip
    return _html("tasks.html", tasks=rows, page=page)


def task(call: Call, task_id: int) -> Response:
    """A task: its labels, its jobs and its frames with the annotations of all jobs."""
    row = _task(call, task_id)
    return _frames_page(call, row, None, 0, _size(call.sandbox.store, row) - 1)


def job(call: Call, task_id: int, job_id: int) -> Response:
    """A job of a task: its frames with its own annotations."""
    row = _task(call, task_id)
    found = next((job for job in tasks.jobs_of(call.sandbox.store, task_id) if job["id"] == job_id), None)
    if found is None:
        raise Page(404, NOT_FOUND_PAGE)
    last = min(found["stop_frame"], _size(call.sandbox.store, row) - 1)
    return _frames_page(call, row, found, found["start_frame"], last)


def _frames_page(call: Call, row: sqlite3.Row, chosen: sqlite3.Row | None, start: int, stop: int) -> Response:
    store = call.sandbox.store
    page = _page(call, stop - start + 1, FRAMES_A_PAGE)
    frames = _frames(store, row, start + page["first"], page["shown"])
    first, last = start + page["first"], start + page["first"] + len(frames) - 1
    found = annotating.read_job(store, chosen) if chosen else annotating.read_frames(store, row["id"], first, last)
    colours = outlines.palette(labels.described(store, [row["id"]]).get(row["id"], []))
    drawn = outlines.overlays(found, colours, range(first, last + 1))
    return _html(
        "task.html", task=row, job=chosen, labels=colours.values(), page=page, first=first,
        frames=list(zip(frames, drawn, strict=True)), unit=outlines.unit,
        people={user.id: user.username for user in call.sandbox.accounts.all()},
        jobs=sorted(tasks.jobs_of(store, row["id"]), key=lambda job: int(job["id"])),
        creation=store.one("SELECT state, message FROM creation WHERE task_id = ?", row["id"]),
    )  # fmt: skip


def image(call: Call, task_id: int, number: int) -> Response:
    """A frame, compressed and at most LONGEST_SIDE pixels wide and high."""
    row = _task(call, task_id)
    frames = _frames(call.sandbox.store, row, number, 1)
    data = call.sandbox.store.one("SELECT * FROM data WHERE id = ?", row["data_id"])
    if not frames or data is None:
        raise Page(404, NOT_FOUND_PAGE)
    media = Frames(call.sandbox.creations.folder(data["id"]), data, frames)
    try:
        with _SHRINKING:
            return Response(media.small(0, LONGEST_SIDE), headers=HEADERS, content_type="image/jpeg")
    except FileNotFoundError:  # the task is being deleted
        raise Page(404, NOT_FOUND_PAGE) from None


def _task(call: Call, task_id: int) -> sqlite3.Row:
    try:
        return tasks.task(call.sandbox.store, str(task_id))
    except NotFound:
        raise Page(404, NOT_FOUND_PAGE) from None


def _size(store: Store, row: sqlite3.Row) -> int:
    return store.count("SELECT size FROM data WHERE id = ?", row["data_id"])


def _frames(store: Store, row: sqlite3.Row, first: int, count: int) -> list[sqlite3.Row]:
    """Frames by their numbers in the task, which are not those in the source where a filter was given."""
    sql = "SELECT * FROM frame WHERE data_id = ? ORDER BY frame LIMIT ? OFFSET ?"
    return store.all(sql, row["data_id"], count, first)


def _page(call: Call, count: int, size: int) -> dict[str, int]:
    """The page that the query asks for, or the nearest that there is."""
    pages = max(1, -(-count // size))
    wanted = call.query.get("page", "1")
    number = min(max(int(wanted), 1), pages) if wanted.isdecimal() and len(wanted) < 10 else 1
    first = (number - 1) * size
    return {"number": number, "pages": pages, "count": max(0, count), "size": size, "first": first,
            "shown": max(0, min(size, count - first))}  # fmt: skip


def _html(template: str, **values: Any) -> Response:
    return Response(render_template(template, **values), headers=HEADERS, content_type="text/html; charset=utf-8")


def _reading(view: Callable[..., Response]) -> Callable[..., Response]:
    """The view for GET and HEAD alone."""

    def answer(call: Call, **ids: int) -> Response:
        if call.request.method not in {"GET", "HEAD"}:
            raise Page(405, "<h1>Method Not Allowed (405)</h1>", Allow="GET, HEAD")
        return view(call, **ids)

    return answer


def plain_views() -> list[tuple[str, Callable[..., Response]]]:
    """The paths of these views."""
    views: dict[str, Callable[..., Response]] = {
        "/": task_list, "/tasks": task_list, TASK_PATH: task, f"{TASK_PATH}/jobs/{ID.format('job_id')}": job,
        f"{TASK_PATH}/frames/{ID.format('number')}": image,
    }  # fmt: skip
    return [(path, _reading(view)) for path, view in views.items()]
