"""Every call of the API page, in its order, from Python and from the shell, on the sandbox.

Each call sends the page's request body and expects the page's response, apart from ids and dates. Where the page and a
recording of a real server differ, the recording is expected, and its number is in the docstring.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cvat_sandbox import serve
from labelyard.cli.cvat_output import to_json_values
from labelyard.cvat import Cvat, connect, create_annotations
from labelyard.cvat.decoding import decode_user
from labelyard.cvat.raw_json import parse_annotations
from labelyard.cvat.v1_values import decode_git_repository, decode_job, decode_task
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import DataSpec, Task, TaskSpec
from tests.support import api_page
from tests.support.cvat_callers import Caller, PythonCaller, ShellCaller
from tests.support.cvat_tasks import wait_for_frames
from tests.support.upload_files import upload_file

CALLS = api_page.calls()
SERVER_SPECIFIC = frozenset({"id", "task_id", "created", "updated", "owner", "version", "email", "assignee_name"})
"""Fields that differ between servers: ids, times, addresses, and names of people."""


def comparable(value: Any) -> Any:
    """Return `value` without the fields that differ between servers."""
    if isinstance(value, dict):
        return {name: comparable(part) for name, part in value.items() if name not in SERVER_SPECIFIC}
    return [comparable(part) for part in value] if isinstance(value, list | tuple) else value


def expected(value: Any) -> Any:
    """Return a value of the page as the client and the shell return it."""
    return comparable(to_json_values(value))


class PageCalls:
    """One method per call of the page, in its order; later calls use the ids of earlier ones."""

    def __init__(self, caller: Caller, helper: Cvat, folder: Path) -> None:
        self.caller, self.helper, self.folder = caller, helper, folder
        self.task_id = self.job_id = 0
        self.dabai = 3

    def login(self, call: api_page.Call) -> None:
        assert len(self.caller.login()) == len(call.response["key"])

    def logout(self, call: api_page.Call) -> None:
        assert call.response is None
        token = self.caller.login()
        self.caller.logout()
        assert self.caller.login() != token

    def register(self, call: api_page.Call) -> None:
        """The page's body has only empty strings, which a real server rejects [046]: filled in here."""
        assert not any(call.request.values()) if call.request else True
        self.caller.register("newbie", "Str0ngPass!9", "newbie@example.com")
        assert connect_as(self.helper.url, "newbie", "Str0ngPass!9").whoami().username == "newbie"

    def myself(self, call: api_page.Call) -> None:
        user = expected(decode_user(call.response | {"username": "alex", "groups": ["user"], "is_superuser": False}))
        assert comparable(self.caller.whoami()) == user

    def create(self, call: api_page.Call) -> None:
        created = self.caller.create(call.request)
        assert comparable(created) == expected(decode_task(call.response))
        self.task_id = created["id"]

    def upload(self, call: api_page.Call) -> None:
        """The page's response lists the files in the order sent; frames are ordered by name [099]."""
        names = call.response["client_files"]
        self.caller.upload(self.task_id, names, call.response["image_quality"])
        task = wait_for_frames(self.helper, self.task_id)
        assert task.image_quality == call.response["image_quality"]
        assert [frame["name"] for frame in self.caller.frames(self.task_id)] == sorted(names)

    def status(self, call: api_page.Call) -> None:
        assert self.caller.status(self.task_id) == call.response

    def listing(self, call: api_page.Call) -> None:
        """The page lists two other tasks; ours has the same fields. Oldest first, for stable pages [621]."""
        listed = self.caller.tasks()
        assert [task["id"] for task in listed] == sorted(task["id"] for task in listed)
        (ours,) = [task for task in listed if task["id"] == self.task_id]
        theirs = expected(decode_task(call.response["results"][0]))
        differs = {"name", "labels"}
        assert {k: v for k, v in comparable(ours).items() if k not in differs} == {
            k: v for k, v in theirs.items() if k not in differs
        }

    def git(self, call: api_page.Call) -> None:
        assert self.caller.git(self.task_id) == to_json_values(decode_git_repository(call.response))

    def users(self, call: api_page.Call) -> None:
        """The users differ between servers; their records have the page's fields."""
        theirs = {user.username: expected(user) for user in map(decode_user, call.response["results"])}
        ours = {user["username"]: comparable(user) for user in self.caller.users()}
        assert ours["root"] == theirs["root"]
        assert ours["dabai"] == theirs["dabai"]

    def patch(self, call: api_page.Call) -> None:
        """The response is further down the page, where the task is read again."""
        task = self.caller.patch(self.task_id, call.request | {"assignee": self.dabai})
        assert [label["name"] for label in task["labels"]] == [f"label{n}" for n in range(1, 6)]
        assert (task["name"], task["assignee"]) == ("test", self.dabai)
        self.job_id = task["jobs"][0]["id"]

    def patch_job(self, call: api_page.Call) -> None:
        job = self.caller.patch_job(self.job_id, call.request | {"assignee": self.dabai})
        assert comparable(job) == expected(decode_job(call.response | {"assignee": self.dabai}))

    def read_again(self, call: api_page.Call) -> None:
        (task,) = call.response["results"]
        task["assignee"] = task["segments"][0]["jobs"][0]["assignee"] = self.dabai
        assert comparable(self.caller.task(self.task_id)) == expected(decode_task(task))

    def annotations(self, call: api_page.Call) -> None:
        """The page's job has frames up to 7 and four shapes, created here by another client."""
        task = task_of_eight_frames(self.helper)
        self.task_id, self.job_id = task.id, task.jobs[0].id
        self.label_id, self.spec_id = task.labels[0].id, task.labels[0].attributes[0].id
        wanted = parse_annotations(self.ours(call.response))
        create_annotations(self.helper, self.job_id, wanted)
        assert same(self.caller.annotations(self.job_id), wanted)

    def create_annotations(self, call: api_page.Call) -> None:
        """The page says GET, for which a real server only returns the saved annotations [373]; PATCH creates [374]."""
        assert call.method == "GET"
        created = self.caller.create_annotations(self.job_id, self.ours(call.request))
        assert same(created, parse_annotations(self.ours(call.response)))
        assert created["shapes"][0]["id"]

    def update_annotations(self, call: api_page.Call) -> None:
        """The page's shape 9 is the one just created; an unknown id would be created [383]."""
        body, updated = self.ours(call.request), self.ours(call.response)
        newest = max(self.caller.annotations(self.job_id)["shapes"], key=lambda shape: shape["id"])
        body["shapes"][0]["id"] = newest["id"]
        assert same(self.caller.update_annotations(self.job_id, body), parse_annotations(updated))
        (changed,) = [s for s in self.caller.annotations(self.job_id)["shapes"] if s["id"] == newest["id"]]
        assert list(changed["points"]) == updated["shapes"][0]["points"]

    def export(self, call: api_page.Call) -> None:
        """202, 201, 200: the client polls until the file comes [609]."""
        assert "COCO%201.0" in call.path
        self.caller.export(self.task_id, self.folder / "coco.zip")
        with zipfile.ZipFile(self.folder / "coco.zip") as archive:
            assert archive.namelist() == ["annotations/instances_default.json"]

    def ours(self, body: Any) -> Any:
        """Return annotations of the page with the label and the attribute of our task."""
        for shape in body["shapes"]:
            shape["label_id"] = self.label_id
            for attribute in shape["attributes"]:
                attribute["spec_id"] = type(attribute["spec_id"])(
                    self.spec_id
                )  # the page sends strings, and receives numbers
        return body


