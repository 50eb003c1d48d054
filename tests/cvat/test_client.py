"""The runner over real HTTP: what it repeats and what not, how it waits, what it tells, what it keeps to itself."""

from __future__ import annotations

import io
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stamina
from scripted import CUT, DEAF, HALF, Scripted, serving

from labelyard.cvat import Cvat, connect
from labelyard.domain.labels import Label
from labelyard.domain.tasks import DataSpec, JobStatus, Task, TaskSpec, UploadFile
from labelyard.errors import (
    CvatBusy,
    CvatCrashed,
    CvatDisagrees,
    CvatTimeout,
    CvatUnauthorized,
    CvatUnreachable,
    InputError,
    UnclearAnswer,
)

SELF = ("GET", "/api/v1/users/self")
TASKS = ("POST", "/api/v1/tasks")
DATA = ("POST", "/api/v1/tasks/7/data")
JOB = ("PATCH", "/api/v1/jobs/3")
DUMP = ("GET", "/api/v1/tasks/7/annotations")
LOGIN = ("POST", "/api/v1/auth/login")

TWO_TOKENS = [(200, {"key": "old"}), (200, {"key": "new"})]
ROOT = (200, {"id": 1, "username": "root"})
JOB_3 = (200, {"id": 3, "task_id": 7, "start_frame": 0, "stop_frame": 1, "status": "annotation", "assignee": None})


@pytest.fixture(autouse=True)
def _fast_retries() -> Iterator[None]:
    stamina.set_testing(True, attempts=4)
    yield
    stamina.set_testing(False)


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds


def talk(server: Scripted, **more: Any) -> Cvat:
    return connect(server.url, username="root", password="rootpass", **({"dialect": "v1", "clock": Clock()} | more))


def a_file(name: str = "a.jpg", content: bytes = b"x" * 1000, size: int | None = None) -> UploadFile:
    return UploadFile(name, len(content) if size is None else size, lambda: io.BytesIO(content), "image/jpeg")


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("annotations/instances_default.json", "{}")
    return buffer.getvalue()


A_ZIP = _zip()


def test_many_verbs_log_in_once_and_show_the_token() -> None:
    with serving({}) as server:
        cvat = talk(server)
        assert cvat.whoami().username == "root"
        assert cvat.whoami().username == "root"
        assert len(server.asked(*LOGIN)) == 1
        assert {one.headers["authorization"] for one in server.asked(*SELF)} == {"Token t0ken"}


def test_a_login_shows_no_token_and_no_request_shows_a_cookie() -> None:
    with serving({}) as server:
        cvat = talk(server)
        cvat.whoami()
        cvat.whoami()
        assert "authorization" not in server.asked(*LOGIN)[0].headers
        assert not [one for one in server.seen if "cookie" in one.headers]


def test_a_given_token_is_used_without_a_login() -> None:
    with serving({}) as server:
        connect(server.url, token="given").whoami()
        assert not server.asked(*LOGIN)
        assert server.asked(*SELF)[0].headers["authorization"] == "Token given"


def test_a_token_that_somebody_ended_is_replaced_by_one_new_login() -> None:
    gone = (401, {"detail": "Invalid token."})
    with serving({SELF: [ROOT, gone, ROOT], LOGIN: list(TWO_TOKENS)}) as server:
        cvat = talk(server)
        cvat.whoami()
        assert cvat.whoami().username == "root"
        assert [one.headers["authorization"] for one in server.asked(*SELF)] == ["Token old", "Token old", "Token new"]


def test_a_given_token_that_is_no_longer_good_is_told() -> None:
    with (
        serving({SELF: [(401, {"detail": "Invalid token."})]}) as server,
        pytest.raises(CvatUnauthorized, match="Invalid token"),
    ):
        connect(server.url, token="old").whoami()


def test_auto_asks_once_which_family_it_is() -> None:
    with serving({}) as server:
        cvat = talk(server, dialect="auto")
        cvat.whoami()
        cvat.whoami()
        assert len(server.asked("GET", "/api/v1/server/about")) == 2  # once without, once with the token


def test_something_that_is_no_cvat_is_told() -> None:
    website = (200, b"<html>welcome</html>", {"Content-Type": "text/html"})
    nothing = {("GET", "/api/v1/server/about"): [website], ("GET", "/api/server/about"): [(404, b"")]}
    with serving(nothing) as server, pytest.raises(CvatUnreachable, match="not a CVAT"):
        talk(server, dialect="auto").whoami()


def test_a_cvat_that_crashes_when_it_is_first_asked_is_not_taken_for_something_else() -> None:
    with serving({("GET", "/api/v1/server/about"): [(500, b"<h1>Server Error (500)</h1>")]}) as server:
        with pytest.raises(CvatCrashed) as caught:
            talk(server, dialect="auto").whoami()
        assert caught.value.retry
        assert not server.asked("GET", "/api/server/about")


