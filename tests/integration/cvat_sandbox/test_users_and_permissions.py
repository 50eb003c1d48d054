"""Users, authentication, registration, and the permissions of roles."""

from __future__ import annotations

import httpx
import pytest

from cvat_sandbox import Serving, serve
from tests.support.sandbox_client import body, create, job_ids, login, settled, uploaded, write


def test_users_have_ids_in_the_given_order_and_their_roles(root: httpx.Client) -> None:
    users = root.get("/users?page_size=all").json()["results"]
    assert [(u["id"], u["username"], u["groups"], u["is_staff"], u["is_superuser"]) for u in users] == [
        (1, "root", ["admin"], True, True),
        (2, "alex", ["user"], True, False),
        (3, "dabai", [], False, False),
        (4, "carol", ["annotator"], False, False),
    ]


def test_only_staff_read_the_full_record_of_other_users(sandbox: Serving) -> None:
    dabai = login(sandbox.url, "dabai")
    assert set(dabai.get("/users").json()["results"][0]) == {
        "url",
        "id",
        "username",
        "first_name",
        "last_name",
        "email",
    }
    assert dabai.get("/users/3").json() == dabai.get("/users/self").json()
    assert "groups" in dabai.get("/users/self").json()


@pytest.mark.parametrize(("name", "status"), [("root", 201), ("alex", 201), ("dabai", 403), ("carol", 403)])
def test_only_admins_and_users_create_tasks(sandbox: Serving, name: str, status: int) -> None:
    answer = login(sandbox.url, name).post("/tasks", json={"name": "mine", "labels": []})
    assert answer.status_code == status


def test_an_annotator_can_read_and_change_assigned_jobs_and_those_of_unassigned_tasks(
    sandbox: Serving, alex: httpx.Client
) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg"], segment_size=1, assignee=2)
    mine, other = job_ids(alex, task_id)
    carol = login(sandbox.url, "carol")
    assert carol.get(f"/tasks/{task_id}").status_code == 403
    assert carol.get("/tasks", params={"id": task_id}).json()["count"] == 0
    alex.patch(f"/jobs/{mine}", json={"assignee": 4})
    assert carol.get("/tasks", params={"id": task_id}).json()["count"] == 1
    assert carol.get(f"/tasks/{task_id}").status_code == 200
    write(carol, mine, body())
    assert carol.patch(f"/jobs/{other}/annotations?action=create", json=body()).status_code == 403
    assert carol.patch(f"/tasks/{task_id}", json={"name": "x"}).status_code == 403
    alex.patch(f"/tasks/{task_id}", json={"assignee": None})
    assert carol.patch(f"/jobs/{other}", json={"status": "completed"}).status_code == 200


def test_an_observer_can_read_and_not_change() -> None:
    with serve(["root:rootpass:superuser", "olga:secret123:observer"]) as sandbox:
        task_id = uploaded(login(sandbox.url, "root"), ["a.jpg"], assignee=1)
        olga = login(sandbox.url, "olga", "secret123")
        assert olga.get(f"/tasks/{task_id}").status_code == 200
        assert olga.get("/tasks").json()["count"] == 1
        assert olga.patch("/jobs/1", json={"status": "completed"}).status_code == 403


def test_a_logout_ends_all_clients_of_the_user(sandbox: Serving) -> None:
    first, second = login(sandbox.url, "dabai"), login(sandbox.url, "dabai")
    assert first.headers["Authorization"] == second.headers["Authorization"]
    first.post("/auth/logout")
    assert second.get("/users/self").json() == {"detail": "Invalid token."}