METHODS = {
    "POST /api/v1/auth/login": PageCalls.login,
    "POST /api/v1/auth/logout": PageCalls.logout,
    "POST /api/v1/auth/register": PageCalls.register,
    "GET /api/v1/users/self": PageCalls.myself,
    "POST /api/v1/tasks": PageCalls.create,
    "POST /api/v1/tasks/:id/data": PageCalls.upload,
    "GET /api/v1/tasks/:id/status": PageCalls.status,
    "GET /api/v1/tasks?page_size=10&page=1": PageCalls.listing,
    "GET /git/repository/get/:id": PageCalls.git,
    "GET /api/v1/users?page_size=all": PageCalls.users,
    "PATCH /api/v1/tasks/:id": PageCalls.patch,
    "PATCH /api/v1/jobs/:id": PageCalls.patch_job,
    "GET /api/v1/tasks?page_size=10&id=:id": PageCalls.read_again,
    "GET /api/v1/jobs/:id/annotations": PageCalls.annotations,
    "GET /api/v1/jobs/5/annotations?action=create": PageCalls.create_annotations,
    "PATCH /api/v1/jobs/5/annotations?action=update": PageCalls.update_annotations,
    "GET /api/v1/tasks/:id/annotations?format=COCO%201.0": PageCalls.export,
}
"""The method of each call of the page."""


def connect_as(url: str, username: str, password: str) -> Cvat:
    return connect(url, username=username, password=password)


def task_of_eight_frames(cvat: Cvat) -> Task:
    label = Label("car", (AttributeSpec("make", InputType.TEXT, "", ("",)),))
    task = cvat.create_task(TaskSpec("eight", (label,)))
    cvat.upload(task.id, [upload_file(f"{n}.jpg") for n in range(8)], DataSpec())
    return wait_for_frames(cvat, task.id)


def same(actual: Any, wanted: Any) -> bool:
    """Whether the annotations are equal, in any order."""

    def ordered(shapes: Any) -> list[Any]:
        return sorted((comparable(shape) for shape in shapes), key=lambda shape: (shape["frame"], shape["points"]))

    return ordered(actual["shapes"]) == ordered(to_json_values(wanted)["shapes"])


@pytest.fixture(params=[PythonCaller, ShellCaller])
def page_calls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PageCalls]:
    people = ["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!"]
    with serve(people) as sandbox:
        helper = connect_as(sandbox.url, "root", "rootpass")
        yield PageCalls(request.param(sandbox.url, tmp_path), helper, tmp_path)
        helper.close()


def test_every_call_of_the_page_has_a_method() -> None:
    assert [str(call) for call in CALLS] == list(METHODS)


def test_every_call_of_the_page_returns_the_pages_response(page_calls: PageCalls) -> None:
    for call in api_page.calls():
        METHODS[str(call)](page_calls, call)
