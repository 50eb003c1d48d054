"""Arbitrary requests: each gets a response that the real server could give, and none stops the sandbox."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cvat_sandbox import Serving, serve
from tests.support.examples import examples
from tests.support.sandbox_client import USERS, body, box, create, login, uploaded

Target = tuple[Serving, str]
"""A sandbox, and the Authorization header of its superuser."""

PATHS = [
    "/",
    "/api/v1/",
    "/api/v1/auth/login",
    "/api/v1/auth/logout",
    "/api/v1/auth/register",
    "/api/v1/users",
    "/api/v1/users/self",
    "/api/v1/users/2",
    "/api/v1/tasks",
    "/api/v1/tasks/1",
    "/api/v1/tasks/1/jobs",
    "/api/v1/tasks/1/status",
    "/api/v1/tasks/1/data",
    "/api/v1/tasks/1/data/meta",
    "/api/v1/tasks/1/annotations",
    "/api/v1/tasks/1/dataset",
    "/api/v1/tasks/2/data",
    "/api/v1/tasks/2/annotations",
    "/api/v1/jobs/1",
    "/api/v1/jobs/1/annotations",
    "/api/v1/server/about",
    "/api/v1/server/share",
    "/api/v1/server/logs",
    "/api/v1/server/annotation/formats",
    "/api/v1/projects",
    "/api/v1/plugins",
    "/tasks",
    "/tasks/1",
    "/tasks/1/jobs/1",
    "/tasks/1/frames/0",
    "/git/repository/get/1",
    "/git/repository/meta/get",
    "/_sandbox/faults",
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]
KEYS = [
    "name",
    "labels",
    "attributes",
    "values",
    "id",
    "owner",
    "assignee",
    "segment_size",
    "overlap",
    "image_quality",
    "client_files",
    "server_files",
    "remote_files",
    "start_frame",
    "stop_frame",
    "frame_filter",
    "chunk_size",
    "shapes",
    "tracks",
    "tags",
    "version",
    "points",
    "frame",
    "label_id",
    "group",
    "type",
    "username",
    "password",
    "password1",
    "password2",
    "email",
    "groups",
    "status",
    "spec_id",
    "value",
    "on",
]
PARAMETERS = [
    "page",
    "page_size",
    "id",
    "name",
    "owner",
    "search",
    "ordering",
    "action",
    "format",
    "filename",
    "type",
    "number",
    "quality",
    "directory",
    "project_id",
    "scheme",
    "sign",
]
VALUES = [
    "all",
    "last",
    "-1",
    "0",
    "1",
    "99999999999999999999",
    "create",
    "update",
    "delete",
    "download",
    "COCO 1.0",
    "frame",
    "chunk",
    "preview",
    "original",
    "\x00",
    "é\udc80",
]
BIG = st.integers(min_value=-(2**70), max_value=2**70)
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 5) | BIG | st.floats() | st.text(max_size=12) | st.sampled_from(VALUES)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
QUERY = st.dictionaries(st.sampled_from(PARAMETERS), st.text(max_size=8) | st.sampled_from(VALUES), max_size=3)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A sandbox with a task with data and a task without, and the token of a superuser."""
    with serve(USERS, control_token="open sesame") as serving:
        http = login(serving.url, "root")
        first = uploaded(http, ["a.jpg", "b.jpg"])
        create(http)
        label = http.get(f"/tasks/{first}").json()["labels"][0]["id"]
        assert http.patch("/jobs/1/annotations?action=create", json=body(box(label))).status_code == 200
        yield serving, http.headers["Authorization"]


def ask(
    target: Target, method: str, path: str, query: dict[str, str], content: bytes, kind: str
) -> tuple[int, str, str]:
    serving, token = target
    text = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in query.items())
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
    headers = {"Authorization": token, "Content-Type": kind, "Connection": "close"}
    connection.request(method, path + ("?" + text if text else ""), body=content or None, headers=headers)
    answer = connection.getresponse()
    result = answer.status, answer.headers.get("Content-Type", ""), answer.read().decode("utf-8", "replace")
    connection.close()
    return result


def check(target: Target, method: str, path: str, query: dict[str, str], content: bytes, kind: str) -> None:
    status, media, text = ask(target, method, path, query, content, kind)
    assert 200 <= status < 600
    assert "Traceback" not in text
    assert ".py" not in text
    assert "cvat_sandbox" not in text
    assert "labelyard" not in text
    assert str(target[0].sandbox.folder) not in text
    if status == 500 and "json" not in media:
        assert text in {"<h1>Server Error (500)</h1>", ""}
    if "json" in media and text:
        json.loads(text)


FUZZ = settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.sampled_from(METHODS), st.sampled_from(PATHS), QUERY, JSON)
@example("POST", "/api/v1/tasks", {}, {"name": "x", "labels": [{"name": "a", "attributes": [[]]}]})
@example("PATCH", "/api/v1/jobs/1/annotations", {"action": "create"}, body(box(1, points=["nan", "inf"])))
@example("POST", "/api/v1/tasks/1/data", {}, {"image_quality": 70, "client_files": [{}]})
def test_any_json_gets_a_response_that_the_real_server_could_give(
    target: Target, method: str, path: str, query: dict[str, str], content: bytes
) -> None:
    if path == "/api/v1/auth/logout":
        method = "GET"  # the token of this test should live
    if path.startswith("/api/v1/users/") and method in {"PATCH", "DELETE"}:
        method = "GET"
    check(target, method, path, query, json.dumps(content).encode("utf-8", "replace"), "application/json")


@FUZZ
@given(
    st.sampled_from(["/api/v1/tasks/2/data", "/api/v1/auth/login", "/api/v1/tasks/1/annotations", "/api/v1/tasks"]),
    st.sampled_from(["POST", "PUT"]),
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                b"--b\r\n",
                b"--b--\r\n",
                b"\r\n",
                b"Content-Disposition: form-data; name=",
                b'"client_files[0]"',
                b"; filename=",
                b'"a.jpg"',
                b'"../..\\x"',
                b"image_quality",
                b"70",
                b"\xff\xd8\xff",
                b"=&%",
                b'"annotation_file"',
            ]
        ),
        max_size=14,
    ).map(b"".join),
    st.sampled_from(
        [
            "multipart/form-data; boundary=b",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "application/json",
            "application/xml",
            "",
            "text/html; charset=nosuch",
        ]
    ),
)
def test_any_body_gets_such_a_response(target: Target, path: str, method: str, content: bytes, kind: str) -> None:
    check(target, method, path, {"format": "COCO 1.0"}, content, kind)


@FUZZ
@given(st.text(max_size=30), st.sampled_from(METHODS))
def test_any_path_gets_such_a_response(target: Target, path: str, method: str) -> None:
    if path.startswith("api/v1/auth/logout"):
        return
    check(target, method, "/" + quote(path.encode("utf-8", "surrogatepass"), safe="/."), {}, b"", "text/plain")


@settings(max_examples=examples(60), deadline=None)
@given(st.binary(max_size=120), st.booleans())
@example(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", True)
@example(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", True)
def test_invalid_http_does_not_stop_the_server(target: Target, content: bytes, hang_up: bool) -> None:
    serving, _token = target
    with socket.create_connection(("127.0.0.1", serving.port), timeout=5) as raw:
        raw.sendall(content)
        if not hang_up:
            raw.sendall(b"\r\n\r\n")
    assert ask(target, "GET", "/api/v1/server/about", {}, b"", "text/plain")[0] == 200