def test_a_session_needs_its_csrf_token_to_write(sandbox: Serving, alex: httpx.Client) -> None:
    answer = httpx.post(sandbox.url + "/api/v1/auth/login", data={"username": "alex", "password": "pass12345!"})
    jar = httpx.Client(base_url=sandbox.url + "/api/v1", cookies=answer.cookies)
    assert jar.get("/users/self").json()["username"] == "alex"
    rejected = jar.post("/tasks", json={"name": "x", "labels": []})
    assert rejected.json() == {"detail": "CSRF Failed: CSRF token missing or incorrect."}
    token = answer.cookies["csrftoken"]
    assert jar.post("/tasks", json={"name": "x", "labels": []}, headers={"X-CSRFToken": token}).status_code == 201


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Token", "Invalid token header. No credentials provided."),
        ("Token nonsense", "Invalid token."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Token \xe9", "Invalid token header. Token string should not contain invalid characters."),
        ("Basic a", "Invalid basic header. Credentials not correctly base64 encoded."),
        ("Basic cm9vdDpub3Bl", "Invalid username/password."),
        ("Bearer x", "Authentication credentials were not provided."),
    ],
)
def test_wrong_credentials_get_the_text_of_the_real_server(sandbox: Serving, header: str, detail: str) -> None:
    sent = {"Authorization": header.encode("latin-1")}
    answer = httpx.get(sandbox.url + "/api/v1/users/self", headers=sent)
    assert (answer.status_code, answer.json()["detail"]) == (401, detail)
    assert answer.headers["WWW-Authenticate"] == "Token"


NEWCOMER = {"username": "new", "password1": "Str0ngPass!9", "password2": "Str0ngPass!9"}
SHORT = "This password is too short. It must contain at least 8 characters."
COMMON = "This password is too common."
NUMERIC = "This password is entirely numeric."


@pytest.mark.parametrize(
    ("password", "rejected"),
    [
        ("123", [SHORT, COMMON, NUMERIC]),
        ("short", [SHORT]),
        ("Password1", [COMMON]),
        ("87654321", [COMMON, NUMERIC]),
        ("20200101", [NUMERIC]),
    ],
)
def test_the_error_for_a_weak_password_has_every_reason(sandbox: Serving, password: str, rejected: list[str]) -> None:
    body = {**NEWCOMER, "email": "new@example.com", "password1": password, "password2": password}
    answer = httpx.post(sandbox.url + "/api/v1/auth/register", json=body)
    assert (answer.status_code, answer.json()) == (400, {"password1": rejected})


@pytest.mark.parametrize(
    ("email", "right"),
    [
        ("a@b.example", True),
        ("a.b+c@localhost", True),
        ('"a"@b.example', True),
        ("a@[127.0.0.1]", True),
        ("a@[300.0.0.1]", False),
        ("a@b\xfccher.example", True),
        ("\xe9@b.example", False),
        ("a..b@b.example", False),
        ("a@-b.example", False),
        ("a@b", False),
        ("nobody", False),
        (["a@b.example"], False),
    ],
)
def test_addresses_are_validated_as_by_django(sandbox: Serving, email: object, right: bool) -> None:
    body = {**NEWCOMER, "email": email, "password2": "another"}
    answer = httpx.post(sandbox.url + "/api/v1/auth/register", json=body)
    assert answer.json() == ({"non_field_errors": ["The two password fields didn't match."]} if right
                             else {"email": ["Enter a valid email address."]})  # fmt: skip


def test_registration_cuts_long_names_and_validates_confirmations(sandbox: Serving, root: httpx.Client) -> None:
    body = {**NEWCOMER, "email": "a@b.example", "first_name": "f" * 31, "last_name": "l" * 151, "confirmations": [{}]}
    answer = httpx.post(sandbox.url + "/api/v1/auth/register", json=body)
    assert (answer.status_code, answer.json()) == (400, {"confirmations": [{"name": ["This field is required."]}]})
    assert httpx.post(sandbox.url + "/api/v1/auth/register", json={**body, "confirmations": []}).status_code == 201
    newest = root.get("/users?ordering=-id&page_size=1").json()["results"][0]
    assert (newest["username"], len(newest["first_name"]), len(newest["last_name"])) == ("new", 30, 150)
    assert root.delete(f"/users/{newest['id']}").status_code == 204


def test_users_can_be_ordered_by_the_fields_that_the_reader_gets(sandbox: Serving, root: httpx.Client) -> None:
    def ids(http: httpx.Client, ordering: str) -> list[int]:
        return [user["id"] for user in http.get("/users", params={"ordering": ordering}).json()["results"]]

    assert ids(root, "-username") == [1, 3, 4, 2]
    assert ids(root, "nonsense") == [1, 2, 3, 4]
    assert ids(root, "-is_staff,-id") == [2, 1, 4, 3]
    assert ids(login(sandbox.url, "dabai"), "-is_staff,-id") == [4, 3, 2, 1]


