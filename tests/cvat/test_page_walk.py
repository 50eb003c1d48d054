"""A walk through the API page from top to bottom, from Python and from the shell, on the sandbox.

Each call of the page is made with its own request body and gives the answer of the page, ids and dates aside. Where the
page and a recording of a real server differ, the recording is expected, and the place named.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page
import pytest
from hands import Hand, Python, Shell
from pictures import image
from ready_tasks import ready

from cvat_sandbox import serve
from labelyard.cli.cvat_output import jsonable
from labelyard.cvat import Cvat, annotate, connect
from labelyard.cvat.definitions import annotations_of
from labelyard.cvat.reading import read_user
from labelyard.cvat.v1_values import git_repository_of, job_of, task_of
from labelyard.model import AttributeSpec, DataSpec, InputType, Label, Task, TaskSpec

CALLS = page.calls()
ASIDE = frozenset({"id", "task_id", "created", "updated", "owner", "version", "email", "assignee_name"})
"""What is another server's own: numbers, times, addresses, and names of people."""


def bare(value: Any) -> Any:
    """The same without what is aside."""
    if isinstance(value, dict):
        return {name: bare(part) for name, part in value.items() if name not in ASIDE}
    return [bare(part) for part in value] if isinstance(value, list | tuple) else value


def shown(value: Any) -> Any:
    """A value of the page as the client and the shell show it."""
    return bare(jsonable(value))


class Walk:
    """The way through the page: one method a call, in its order; what later calls need is remembered."""

    def __init__(self, hand: Hand, helper: Cvat, folder: Path) -> None:
        self.hand, self.helper, self.folder = hand, helper, folder
        self.task_id = self.job_id = 0
        self.dabai = 3

    def login(self, call: page.Call) -> None:
        assert len(self.hand.login()) == len(call.response["key"])

    def logout(self, call: page.Call) -> None:
        assert call.response is None
        token = self.hand.login()
        self.hand.logout()
        assert self.hand.login() != token

    def register(self, call: page.Call) -> None:
        """The page's body is all empty strings, which a real server refuses [046]: filled in here."""
        assert not any(call.request.values()) if call.request else True
        self.hand.register("newbie", "Str0ngPass!9", "newbie@example.com")
        assert connect_as(self.helper.url, "newbie", "Str0ngPass!9").whoami().username == "newbie"

    def myself(self, call: page.Call) -> None:
        wanted = shown(read_user(call.response | {"username": "alex", "groups": ["user"], "is_superuser": False}))
        assert bare(self.hand.whoami()) == wanted

    def create(self, call: page.Call) -> None:
        made = self.hand.create(call.request)
        assert bare(made) == shown(task_of(call.response))
        self.task_id = made["id"]

    def upload(self, call: page.Call) -> None:
        """The page's answer lists the files in the order sent; frames come ordered by name [099]."""
        names = call.response["client_files"]
        self.hand.upload(self.task_id, names, call.response["image_quality"])
        task = ready(self.helper, self.task_id)
        assert task.image_quality == call.response["image_quality"]
        assert [frame["name"] for frame in self.hand.frames(self.task_id)] == sorted(names)

    def status(self, call: page.Call) -> None:
        assert self.hand.status(self.task_id) == call.response

    def listing(self, call: page.Call) -> None:
        """The page shows two tasks of others; ours is shown with the same fields. Oldest first, against drift [621]."""
        listed = self.hand.tasks()
        assert [task["id"] for task in listed] == sorted(task["id"] for task in listed)
        (ours,) = [task for task in listed if task["id"] == self.task_id]
        theirs = shown(task_of(call.response["results"][0]))
        differs = {"name", "labels"}
        assert {k: v for k, v in bare(ours).items() if k not in differs} == {
            k: v for k, v in theirs.items() if k not in differs
        }

    def git(self, call: page.Call) -> None:
        assert self.hand.git(self.task_id) == jsonable(git_repository_of(call.response))

    def people(self, call: page.Call) -> None:
        """Which people there are is the server's; their records have the page's fields."""
        theirs = {user.username: shown(user) for user in map(read_user, call.response["results"])}
        ours = {user["username"]: bare(user) for user in self.hand.users()}
        assert ours["root"] == theirs["root"]
        assert ours["dabai"] == theirs["dabai"]

    def patch(self, call: page.Call) -> None:
        """The answer stands further down the page, where the task is read again."""
        task = self.hand.patch(self.task_id, call.request | {"assignee": self.dabai})
        assert [label["name"] for label in task["labels"]] == [f"label{n}" for n in range(1, 6)]
        assert (task["name"], task["assignee"]) == ("test", self.dabai)
        self.job_id = task["jobs"][0]["id"]

    def patch_job(self, call: page.Call) -> None:
        job = self.hand.patch_job(self.job_id, call.request | {"assignee": self.dabai})
        assert bare(job) == shown(job_of(call.response | {"assignee": self.dabai}))

    def read_again(self, call: page.Call) -> None:
        (task,) = call.response["results"]
        task["assignee"] = task["segments"][0]["jobs"][0]["assignee"] = self.dabai
        assert bare(self.hand.task(self.task_id)) == shown(task_of(task))

    def annotations(self, call: page.Call) -> None:
        """The page's job has frames to 7 and four shapes, made here by another hand."""
        task = a_task_of_eight(self.helper)
        self.task_id, self.job_id = task.id, task.jobs[0].id
        self.label_id, self.spec_id = task.labels[0].id, task.labels[0].attributes[0].id
        wanted = annotations_of(self.ours(call.response))
        annotate.create(self.helper, self.job_id, wanted)
        assert same(self.hand.annotations(self.job_id), wanted)

    def create_annotations(self, call: page.Call) -> None:
        """The page says GET: a real server answers that with what is saved and creates nothing [373]. PATCH [374]."""
        assert call.method == "GET"
        made = self.hand.create_annotations(self.job_id, self.ours(call.request))
        assert same(made, annotations_of(self.ours(call.response)))
        assert made["shapes"][0]["id"]

    def update_annotations(self, call: page.Call) -> None:
        """The page's shape 9 is the one just made; an id that does not exist would be created [383]."""
        body, answer = self.ours(call.request), self.ours(call.response)
        newest = max(self.hand.annotations(self.job_id)["shapes"], key=lambda shape: shape["id"])
        body["shapes"][0]["id"] = newest["id"]
        assert same(self.hand.update_annotations(self.job_id, body), annotations_of(answer))
        (changed,) = [s for s in self.hand.annotations(self.job_id)["shapes"] if s["id"] == newest["id"]]
        assert list(changed["points"]) == answer["shapes"][0]["points"]

    def export(self, call: page.Call) -> None:
        """202, 201, 200: the client asks until the file comes [609]."""
        assert "COCO%201.0" in call.path
        self.hand.export(self.task_id, self.folder / "coco.zip")
        with zipfile.ZipFile(self.folder / "coco.zip") as archive:
            assert archive.namelist() == ["annotations/instances_default.json"]

    def ours(self, body: Any) -> Any:
        """Annotations of the page with the label and the attribute of our task."""
        for shape in body["shapes"]:
            shape["label_id"] = self.label_id
            for attribute in shape["attributes"]:
                attribute["spec_id"] = type(attribute["spec_id"])(self.spec_id)  # the page sends text, and gets numbers
        return body