@pytest.mark.parametrize("trouble", [(502, b""), (503, b""), (504, b""), (429, b"", {"Retry-After": "0"}), CUT, HALF])
def test_a_get_is_repeated_until_it_is_answered(trouble: Any) -> None:
    with serving({SELF: [trouble, trouble, ROOT]}) as server:
        assert talk(server).whoami().username == "root"
        assert len(server.asked(*SELF)) == 3


def test_a_get_is_repeated_a_few_times_and_then_given_up() -> None:
    with serving({SELF: [(503, b"")]}) as server:
        with pytest.raises(CvatBusy):
            talk(server).whoami()
        assert len(server.asked(*SELF)) == 4


def test_a_patch_of_a_job_may_be_repeated_since_it_says_what_shall_be() -> None:
    with serving({JOB: [CUT, (503, b""), JOB_3]}) as server:
        assert talk(server).set_job_status(3, JobStatus.ANNOTATION).id == 3
        assert len(server.asked(*JOB)) == 3


@pytest.mark.parametrize("trouble", [CUT, DEAF, HALF])
def test_a_creation_whose_answer_is_lost_is_unclear_and_never_repeated(trouble: str) -> None:
    with serving({TASKS: [trouble]}) as server:
        with pytest.raises(UnclearAnswer):
            talk(server).create_task(TaskSpec("t", (Label("car"),)))
        assert len(server.asked(*TASKS)) == 1


@pytest.mark.parametrize(("status", "kind"), [(503, CvatBusy), (500, CvatCrashed)])
def test_a_creation_that_fails_is_never_repeated(status: int, kind: type[Exception]) -> None:
    with serving({TASKS: [(status, b"")]}) as server:
        with pytest.raises(kind):
            talk(server).create_task(TaskSpec("t", (Label("car"),)))
        assert len(server.asked(*TASKS)) == 1


def test_a_creation_that_reached_nobody_is_unreachable_and_says_where() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(CvatUnreachable, match=url):
            connect(url, token="t", dialect="v1").create_task(TaskSpec("t", (Label("car"),)))


def test_a_busy_server_is_believed_how_long_it_wants() -> None:
    with serving({SELF: [(429, {"detail": "Request was throttled."}, {"Retry-After": "3600"})]}) as server:
        with pytest.raises(CvatBusy, match="throttled") as caught:
            talk(server).whoami()
        assert caught.value.after == 3600
        assert len(server.asked(*SELF)) == 1


def test_a_login_that_is_throttled_says_to_give_a_token() -> None:
    throttled = (429, {"detail": "Request was throttled."}, {"Retry-After": "1800"})
    with serving({LOGIN: [throttled]}) as server, pytest.raises(CvatBusy, match="without a token") as caught:
        talk(server).whoami()
    assert caught.value.after == 1800


@pytest.mark.parametrize(
    ("version", "field"), [("1.0", "assignee"), ("1.1", "assignee"), ("1.2", "assignee_id"), ("1.7.0", "assignee_id")]
)
def test_the_servers_version_decides_what_a_person_is_called(version: str, field: str) -> None:
    told = {("GET", "/api/v1/server/about"): [(200, {"name": "CVAT", "version": version})], JOB: [JOB_3]}
    with serving(told) as server:
        talk(server).assign(3, None)
        assert server.asked(*JOB)[0].json == {field: None}


def test_an_upload_streams_every_byte_under_its_exact_length_and_tells_how_far_it_is() -> None:
    files = [a_file(f"{n}.jpg", bytes([n]) * (300_000 + n)) for n in range(3)]
    told: list[int] = []
    with serving({DATA: [(202, {})]}) as server:
        receipt = talk(server).upload(7, files, DataSpec(), told.append)
        (got,) = server.asked(*DATA)
    assert receipt.task_id == 7
    assert int(got.headers["content-length"]) == len(got.body) == told[-1]
    assert "transfer-encoding" not in got.headers
    assert all(file.open().read() in got.body for file in files)
    assert told == sorted(told)


@pytest.mark.parametrize("trouble", [CUT, DEAF, HALF])
def test_an_upload_whose_answer_is_lost_is_unclear_and_never_repeated(trouble: str) -> None:
    with serving({DATA: [trouble]}) as server:
        with pytest.raises(UnclearAnswer):
            talk(server).upload(7, [a_file()], DataSpec())
        assert len(server.asked(*DATA)) == 1


def test_an_upload_is_begun_anew_when_the_token_was_ended() -> None:
    with serving({DATA: [(401, {"detail": "Invalid token."}), (202, {})], LOGIN: list(TWO_TOKENS)}) as server:
        talk(server).upload(7, [a_file()], DataSpec())
        first, second = server.asked(*DATA)
    assert len(first.body) == len(second.body)


def test_a_file_that_is_shorter_than_announced_leaves_an_unclear_upload() -> None:
    with serving({DATA: [(202, {})]}) as server, pytest.raises(UnclearAnswer, match="2000 bytes were announced"):
        talk(server).upload(7, [a_file(size=2000)], DataSpec())


