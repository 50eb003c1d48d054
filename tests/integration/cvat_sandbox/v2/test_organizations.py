"""Organizations of 2.x: members, invitations, roles, and what the organization that a request names changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cvat_sandbox import Serving, serve
from cvat_sandbox.errors import SandboxError
from tests.support.sandbox_client_v2 import create, jobs, login, uploaded

USERS = [
    "root:rootpass:superuser",
    "owen:pass12345!",
    "maya:pass12345!",
    "susan:pass12345!",
    "wanda:pass12345!",
    "steve:pass12345!",
    "willy:pass12345!:worker",
]
IDS = {user.split(":")[0]: number for number, user in enumerate(USERS, 1)}
ROLES = {"maya": "maintainer", "susan": "supervisor", "wanda": "worker"}
ACME = {"X-Organization": "acme"}


class People:
    """Clients of users by name."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[tuple[str, bool], httpx.Client] = {}

    def __getitem__(self, name: str) -> httpx.Client:
        return self._client(name, named=False)

    def inside(self, name: str) -> httpx.Client:
        """Return a client that names the organization in each request."""
        return self._client(name, named=True)

    def _client(self, name: str, *, named: bool) -> httpx.Client:
        if (name, named) not in self._clients:
            self._clients[name, named] = login(self.url, name)
            self._clients[name, named].headers.update(ACME if named else {})
        return self._clients[name, named]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(USERS, version="2.73") as serving:
        owen = login(serving.url, "owen")
        assert owen.post("/organizations", json={"slug": "acme"}).status_code == 201
        for name, role in ROLES.items():
            assert invite(owen, name, role).status_code == 201
        yield serving


@pytest.fixture(scope="module")
def people(sandbox: Serving) -> People:
    return People(sandbox.url)


@pytest.fixture
def own(people: People) -> httpx.Client:
    """The owner of the organization, who names it."""
    return people.inside("owen")


def invite(http: httpx.Client, name: str, role: str) -> httpx.Response:
    return http.post("/invitations", json={"email": f"{name}@example.com", "role": role}, headers=ACME)


def membership(http: httpx.Client, name: str) -> int:
    found = http.get("/memberships", params={"user": name}, headers=ACME).json()["results"]
    return int(found[0]["id"])


def names(answer: httpx.Response, key: str = "name") -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item[key] for item in answer.json()["results"]]


def test_an_organization_is_named_after_its_slug_and_has_its_owner_as_first_member(people: People) -> None:
    owen = people["owen"]
    beta = owen.post("/organizations", json={"slug": "beta"}).json()
    assert (beta["name"], beta["contact"], beta["owner"]["username"]) == ("beta", {}, "owen")
    [member] = owen.get("/memberships?org=beta").json()["results"]
    assert (member["role"], member["is_active"], member["invitation"]) == ("owner", True, None)
    assert owen.delete(f"/organizations/{beta['id']}").status_code == 204
    assert owen.get("/tasks?org=beta").json() == {"detail": "beta organization does not exist."}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "This field is required."),
        ({"slug": "acme"}, "organization with this slug already exists."),
        ({"slug": "a" * 17}, "Ensure this field has no more than 16 characters."),
        ({"slug": "a b"}, 'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'),
    ],
)
def test_a_slug_is_short_and_unique(people: People, body: dict[str, str], error: str) -> None:
    answer = people["steve"].post("/organizations", json=body)
    assert (answer.status_code, answer.json()) == (400, {"slug": [error]})


def test_only_members_see_an_organization_and_workers_by_privilege_create_none(people: People) -> None:
    key = people["owen"].get("/organizations?search=acm").json()["results"][0]["id"]
    assert [people[name].get(f"/organizations/{key}").status_code for name in ("wanda", "steve")] == [200, 403]
    assert names(people["steve"].get("/organizations")) == []
    assert people["willy"].post("/organizations", json={"slug": "willy"}).status_code == 403
    assert [people[name].patch(f"/organizations/{key}", json={"name": "Acme"}).status_code
            for name in ("susan", "maya")] == [403, 200]  # fmt: skip
    assert people["maya"].delete(f"/organizations/{key}").status_code == 403