WAY = {
    "POST /api/v1/auth/login": Walk.login,
    "POST /api/v1/auth/logout": Walk.logout,
    "POST /api/v1/auth/register": Walk.register,
    "GET /api/v1/users/self": Walk.myself,
    "POST /api/v1/tasks": Walk.create,
    "POST /api/v1/tasks/:id/data": Walk.upload,
    "GET /api/v1/tasks/:id/status": Walk.status,
    "GET /api/v1/tasks?page_size=10&page=1": Walk.listing,
    "GET /git/repository/get/:id": Walk.git,
    "GET /api/v1/users?page_size=all": Walk.people,
    "PATCH /api/v1/tasks/:id": Walk.patch,
    "PATCH /api/v1/jobs/:id": Walk.patch_job,
    "GET /api/v1/tasks?page_size=10&id=:id": Walk.read_again,
    "GET /api/v1/jobs/:id/annotations": Walk.annotations,
    "GET /api/v1/jobs/5/annotations?action=create": Walk.create_annotations,
    "PATCH /api/v1/jobs/5/annotations?action=update": Walk.update_annotations,
    "GET /api/v1/tasks/:id/annotations?format=COCO%201.0": Walk.export,
}
"""The page's calls and where each is walked."""


def connect_as(url: str, username: str, password: str) -> Cvat:
    return connect(url, username=username, password=password)


def a_task_of_eight(cvat: Cvat) -> Task:
    label = Label("car", (AttributeSpec("make", InputType.TEXT, "", ("",)),))
    task = cvat.create_task(TaskSpec("eight", (label,)))
    cvat.upload(task.id, [image(f"{n}.jpg") for n in range(8)], DataSpec())
    return ready(cvat, task.id)


def same(told: Any, wanted: Any) -> bool:
    """Whether the told annotations are those wanted, in any order."""

    def ordered(shapes: Any) -> list[Any]:
        return sorted((bare(shape) for shape in shapes), key=lambda shape: (shape["frame"], shape["points"]))

    return ordered(told["shapes"]) == ordered(jsonable(wanted)["shapes"])


@pytest.fixture(params=[Python, Shell])
def walk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Walk]:
    people = ["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!"]
    with serve(people) as sandbox:
        helper = connect_as(sandbox.url, "root", "rootpass")
        yield Walk(request.param(sandbox.url, tmp_path), helper, tmp_path)
        helper.close()


def test_the_page_has_no_call_that_is_not_walked() -> None:
    assert [str(call) for call in CALLS] == list(WAY)


def test_every_call_of_the_page_gives_the_pages_answer(walk: Walk) -> None:
    for call in page.calls():
        WAY[str(call)](walk, call)
