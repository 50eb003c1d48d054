"""HTML pages: the list of tasks, and the frames of a task or a job with their annotations.

The real server has its annotation tool at these addresses. The pages need no login, allow only GET and HEAD, and change
nothing. The permissions of the API do not depend on them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from flask import Request, Response, render_template

from cvat_sandbox.errors import NotFound
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.state import tasks
from cvat_sandbox.state.annotations import read_frame_annotations, read_job_annotations
from cvat_sandbox.state.database import LARGEST_ID, Database
from cvat_sandbox.state.media import Frames
from cvat_sandbox.web import html_pages, outlines
from cvat_sandbox.web.html_pages import HtmlPage
from cvat_sandbox.web.views import View

if TYPE_CHECKING:
    import sqlite3

TASKS_PER_PAGE = 50
FRAMES_PER_PAGE = 100
MAX_SIDE = 960
"""Pixels: images on a page are reduced to at most this width and height."""

ID = f"<int(max={LARGEST_ID}):{{}}>"
TASK_PATH = f"/tasks/{ID.format('task_id')}"
HEADERS = {
    "Cache-Control": "no-cache",  # the next sandbox on this port has other images with the same ids
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_DECODING = threading.BoundedSemaphore(2)  # a browser requests a hundred images at once, and each is decoded whole


def task_list(sandbox: Sandbox, request: Request) -> Response:
    """Return the page with the tasks, newest first."""
    page = _page(request, sandbox.db.count("SELECT COUNT(*) FROM task"), TASKS_PER_PAGE)
    rows = sandbox.db.all(
        "SELECT t.id, t.name, t.status, u.username AS assignee, COALESCE(d.size, 0) AS size, "
        "(SELECT COUNT(*) FROM job j WHERE j.task_id = t.id) AS jobs, "
        "(SELECT COUNT(*) FROM job j WHERE j.task_id = t.id AND j.status = 'completed') AS completed "
        "FROM task t LEFT JOIN data d ON d.id = t.data_id LEFT JOIN user u ON u.id = t.assignee "
        "ORDER BY t.id DESC LIMIT ? OFFSET ?", page["size"], page["first"],
    )  # fmt: skip
    return _html("tasks.html", tasks=rows, page=page)


def task_page(sandbox: Sandbox, request: Request, task_id: int) -> Response:
    """Return the page of a task: its labels, its jobs, and its frames with the annotations of all jobs."""
    task = _task(sandbox.db, task_id)
    return _frames_page(sandbox, request, task, None, 0, _size(sandbox.db, task) - 1)


def job_page(sandbox: Sandbox, request: Request, task_id: int, job_id: int) -> Response:
    """Return the page of a job: its frames with its own annotations."""
    task = _task(sandbox.db, task_id)
    job = next((job for job in tasks.jobs_of(sandbox.db, task_id) if job["id"] == job_id), None)
    if job is None:
        raise HtmlPage(404, html_pages.NOT_FOUND)
    last = min(job["stop_frame"], _size(sandbox.db, task) - 1)
    return _frames_page(sandbox, request, task, job, job["start_frame"], last)


def _frames_page(
    sandbox: Sandbox, request: Request, task: sqlite3.Row, job: sqlite3.Row | None, start: int, stop: int
) -> Response:
    db = sandbox.db
    page = _page(request, stop - start + 1, FRAMES_PER_PAGE)
    frames = _frames(db, task, start + page["first"], page["shown"])
    first, last = start + page["first"], start + page["first"] + len(frames) - 1
    found = read_job_annotations(db, job) if job else read_frame_annotations(db, task["id"], first, last)
    colours = outlines.palette(_labels(db, task))
    overlays = outlines.overlays(found, colours, range(first, last + 1))
    return _html(
        "task.html", task=task, job=job, labels=colours.values(), page=page, first=first,
        frames=list(zip(frames, overlays, strict=True)), unit=outlines.unit,
        people={user.id: user.username for user in sandbox.users.all()},
        jobs=sorted(tasks.jobs_of(db, task["id"]), key=lambda row: int(row["id"])),
        creation=db.one("SELECT state, message FROM creation WHERE task_id = ?", task["id"]),
    )  # fmt: skip


def image(sandbox: Sandbox, _request: Request, task_id: int, number: int) -> Response:
    """Return a frame as a JPEG of at most MAX_SIDE pixels in width and height."""
    task = _task(sandbox.db, task_id)
    frames = _frames(sandbox.db, task, number, 1)
    data = sandbox.db.one("SELECT * FROM data WHERE id = ?", task["data_id"])
    if not frames or data is None:
        raise HtmlPage(404, html_pages.NOT_FOUND)
    media = Frames(sandbox.creations.folder(data["id"]), data, frames, fetch=sandbox.cloud_files.fetch)
    try:
        with _DECODING:
            return Response(media.thumbnail(0, MAX_SIDE), headers=HEADERS, content_type="image/jpeg")
    except FileNotFoundError:  # the task is being deleted
        raise HtmlPage(404, html_pages.NOT_FOUND) from None


def _task(db: Database, task_id: int) -> sqlite3.Row:
    try:
        return tasks.get(db, task_id)
    except NotFound:
        raise HtmlPage(404, html_pages.NOT_FOUND) from None


def _labels(db: Database, task: sqlite3.Row) -> list[sqlite3.Row]:
    """Return the labels of a task or of its project, with the points of skeletons."""
    sql = "SELECT id, name FROM label WHERE task_id = ? OR project_id = ? ORDER BY id"
    return db.all(sql, task["id"], task["project_id"])


def _size(db: Database, task: sqlite3.Row) -> int:
    return db.count("SELECT size FROM data WHERE id = ?", task["data_id"])


def _frames(db: Database, task: sqlite3.Row, first: int, count: int) -> list[sqlite3.Row]:
    """Return frames by their numbers in the task, which a frame filter makes differ from those in the table."""
    sql = "SELECT * FROM frame WHERE data_id = ? ORDER BY frame LIMIT ? OFFSET ?"
    return db.all(sql, task["data_id"], count, first)


def _page(request: Request, count: int, size: int) -> dict[str, int]:
    """Return the page that the query names, or the nearest one that exists."""
    pages = max(1, -(-count // size))
    wanted = request.args.getlist("page")[-1] if "page" in request.args else "1"
    number = min(max(int(wanted), 1), pages) if wanted.isdecimal() and len(wanted) < 10 else 1
    first = (number - 1) * size
    return {"number": number, "pages": pages, "count": max(0, count), "size": size, "first": first,
            "shown": max(0, min(size, count - first))}  # fmt: skip


def _html(template: str, **values: Any) -> Response:
    return Response(render_template(template, **values), headers=HEADERS, content_type="text/html; charset=utf-8")


def _read_only(view: View) -> View:
    """Return the view for GET and HEAD; other methods get 405."""

    def respond(sandbox: Sandbox, request: Request, **ids: int) -> Response:
        if request.method not in {"GET", "HEAD"}:
            raise HtmlPage(405, "<h1>Method Not Allowed (405)</h1>", Allow="GET, HEAD")
        return view(sandbox, request, **ids)

    return respond


VIEWS: dict[str, View] = {
    "/": _read_only(task_list),
    "/tasks": _read_only(task_list),
    TASK_PATH: _read_only(task_page),
    f"{TASK_PATH}/jobs/{ID.format('job_id')}": _read_only(job_page),
    f"{TASK_PATH}/frames/{ID.format('number')}": _read_only(image),
}
"""The pages by path."""
