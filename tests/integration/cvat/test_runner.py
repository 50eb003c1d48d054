"""The runner and its transport over real HTTP: logins, retries, dialect detection, errors."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from labelyard.cvat import connect
from labelyard.domain.labels import Label
from labelyard.domain.tasks import JobStatus, Task, TaskSpec
from labelyard.errors import (
    CvatBusy,
    CvatCrashed,
    CvatDisagrees,
    CvatNotFound,
    CvatUnauthorized,
    CvatUnreachable,
    InputError,
    UnclearAnswer,
)
from labelyard.supervisor.stack import free_ports
from tests.support.cvat_families import V1, V2, serve_cvat
from tests.support.scripted_server import (
    CUT,
    HALF,
    LOGIN,
    TWO_TOKENS,
    UNREAD,
    connect_to,
    serve_script,
)

SELF = ("GET", "/api/v1/users/self")
TASKS = ("POST", "/api/v1/tasks")
JOB = ("PATCH", "/api/v1/jobs/3")

ROOT = (200, {"id": 1, "username": "root"})
JOB_3 = (200, {"id": 3, "task_id": 7, "start_frame": 0, "stop_frame": 1, "status": "annotation", "assignee": None})


def test_many_verbs_log_in_once_and_send_the_token() -> None:
    with serve_script({}) as server:
        cvat = connect_to(server)
        assert cvat.whoami().username == "root"
        assert cvat.whoami().username == "root"
        assert len(server.requests(*LOGIN)) == 1
        assert {one.headers["authorization"] for one in server.requests(*SELF)} == {"Token t0ken"}


def test_a_login_is_sent_without_a_token_and_no_request_has_a_cookie() -> None:
    with serve_script({}) as server:
        cvat = connect_to(server)
        cvat.whoami()
        cvat.whoami()
        assert "authorization" not in server.requests(*LOGIN)[0].headers
        assert not [one for one in server.received if "cookie" in one.headers]


def test_a_given_token_is_used_without_a_login() -> None:
    with serve_script({}) as server:
        connect(server.url, token="given").whoami()
        assert not server.requests(*LOGIN)
        assert server.requests(*SELF)[0].headers["authorization"] == "Token given"


def test_a_token_that_was_deleted_is_replaced_by_one_new_login() -> None:
    rejected = (401, {"detail": "Invalid token."})
    with serve_script({SELF: [ROOT, rejected, ROOT], LOGIN: list(TWO_TOKENS)}) as server:
        cvat = connect_to(server)
        cvat.whoami()
        assert cvat.whoami().username == "root"
        tokens = [request.headers["authorization"] for request in server.requests(*SELF)]
        assert tokens == ["Token old", "Token old", "Token new"]


def test_a_given_token_that_is_invalid_raises() -> None:
    with (
        serve_script({SELF: [(401, {"detail": "Invalid token."})]}) as server,
        pytest.raises(CvatUnauthorized, match="Invalid token"),
    ):
        connect(server.url, token="old").whoami()


def test_auto_detects_the_dialect_once() -> None:
    with serve_script({}) as server:
        cvat = connect_to(server, dialect="auto")
        cvat.whoami()
        cvat.whoami()
        assert len(server.requests("GET", "/api/v1/server/about")) == 2  # once without, once with the token


@pytest.mark.parametrize("is_away", [True, False])
def test_a_client_goes_on_after_its_server_was_upgraded(is_away: bool) -> None:
    (port,) = free_ports(1)
    with serve_cvat(V1, ["root:rootpass:superuser"], port=port) as old:
        cvat = connect(old.url, username="root", password="rootpass")
        assert cvat.family == "v1"
        cvat.whoami()
    if is_away:
        with pytest.raises(CvatUnreachable):
            cvat.whoami()
    with serve_cvat(V2, ["root:rootpass:superuser"], port=port):
        if not is_away:
            with pytest.raises(CvatNotFound):
                cvat.whoami()
        assert (cvat.whoami().username, cvat.family) == ("root", "v2")


def test_a_server_that_is_no_cvat_is_unreachable() -> None:
    website = (200, b"<html>welcome</html>", {"Content-Type": "text/html"})
    nothing = {("GET", "/api/v1/server/about"): [website], ("GET", "/api/server/about"): [(404, b"")]}
    with serve_script(nothing) as server, pytest.raises(CvatUnreachable, match="not a CVAT"):
        connect_to(server, dialect="auto").whoami()


def test_a_cvat_that_crashes_at_the_probe_is_not_taken_for_another_server() -> None:
    with serve_script({("GET", "/api/v1/server/about"): [(500, b"<h1>Server Error (500)</h1>")]}) as server:
        with pytest.raises(CvatCrashed) as caught:
            connect_to(server, dialect="auto").whoami()
        assert caught.value.retry
        assert not server.requests("GET", "/api/server/about")


@pytest.mark.parametrize("trouble", [(502, b""), (503, b""), (504, b""), (429, b"", {"Retry-After": "0"}), CUT, HALF])
def test_a_get_is_retried_until_it_succeeds(trouble: Any) -> None:
    with serve_script({SELF: [trouble, trouble, ROOT]}) as server:
        assert connect_to(server).whoami().username == "root"
        assert len(server.requests(*SELF)) == 3


def test_a_get_is_retried_a_few_times_and_then_raises() -> None:
    with serve_script({SELF: [(503, b"")]}) as server:
        with pytest.raises(CvatBusy):
            connect_to(server).whoami()
        assert len(server.requests(*SELF)) == 4


def test_a_patch_of_a_job_is_retried_since_it_is_idempotent() -> None:
    with serve_script({JOB: [CUT, (503, b""), JOB_3]}) as server:
        assert connect_to(server).set_job_status(3, JobStatus.ANNOTATION).id == 3
        assert len(server.requests(*JOB)) == 3


@pytest.mark.parametrize("trouble", [CUT, UNREAD, HALF])
def test_a_creation_with_a_lost_response_is_unclear_and_never_retried(trouble: str) -> None:
    with serve_script({TASKS: [trouble]}) as server:
        with pytest.raises(UnclearAnswer):
            connect_to(server).create_task(TaskSpec("t", (Label("car"),)))
        assert len(server.requests(*TASKS)) == 1


@pytest.mark.parametrize(("status", "kind"), [(503, CvatBusy), (500, CvatCrashed)])
def test_a_failed_creation_is_never_retried(status: int, kind: type[Exception]) -> None:
    with serve_script({TASKS: [(status, b"")]}) as server:
        with pytest.raises(kind):
            connect_to(server).create_task(TaskSpec("t", (Label("car"),)))
        assert len(server.requests(*TASKS)) == 1


def test_a_creation_without_a_server_is_unreachable_and_names_the_address() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(CvatUnreachable, match=url):
            connect(url, token="t", dialect="v1").create_task(TaskSpec("t", (Label("car"),)))


def test_a_long_retry_after_is_left_to_the_caller() -> None:
    with serve_script({SELF: [(429, {"detail": "Request was throttled."}, {"Retry-After": "3600"})]}) as server:
        with pytest.raises(CvatBusy, match="throttled") as caught:
            connect_to(server).whoami()
        assert caught.value.after == 3600
        assert len(server.requests(*SELF)) == 1


def test_a_throttled_login_advises_a_token() -> None:
    throttled = (429, {"detail": "Request was throttled."}, {"Retry-After": "1800"})
    with serve_script({LOGIN: [throttled]}) as server, pytest.raises(CvatBusy, match="without a token") as caught:
        connect_to(server).whoami()
    assert caught.value.after == 1800


@pytest.mark.parametrize(
    ("version", "field"), [("1.0", "assignee"), ("1.1", "assignee"), ("1.2", "assignee_id"), ("1.7.0", "assignee_id")]
)
def test_the_servers_version_decides_the_assignee_field(version: str, field: str) -> None:
    script = {("GET", "/api/v1/server/about"): [(200, {"name": "CVAT", "version": version})], JOB: [JOB_3]}
    with serve_script(script) as server:
        connect_to(server).assign(3, None)
        assert server.requests(*JOB)[0].json == {field: None}


@pytest.mark.parametrize("url", ["ftp://there", "http://", "s3://bucket/key"])
def test_an_invalid_address_raises_at_once(url: str) -> None:
    with pytest.raises(InputError, match="not the address of a CVAT"):
        connect(url, token="t")


def test_an_unknown_dialect_raises_at_once() -> None:
    with pytest.raises(InputError, match="use auto, v1 or v2"):
        connect("http://localhost", dialect="v3")


def test_path_and_password_of_a_pasted_address_are_dropped() -> None:
    assert connect("https://me:secret@cvat.example.com:8443/tasks?page=1").url == "https://cvat.example.com:8443"
    assert connect("localhost:8080/").url == "http://localhost:8080"


def test_many_threads_detect_the_dialect_and_log_in_once() -> None:
    with serve_script({}) as server:
        cvat = connect_to(server, dialect="auto")
        with ThreadPoolExecutor(8) as pool:
            done = [pool.submit(cvat.whoami if n % 2 else cvat.login) for n in range(16)]
            assert all(one.result(timeout=20) for one in done)
        assert len(server.requests(*LOGIN)) == 1


def test_a_response_that_cannot_be_decoded_raises() -> None:
    garbled = (200, b"no gzip", {"Content-Encoding": "gzip"})
    with serve_script({SELF: [garbled]}) as server, pytest.raises(CvatDisagrees, match="cannot be decoded"):
        connect_to(server).whoami()


def test_the_error_for_a_redirect_names_the_address_to_use() -> None:
    elsewhere = (301, b"", {"Location": "https://cvat.example.com/api/v1/users/self"})
    with serve_script({SELF: [elsewhere]}) as server, pytest.raises(CvatDisagrees, match=r"https://cvat\.example\.com"):
        connect_to(server).whoami()


def test_a_response_of_an_unknown_shape_raises() -> None:
    with (
        serve_script({SELF: [(200, b"<html>welcome</html>")]}) as server,
        pytest.raises(CvatDisagrees, match="unknown shape"),
    ):
        connect_to(server).whoami()


def test_names_reach_the_server_unchanged() -> None:
    name = "a+b %2F_&#?ü"
    with serve_script({("GET", "/api/v1/tasks"): [(200, {"next": None, "results": []})]}) as server:
        assert connect_to(server).find_tasks(name) == list[Task]()
        (request,) = server.requests("GET", "/api/v1/tasks")
    assert "name=a%2Bb%20%252F_%26%23%3F%C3%BC" in request.path.replace("+", "%20")


def test_errors_and_reprs_contain_no_password() -> None:
    with serve_script(
        {LOGIN: [(400, {"non_field_errors": ["Unable to log in with provided credentials."]})]}
    ) as server:
        cvat = connect_to(server)
        with pytest.raises(CvatUnauthorized) as caught:
            cvat.whoami()
    assert "rootpass" not in f"{caught.value} {caught.value!r} {cvat!r} {vars(cvat)!r}"
    assert str(caught.value).startswith(f"login at {server.url}: user 'root': Unable to log in")