def test_a_known_address_makes_an_active_member_at_once(own: httpx.Client, people: People) -> None:
    answer = invite(own, "steve", "worker")
    assert (answer.json()["accepted"], answer.json()["user"]["username"]) == (True, "steve")
    assert invite(own, "steve", "worker").json() == ["The user is a member of the organization already."]
    accepted = people["steve"].post(f"/invitations/{answer.json()['key']}/accept")
    assert (accepted.status_code, accepted.json()) == (400, "Your invitation is already accepted.")
    assert own.delete(f"/memberships/{membership(own, 'steve')}").status_code == 204
    assert people.inside("steve").get("/jobs").status_code == 403


def test_an_unknown_address_is_500_and_leaves_a_user_who_cannot_log_in(own: httpx.Client, people: People) -> None:
    assert invite(own, "nobody", "worker").status_code == 500
    [member] = own.get("/memberships?user=nobody@example.com").json()["results"]
    assert (member["is_active"], member["joined_date"]) == (False, None)
    assert "nobody@example.com" in names(people.inside("wanda").get("/users"), "username")
    assert people.inside("wanda").get("/memberships?user=nobody@example.com").json()["count"] == 0
    basic = httpx.get(f"{people.url}/api/users/self", auth=("nobody@example.com", "\x00"))
    assert basic.status_code == 401
    assert own.delete(f"/invitations/{member['invitation']}").status_code == 204
    assert own.delete(f"/memberships/{member['id']}").status_code == 204


def test_a_maintainer_changes_workers_and_not_the_owner(people: People) -> None:
    maya = people.inside("maya")
    key, owner = membership(maya, "wanda"), membership(maya, "owen")
    assert maya.patch(f"/memberships/{key}", json={"role": "supervisor"}).json()["role"] == "supervisor"
    assert maya.patch(f"/memberships/{key}", json={"role": "worker"}).json()["role"] == "worker"
    assert maya.patch(f"/memberships/{key}", json={"role": "king"}).status_code == 400
    assert maya.patch(f"/memberships/{key}", json={"is_active": False}).status_code == 403
    assert maya.patch(f"/memberships/{owner}", json={"role": "worker"}).status_code == 403
    assert invite(maya, "steve", "maintainer").status_code == 403


def test_an_organization_in_the_request_narrows_lists(people: People, own: httpx.Client) -> None:
    owen = people["owen"]
    create(own, name="narrow 1")
    create(owen, name="narrow 2")
    path = "/tasks?search=narrow"
    assert names(own.get(path)) == ["narrow 1"]
    assert names(owen.get(path, headers={"X-Organization": ""})) == ["narrow 2"]
    assert names(owen.get(path)) == ["narrow 2", "narrow 1"]
    seen = {name: names(people.inside(name).get(path)) for name in ("maya", "susan", "root")}
    assert seen == {"maya": ["narrow 1"], "susan": [], "root": ["narrow 1"]}
    assert names(people["maya"].get(path)) == []
    assert names(owen.get(f"{path}&org_id=1")) == ["narrow 1"]


@pytest.mark.parametrize("query", ["org=other", "org_id=1"])
def test_an_organization_that_is_named_twice_is_refused(own: httpx.Client, query: str) -> None:
    assert own.get(f"/tasks?{query}").status_code == 400


def test_a_single_object_is_found_whatever_organization_the_request_names(people: People, own: httpx.Client) -> None:
    task_id = create(own)
    assert people["maya"].get(f"/tasks/{task_id}").status_code == 200
    assert people["owen"].get(f"/tasks/{task_id}", headers={"X-Organization": ""}).status_code == 200
    assert people["susan"].get(f"/tasks/{task_id}").status_code == 403


def test_supervisors_create_tasks_and_workers_do_not(people: People) -> None:
    task = {"name": "t", "labels": []}
    assert [people.inside(name).post("/tasks", json=task).status_code for name in ("susan", "wanda", "steve")] == [
        201, 403, 403,
    ]  # fmt: skip