def test_who_is_told_of_the_progress_can_end_an_upload() -> None:
    def stop(_: int) -> None:
        raise KeyError("enough")

    with serving({DATA: [(202, {})]}) as server, pytest.raises(KeyError, match="enough"):
        talk(server).upload(7, [a_file()], DataSpec(), stop)


@pytest.mark.parametrize("url", ["ftp://there", "http://", "s3://bucket/key"])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    with pytest.raises(InputError, match="not the address of a CVAT"):
        connect(url, token="t")


def test_a_dialect_that_nobody_speaks_is_told_at_once() -> None:
    with pytest.raises(InputError, match="use auto, v1 or v2"):
        connect("http://localhost", dialect="v3")


def test_an_address_may_be_pasted_with_a_path_and_shows_no_password() -> None:
    assert connect("https://me:secret@cvat.example.com:8443/tasks?page=1").url == "https://cvat.example.com:8443"
    assert connect("localhost:8080/").url == "http://localhost:8080"


def test_many_threads_find_out_and_log_in_once() -> None:
    with serving({}) as server:
        cvat = talk(server, dialect="auto")
        with ThreadPoolExecutor(8) as pool:
            done = [pool.submit(cvat.whoami if n % 2 else cvat.login) for n in range(16)]
            assert all(one.result(timeout=20) for one in done)
        assert len(server.asked(*LOGIN)) == 1


def test_an_answer_that_cannot_be_decoded_is_told() -> None:
    garbled = (200, b"no gzip", {"Content-Encoding": "gzip"})
    with serving({SELF: [garbled]}) as server, pytest.raises(CvatDisagrees, match="cannot be read"):
        talk(server).whoami()


def test_an_export_into_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with serving({DUMP: [(200, A_ZIP)]}) as server, pytest.raises(InputError, match="No such file"):
        talk(server).export(7, tmp_path / "none" / "x.zip")


def test_an_export_lands_whole_and_under_its_name(tmp_path: Path) -> None:
    named = {"Content-Disposition": "attachment; filename=\"b'x'\"; filename*=UTF-8''task%20%C3%BC.zip"}
    with serving({DUMP: [(202, b""), (202, b""), (200, A_ZIP, named)]}) as server:
        assert talk(server).export(7, tmp_path / "x.zip") == "task ü.zip"
    assert (tmp_path / "x.zip").read_bytes() == A_ZIP
    assert list(tmp_path.iterdir()) == [tmp_path / "x.zip"]


def test_a_download_that_breaks_off_is_begun_again(tmp_path: Path) -> None:
    with serving({DUMP: [HALF, (202, b""), (200, A_ZIP)]}) as server:
        talk(server).export(7, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == A_ZIP


@pytest.mark.parametrize("content", [b"no zip", A_ZIP[:-30], A_ZIP.replace(b"{}", b"[]")])
def test_an_export_that_is_no_whole_zip_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    with serving({DUMP: [(200, content)]}) as server, pytest.raises(CvatDisagrees, match="export"):
        talk(server).export(7, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_never_comes_ends_at_its_deadline_saying_what_was_seen(tmp_path: Path) -> None:
    clock = Clock()
    with (
        serving({DUMP: [(202, b"")]}) as server,
        pytest.raises(CvatTimeout, match="60 s; last seen: 202: still preparing"),
    ):
        talk(server, clock=clock).export(7, tmp_path / "x.zip", deadline=60)
    assert clock.now <= 60
    assert len(clock.slept) > 10


def test_a_redirect_names_the_address_to_use() -> None:
    elsewhere = (301, b"", {"Location": "https://cvat.example.com/api/v1/users/self"})
    with serving({SELF: [elsewhere]}) as server, pytest.raises(CvatDisagrees, match=r"https://cvat\.example\.com"):
        talk(server).whoami()


def test_an_answer_of_no_known_form_is_told() -> None:
    with (
        serving({SELF: [(200, b"<html>welcome</html>")]}) as server,
        pytest.raises(CvatDisagrees, match="no known server"),
    ):
        talk(server).whoami()


def test_names_reach_the_server_as_they_are() -> None:
    name = "a+b %2F_&#?ü"
    with serving({("GET", "/api/v1/tasks"): [(200, {"next": None, "results": []})]}) as server:
        assert talk(server).find_tasks(name) == list[Task]()
        (asked,) = server.asked("GET", "/api/v1/tasks")
    assert "name=a%2Bb%20%252F_%26%23%3F%C3%BC" in asked.path.replace("+", "%20")


def test_secrets_show_nowhere() -> None:
    with serving({LOGIN: [(400, {"non_field_errors": ["Unable to log in with provided credentials."]})]}) as server:
        cvat = talk(server)
        with pytest.raises(CvatUnauthorized) as caught:
            cvat.whoami()
    assert "rootpass" not in f"{caught.value} {caught.value!r} {cvat!r} {vars(cvat)!r}"
    assert str(caught.value).startswith(f"login at {server.url}: user 'root': Unable to log in")
