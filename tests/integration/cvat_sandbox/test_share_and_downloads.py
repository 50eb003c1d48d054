"""Files of the share, and downloads from allowed servers."""

from __future__ import annotations

import http.server
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cvat_sandbox import Serving, serve
from cvat_sandbox.errors import DownloadError
from cvat_sandbox.workers.downloads import Downloader
from tests.support.certificates import self_signed
from tests.support.http_server import LOOPBACK, running
from tests.support.pictures import jpeg
from tests.support.sandbox_client import USERS, create, login, settled, task


class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path.startswith("/moved"):
            self.send_response(302, "Found")
            self.send_header("Location", "/a.jpg")
            self.end_headers()
        elif "none" in self.path:
            self.send_error(404, "File not found")
        else:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(50 if "slow" in self.path else 1):
                    self.wfile.write(jpeg())
                    time.sleep(0.05 if "slow" in self.path else 0)
            except OSError:
                pass

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def other_server(context: ssl.SSLContext | None = None) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(LOOPBACK, Files)
    server.asked = []  # type: ignore[attr-defined]
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server


@pytest.fixture
def files() -> Iterator[http.server.ThreadingHTTPServer]:
    with other_server() as server:
        yield server


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("a.jpg", "sub/b.jpg", "sub/deep/c.png", "sub/notes.txt"):
        (folder / name).write_bytes(jpeg())
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "out").symlink_to(tmp_path)
    return folder


def made(url: str, **body: object) -> tuple[dict, dict, list[str]]:
    http = login(url)
    task_id = create(http)
    assert http.post(f"/tasks/{task_id}/data", json={"image_quality": 70, **body}).status_code == 202
    status = settled(http, task_id)
    frames = http.get(f"/tasks/{task_id}/data/meta").json()["frames"]
    return status, task(http, task_id), [frame["name"] for frame in frames]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["a.jpg"], ["a.jpg"]),
        (["/a.jpg", "sub/b.jpg"], ["a.jpg", "sub/b.jpg"]),
        (["sub/"], ["sub/b.jpg", "sub/deep/c.png"]),
        (["sub/deep", "sub/deep/c.png"], ["sub/deep/c.png"]),
        (["a.jpg", "/a.jpg", "./a.jpg"], ["a.jpg"]),
    ],
)
def test_files_and_folders_of_the_share_become_frames(share: Path, asked: list[str], names: list[str]) -> None:
    with serve(USERS, share=share) as sandbox:
        status, found, frames = made(sandbox.url, server_files=asked)
    assert (status["state"], frames, found["size"]) == ("Finished", names, len(names))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("../secret.jpg", "ValueError: Don't use '..' inside file paths"),
        ("link.jpg", "ValueError: Bad file path: link.jpg"),
        ("out/secret.jpg", "ValueError: Bad file path: out/secret.jpg"),
        ("none.jpg", "FileNotFoundError: [Errno 2] No such file or directory: '/home/django/share/none.jpg'"),
        ("n" * 300, f"OSError: [Errno 36] File name too long: '/home/django/share/{'n' * 300}'"),
        (300, "ValueError: No media data found"),
    ],
)
def test_no_path_and_no_link_leads_out_of_the_share(share: Path, asked: list[str], message: str) -> None:
    with serve(USERS, share=share) as sandbox:
        status, _, frames = made(sandbox.url, server_files=[asked])
    assert (status, frames) == ({"state": "Failed", "message": message}, [])


def test_a_folder_with_a_link_out_of_the_share_fails(share: Path) -> None:
    with serve(USERS, share=share) as sandbox:
        status, _, _ = made(sandbox.url, server_files=["."])
    assert "Bad file path" in status["message"]


def test_only_folders_of_the_share_are_listed(share: Path) -> None:
    with serve(USERS, share=share) as sandbox:
        http = login(sandbox.url)
        listed = {entry["name"]: entry["type"] for entry in http.get("/server/share?directory=/").json()}
        assert listed["sub"], listed["a.jpg"] == ("DIR", "REG")
        for folder in ("/..", "/out", "/nope"):
            answer = http.get("/server/share", params={"directory": folder})
            assert (answer.status_code, answer.json()) == (400, f"{folder[1:]} is an invalid directory")