def test_a_worker_sees_the_own_job_and_nothing_else_of_its_task(people: People, own: httpx.Client) -> None:
    task_id = uploaded(own, ["a.jpg", "b.jpg"], segment_size=1)
    mine, other = (job["id"] for job in jobs(own, task_id))
    assert own.patch(f"/jobs/{mine}", json={"assignee": IDS["wanda"]}).status_code == 200
    wanda = people["wanda"]
    assert names(wanda.get("/jobs", headers=ACME), "task_name") == [None]
    assert [job["id"] for job in wanda.get("/jobs").json()["results"]] == [mine]
    paths = (f"/jobs/{mine}", f"/jobs/{mine}/annotations", f"/labels?job_id={mine}", f"/jobs/{mine}/data/meta",
             f"/jobs/{other}", f"/tasks/{task_id}")  # fmt: skip
    assert [wanda.get(path).status_code for path in paths] == [200, 200, 200, 200, 403, 403]
    assert wanda.patch(f"/jobs/{mine}", json={"state": "completed"}).json()["state"] == "completed"
    assert wanda.patch(f"/jobs/{mine}", json={"stage": "acceptance"}).status_code == 403
    assert wanda.patch(f"/jobs/{mine}", json={"state": "new", "stage": "acceptance"}).status_code == 403
    assert wanda.post(f"/jobs/{mine}/dataset/export?format=COCO 1.0").status_code == 403


def test_work_may_be_given_to_somebody_who_is_no_member(people: People, own: httpx.Client) -> None:
    job = jobs(own, uploaded(own, ["a.jpg"]))[0]["id"]
    assert own.patch(f"/jobs/{job}", json={"assignee": IDS["steve"]}).json()["assignee"]["username"] == "steve"
    assert people["steve"].get(f"/jobs/{job}").status_code == 403
    own.patch(f"/jobs/{job}", json={"assignee": IDS["willy"]})
    assert people["willy"].get(f"/jobs/{job}").status_code == 200
    assert own.patch(f"/jobs/{job}", json={"assignee": 99999}).status_code == 500


def test_a_member_who_became_an_owner_later_runs_nothing(people: People) -> None:
    owen, susan, header = people["owen"], people["susan"], {"X-Organization": "gamma"}
    owen.post("/organizations", json={"slug": "gamma"})
    for name in ("susan", "wanda"):
        owen.post("/invitations", json={"email": f"{name}@example.com", "role": "worker"}, headers=header)
    members = owen.get("/memberships", headers=header).json()["results"]
    keys = {member["user"]["username"]: member["id"] for member in members}
    assert owen.patch(f"/memberships/{keys['susan']}", json={"role": "owner"}).status_code == 200
    assert owen.patch(f"/memberships/{keys['susan']}", json={"role": "supervisor"}).status_code == 403
    assert susan.delete(f"/memberships/{keys['wanda']}").status_code == 403
    owen.post("/tasks", json={"name": "t"}, headers=header)
    assert names(susan.get("/tasks", headers=header)) == ["t"]


def test_an_organization_can_be_there_from_the_start(tmp_path: Path) -> None:
    for _ in range(2):  # the second time it is in the folder
        with serve(USERS[:3], version="2.73", organization="acme", data=tmp_path / "data") as sandbox:
            members = login(sandbox.url, "root").get("/memberships", headers=ACME).json()["results"]
            assert {(one["user"]["username"], one["role"], one["is_active"]) for one in members} == {
                ("root", "owner", True),
                ("owen", "worker", True),
                ("maya", "worker", True),
            }


@pytest.mark.parametrize(("version", "users"), [("1.0.0", ["ann:annpass"]), ("2.73", [])])
def test_it_needs_users_and_a_cvat_that_has_organizations(version: str, users: list[str]) -> None:
    with (
        pytest.raises(SandboxError, match="has no organizations, or there is no user"),
        serve(users, version=version, organization="acme"),
    ):
        pass
