"""Login, tokens, users, the Accept header and what the sandbox does not serve."""

from __future__ import annotations

import httpx
import pytest

from cvat_sandbox import Serving, serve
from cvat_sandbox.errors import SandboxError
from tests.support.sandbox_client_v2 import USERS, login


def test_plain_json_is_not_acceptable_but_anything_is(sandbox: Serving) -> None:
    about = sandbox.url + "/api/server/about"
    assert httpx.get(about, headers={"Accept": "application/json"}).status_code == 406
    answer = httpx.get(about, headers={"Accept": "application/vnd.cvat+json"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/vnd.cvat+json")
    assert answer.json()["version"] == "2.73.0"


def test_every_login_returns_the_same_token_until_the_user_logs_out(sandbox: Serving) -> None:
    first, second = login(sandbox.url, "carol"), login(sandbox.url, "carol")
    assert first.headers["Authorization"] == second.headers["Authorization"]
    first.post("/auth/logout")
    assert second.get("/users/self").status_code == 401
    assert login(sandbox.url, "carol").get("/users/self").status_code == 200


def test_a_login_reads_json_alone_and_takes_an_address(sandbox: Serving) -> None:
    url, password = sandbox.url + "/api/auth/login", "pass12345!"
    assert httpx.post(url, data={"username": "alex", "password": password}).status_code == 415
    assert "key" in httpx.post(url, json={"email": "alex@example.com", "password": password}).json()
    assert httpx.post(url, json={"username": "alex", "password": "no"}).status_code == 400


def test_a_login_that_carries_an_old_session_is_a_csrf_failure(sandbox: Serving) -> None:
    credentials = {"username": "alex", "password": "pass12345!"}
    with httpx.Client(base_url=sandbox.url) as http:
        http.post("/api/auth/login", json=credentials)
        answer = http.post("/api/auth/login", json=credentials)
    assert (answer.status_code, answer.json()) == (403, {"detail": "CSRF Failed: CSRF token missing."})


def test_a_read_only_access_token_reads_and_changes_nothing(alex: httpx.Client, sandbox: Serving) -> None:
    token = alex.post("/auth/access_tokens", json={"name": "reader", "read_only": True}).json()
    bearer = httpx.Client(base_url=sandbox.url + "/api", headers={"Authorization": f"Bearer {token['value']}"})
    assert bearer.get("/tasks").status_code == 200
    assert bearer.post("/tasks", json={"name": "x"}).status_code == 403
    assert bearer.get("/auth/access_tokens/self").json()["name"] == "reader"
    assert "value" not in bearer.get("/auth/access_tokens/self").json()
    alex.delete(f"/auth/access_tokens/{token['id']}")
    assert bearer.get("/tasks").json() == {"detail": "Invalid token."}


def test_a_user_sees_only_themselves_and_an_admin_everyone(alex: httpx.Client, root: httpx.Client) -> None:
    assert [user["username"] for user in alex.get("/users").json()["results"]] == ["alex"]
    assert alex.get("/users/1").status_code == 403
    assert root.get("/users").json()["count"] == 5


def test_a_user_name_has_at_least_five_letters_when_it_registers(sandbox: Serving) -> None:
    body = {"username": "bob", "email": "bob@example.com", "password1": "Pa55-word-x", "password2": "Pa55-word-x"}
    answer = httpx.post(sandbox.url + "/api/auth/register", json=body)
    assert answer.json() == {"username": ["Ensure this field has at least 5 characters."]}
    answer = httpx.post(sandbox.url + "/api/auth/register", json={**body, "username": "bobby"})
    assert (answer.status_code, answer.json()["username"]) == (201, "bobby")


def test_what_the_sandbox_does_not_serve_is_501_with_a_sentence(alex: httpx.Client) -> None:
    answer = alex.post("/guides", json={})
    assert (answer.status_code, "does not serve POST /api/guides" in answer.text) == (501, True)
    assert alex.get("/nothing").status_code == 404
    assert alex.get("/v1/tasks").status_code == 404


def test_an_unknown_organization_is_404_and_two_different_ones_are_400(alex: httpx.Client) -> None:
    answer = alex.get("/tasks", headers={"X-Organization": "nothing"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "nothing organization does not exist."})
    assert alex.get("/tasks?org=other", headers={"X-Organization": "nothing"}).status_code == 400
    assert alex.get("/tasks", headers={"X-Organization": ""}).status_code == 200


def test_requests_without_credentials_are_limited_when_it_is_asked_for() -> None:
    with serve(USERS, version="2.73", anonymous_limit=3) as sandbox:
        alex = login(sandbox.url)
        answers = [httpx.get(sandbox.url + "/api/server/about") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
        assert alex.get("/users/self").status_code == 200


def test_another_version_in_the_accept_header_is_406(alex: httpx.Client) -> None:
    for version, status in (("2.0", 200), ("1.0", 406)):
        accept = f"application/vnd.cvat+json; version={version}"
        assert alex.get("/users/self", headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize(
    ("version", "user"), [("2.73", "alex:pass:annotator"), ("1.0.0", "alex:pass:worker"), ("3", "alex:pass")]
)
def test_a_version_or_a_role_that_does_not_exist_is_an_error(version: str, user: str) -> None:
    with pytest.raises(SandboxError), serve([user], version=version):
        pass