def test_without_a_share_there_are_no_files(alex: httpx.Client, sandbox: Serving) -> None:
    status, _, _ = made(sandbox.url, server_files=["etc/a.jpg"])
    assert status["message"].startswith("FileNotFoundError")


def test_remote_files_are_downloaded_from_the_servers_that_are_allowed(files: http.server.ThreadingHTTPServer) -> None:
    at = f"127.0.0.1:{files.server_port}"
    with serve(USERS, allow_remote=(at,)) as sandbox:
        status, _, frames = made(
            sandbox.url, remote_files=[f"http://{at}/b.jpg?signature=x", f"http://{at}/deep/a%20b.jpg"]
        )
    assert (status["state"], frames) == ("Finished", ["a b.jpg", "b.jpg"])
    assert files.asked == ["/b.jpg?signature=x", "/deep/a%20b.jpg"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.jpg", "404 - File not found"),
        ("moved.jpg", "302 - Found"),
    ],
)
def test_a_missing_or_redirected_remote_file_fails_the_task(
    files: http.server.ThreadingHTTPServer, path: str, message: str
) -> None:
    at = f"127.0.0.1:{files.server_port}"
    with serve(USERS, allow_remote=(at,)) as sandbox:
        status, _, _ = made(sandbox.url, remote_files=[f"http://{at}/{path}"])
    assert status["message"] == f"Exception: Failed to download http://{at}/{path}. {message}"


def test_no_request_is_sent_to_other_servers(files: http.server.ThreadingHTTPServer) -> None:
    with serve(USERS, allow_remote=("127.0.0.1:9",)) as sandbox:
        status, _, _ = made(sandbox.url, remote_files=[f"http://127.0.0.1:{files.server_port}/a.jpg"])
    assert "--allow-remote" in status["message"]
    assert files.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/a.jpg", "file:///etc/passwd", "http://", "gopher", "http://[::1", "http://127.0.0.1:9/a.jpg"],
)
def test_an_invalid_url_fails_the_download(tmp_path: Path, url: str) -> None:
    with pytest.raises((DownloadError, ValueError)):
        Downloader(frozenset({"127.0.0.1:9"})).fetch([url], tmp_path, lambda _: None)


def test_two_urls_with_one_file_name_collide(tmp_path: Path, files: http.server.ThreadingHTTPServer) -> None:
    at = f"127.0.0.1:{files.server_port}"
    with pytest.raises(DownloadError, match=r"filename collision: a\.jpg"):
        Downloader(frozenset({at})).fetch([f"http://{at}/1/a.jpg", f"http://{at}/2/a.jpg"], tmp_path, lambda _: None)


def test_a_download_has_a_size_limit_and_a_time_limit(tmp_path: Path, files: http.server.ThreadingHTTPServer) -> None:
    at = f"127.0.0.1:{files.server_port}"
    with pytest.raises(DownloadError, match="more than 10 bytes"):
        Downloader(frozenset({at}), max_bytes=10).fetch([f"http://{at}/a.jpg"], tmp_path, lambda _: None)
    with pytest.raises(DownloadError, match="0 seconds"):
        Downloader(frozenset({at}), max_seconds=0.2).fetch([f"http://{at}/slow.jpg"], tmp_path, lambda _: None)


def test_a_name_is_resolved_once(
    tmp_path: Path, files: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        return real("127.0.0.1" if host == "files.example" and len(asked) == 1 else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://files.example:{files.server_port}/a.jpg"
    fetched = Downloader(frozenset({f"files.example:{files.server_port}"})).fetch([url], tmp_path, lambda _: None)
    assert [name for name, _ in fetched] == ["a.jpg"]
    assert asked.count("files.example") == 1


def test_https_certificates_are_verified(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    self_signed(certificate)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate)
    with other_server(server_context) as server:
        at, trusting = f"localhost:{server.server_port}", ssl.create_default_context(cafile=certificate)
        with pytest.raises(DownloadError, match="CERTIFICATE_VERIFY_FAILED"):
            Downloader(frozenset({at})).fetch([f"https://{at}/a.jpg"], tmp_path, lambda _: None)
        ((name, file),) = Downloader(frozenset({at}), context=trusting).fetch(
            [f"https://{at}/a.jpg"], tmp_path, lambda _: None
        )
    assert (name, file.read_bytes()) == ("a.jpg", jpeg())
