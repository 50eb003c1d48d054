"""The command `cvat-sandbox` as a process: its address, its end, and its state after a kill."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from cvat_sandbox import Serving
from cvat_sandbox.cli import command
from tests.support.sandbox_client import (
    USERS,
    body,
    box,
    coco,
    create,
    job_ids,
    jpeg,
    login,
    send,
    settled,
    task,
    until,
    uploaded,
    write,
)

ARGUMENTS = [argument for user in USERS for argument in ("--user", user)]


@contextmanager
def running(*arguments: str, users: list[str] = ARGUMENTS) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process and its address."""
    command = [
        sys.executable,
        "-m",
        "cvat_sandbox",
        "--port",
        "0",
        *users,
        *arguments,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        match = re.search(r"http://\S+", process.stdout.readline())
        assert match, process.stderr and process.stderr.read()
        yield process, match[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_it_prints_its_address_and_stops_on_a_signal(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running() as (process, url):
        uploaded(login(url), ["a.jpg"])
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        assert process.wait(20) == 0
    assert not list(tmp_path.iterdir())


def left_waiting(url: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.get(url, timeout=60)


def test_a_delay_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text('- {on: "GET /api/v1/server/about", delay: 600}\n- {on: worker creation, delay: 600}\n')
    with running("--faults", str(faults)) as (process, url):
        http = login(url)
        send(http, create(http), {"a.jpg": jpeg()})
        threading.Thread(target=left_waiting, args=(url + "/api/v1/server/about",), daemon=True).start()
        time.sleep(0.2)
        process.terminate()
        assert process.wait(20) == 0


def test_a_hanging_download_does_not_keep_it_from_stopping() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote = f"127.0.0.1:{silent.getsockname()[1]}"
        with running("--allow-remote", remote) as (process, url):
            http = login(url)
            task_id = create(http)
            http.post(f"/tasks/{task_id}/data", json={"image_quality": 70, "remote_files": [f"http://{remote}/a.jpg"]})
            until(
                lambda: http.get(f"/tasks/{task_id}/status").json()["message"], lambda message: "downloaded" in message
            )
            process.terminate()
            assert process.wait(20) == 0


def test_it_prints_no_password() -> None:
    with running("--user", "zoe:hunter2!x") as (process, url):
        login(url, "zoe", "hunter2!x")
        process.terminate()
        out, err = process.communicate(timeout=20)
    assert "hunter2" not in out + err


def test_users_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# the team\nroot:rootpass:superuser\n\nanna:with spaces!:user\n")
    with running("--users", str(file), users=[]) as (_, url):
        assert login(url, "anna", "with spaces!").get("/users/self").json()["id"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "root"], "needs a password"),
        (["--user", "a:b:superman"], "unknown role"),
        (["--share", "/nowhere"], "does not exist"),
    ],
)
def test_a_wrong_option_is_an_error_with_a_text(arguments: list[str], words: str) -> None:
    ended = CliRunner().invoke(command, arguments)
    assert ended.exit_code == 2
    assert words in ended.stderr


def test_a_port_in_use_is_an_error_that_names_the_option(sandbox: Serving) -> None:
    command = [sys.executable, "-m", "cvat_sandbox", "--port", str(sandbox.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_data_folder_keeps_the_state_after_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running("--data", str(data)) as (process, url):
        http = login(url)
        task_id = uploaded(http, ["a.jpg", "b.jpg"], segment_size=1)
        first, second = job_ids(http, task_id)
        write(http, first, body(box(task(http, task_id)["labels"][0]["id"])))
        http.patch(f"/jobs/{second}", json={"status": "completed", "assignee": 3})
        before, annotations = task(http, task_id), http.get(f"/tasks/{task_id}/annotations").json()
        token = http.headers["Authorization"]
        process.kill()
        process.wait(20)
    with running("--data", str(data)) as (_, url):
        http = login(url)
        assert http.headers["Authorization"] == token
        again = task(http, task_id)
        strip = re.compile(r"http://[^/]+")
        assert strip.sub("", str(again)) == strip.sub("", str(before))
        assert http.get(f"/tasks/{task_id}/annotations").json() == annotations
        assert len(coco(http, task_id)["annotations"]) == 1
        assert http.get(f"/tasks/{task_id}/data?type=frame&quality=original&number=0").content == jpeg()
        assert create(http) == task_id + 1


@pytest.mark.slow
def test_the_state_is_readable_after_a_kill_at_any_moment(tmp_path: Path) -> None:
    """The server is killed twice during uploads. All that it confirmed exists afterwards."""
    data, made = tmp_path / "data", []
    for round_ in range(3):
        with running("--data", str(data)) as (process, url):
            http = login(url)
            for task_id in made:
                settled(http, task_id)
                assert task(http, task_id)["size"] == 3
            if round_ == 2:
                break
            stop = threading.Timer(1.0 + round_ * 0.37, process.kill)
            stop.start()
            try:
                while True:
                    task_id = create(http)
                    assert send(http, task_id, {f"{n}.jpg": jpeg() for n in range(3)}).status_code == 202
                    made.append(task_id)
            except (httpx.HTTPError, AssertionError):
                assert process.wait(20) != 0
    assert len(made) > 1


@pytest.mark.slow
def test_a_job_interrupted_by_a_kill_continues_after_the_next_start(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text("- {on: worker creation, delay: 60}\n")
    with running("--data", str(tmp_path / "data"), "--faults", str(faults)) as (process, url):
        http = login(url)
        task_id = create(http)
        send(http, task_id, {"a.jpg": jpeg()})
        until(lambda: http.get(f"/tasks/{task_id}/status").json()["state"], lambda state: state == "Started")
        process.kill()
        process.wait(20)
    with running("--data", str(tmp_path / "data")) as (_, url):
        http = login(url)
        settled(http, task_id)
        assert task(http, task_id)["size"] == 1


def resident(pid: int) -> int:
    """Return the memory of a process in KiB."""
    return int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_a_large_upload_is_not_held_in_memory() -> None:
    boundary, block, blocks = b"--xx\r\n", bytes(2**20), 150
    head = boundary + b'Content-Disposition: form-data; name="client_files[0]"; filename="large.txt"\r\n\r\n'
    tail = (
        b"\r\n"
        + boundary
        + b'Content-Disposition: form-data; name="image_quality"\r\n\r\n70\r\n'
        + boundary
        + b'Content-Disposition: form-data; name="client_files[1]"; filename="a.jpg"\r\n\r\n'
        + jpeg()
        + b"\r\n--xx--\r\n"
    )

    def parts() -> Iterator[bytes]:
        yield head
        for _ in range(blocks):
            yield block
        yield tail

    with running() as (process, url):
        http = login(url)
        task_id = uploaded(http, ["warm.jpg"])
        before, peak, done = resident(process.pid), 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.is_set():
                peak = max(peak, resident(process.pid))
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        length = str(len(head) + blocks * len(block) + len(tail))
        headers = {"Content-Type": "multipart/form-data; boundary=xx", "Content-Length": length}
        try:
            answer = http.post(f"/tasks/{task_id}/data", content=parts(), headers=headers)
            rejected = http.post(
                f"/tasks/{task_id}/data", content=parts(), headers={**headers, "Authorization": "Token no"}
            )
        finally:
            done.set()
            watcher.join()
        assert (answer.status_code, rejected.status_code) == (202, 401)
        assert peak - before < 64 * 1024