@pytest.mark.parametrize("path", ["/users/99999999999", "/tasks/2147483648", "/jobs/99999999999999999999/annotations"])
def test_an_id_beyond_the_largest_integer_is_not_found(root: httpx.Client, path: str) -> None:
    assert (root.get(path).status_code, root.get(path).json()) == (404, {"detail": "Not found."})


def test_an_id_that_is_no_number_is_not_found_by_get_and_crashes_patch(sandbox: Serving) -> None:
    dabai = login(sandbox.url, "dabai")
    assert dabai.get("/users/abc").status_code == 404
    assert dabai.patch("/users/abc", json={}).status_code == 500
    assert httpx.patch(sandbox.url + "/api/v1/users/abc", json={}).status_code == 500


def test_a_path_may_end_with_the_name_of_a_renderer(sandbox: Serving, root: httpx.Client) -> None:
    assert root.get("/users/1.json").json() == root.get("/users/1").json()
    assert root.get("/users/1.api").headers["Content-Type"].startswith("text/html")
    assert httpx.get(sandbox.url + "/api/v1/users/1.xml").json() == {"detail": "Not found."}
    assert root.get("/users.json", headers={"Accept": "text/html"}).status_code == 406
    assert root.get("/users/1.2.3").headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register", "/tasks", "/tasks/1/data"])
def test_a_body_of_null_is_no_data(root: httpx.Client, path: str) -> None:
    create(root)
    answer = root.post(path, content=b"null", headers={"Content-Type": "application/json", "Cookie": ""})
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": ["No data provided"]})


def test_the_errors_of_labels_have_the_position_of_the_label(root: httpx.Client) -> None:
    answer = root.post("/tasks", json={"name": "x", "labels": [{"name": "car"}, None]})
    assert (answer.status_code, answer.json()) == (400, {"labels": [{}, ["This field may not be null."]]})


@pytest.mark.parametrize("owner", [2**31, 10**30])
def test_an_owner_beyond_the_largest_integer_does_not_exist(root: httpx.Client, owner: int) -> None:
    answer = root.post("/tasks", json={"name": "x", "labels": [], "owner": owner})
    assert answer.json() == {"owner": [f'Invalid pk "{owner}" - object does not exist.']}


def test_the_filter_by_id_drops_fractions_and_finds_no_large_numbers(root: httpx.Client) -> None:
    task_id = create(root)
    found = {
        text: root.get("/tasks", params={"id": text}).json()["count"] for text in (f"{task_id}.9", "1e30", "1e999")
    }
    assert found == {f"{task_id}.9": 1, "1e30": 0, "1e999": 0}


def test_tasks_and_jobs_of_a_deleted_user_remain_unassigned() -> None:
    with serve(["root:rootpass:superuser", "alex:pass12345!:user"]) as sandbox:
        root, alex = login(sandbox.url, "root"), login(sandbox.url)
        task_id = uploaded(alex, ["a.jpg"])
        root.patch("/jobs/1", json={"assignee": 2})
        assert root.delete("/users/2").status_code == 204
        assert root.get(f"/tasks/{task_id}").json()["owner"] is None
        assert root.get("/jobs/1").json()["assignee"] is None
        assert alex.get("/users/self").status_code == 401


def test_a_browser_gets_html(sandbox: Serving, root: httpx.Client) -> None:
    page = root.get("/users/self", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "root@example.com" in page.text


def test_a_superuser_has_every_permission_and_a_non_owner_may_upload(
    sandbox: Serving, root: httpx.Client, alex: httpx.Client
) -> None:
    task_id = create(root, assignee=1)
    assert alex.get(f"/tasks/{task_id}").status_code == 403
    assert alex.post(f"/tasks/{task_id}/data", json={"image_quality": 70}).status_code == 202
    assert alex.delete(f"/tasks/{task_id}").status_code == 403
    settled(root, task_id)
    assert root.delete(f"/tasks/{task_id}").status_code == 204
