"""Uploads and exports over real HTTP: streaming, lost responses, damaged files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from labelyard.domain.tasks import DataSpec, UploadFile
from labelyard.errors import (
    CvatBusy,
    CvatDisagrees,
    CvatTimeout,
    InputError,
    UnclearAnswer,
)
from tests.support.scripted_server import (
    CUT,
    HALF,
    LOGIN,
    TWO_TOKENS,
    UNREAD,
    ManualClock,
    connect_to,
    serve_script,
)

DATA = ("POST", "/api/v1/tasks/7/data")
EXPORT = ("GET", "/api/v1/tasks/7/annotations")


def a_file(name: str = "a.jpg", content: bytes = b"x" * 1000, size: int | None = None) -> UploadFile:
    return UploadFile(name, len(content) if size is None else size, lambda: io.BytesIO(content), "image/jpeg")


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("annotations/instances_default.json", "{}")
    return buffer.getvalue()


A_ZIP = _zip()


def test_an_upload_streams_every_byte_with_its_exact_length_and_reports_progress() -> None:
    files = [a_file(f"{n}.jpg", bytes([n]) * (300_000 + n)) for n in range(3)]
    progress: list[int] = []
    with serve_script({DATA: [(202, {})]}) as server:
        receipt = connect_to(server).upload(7, files, DataSpec(), progress.append)
        (got,) = server.requests(*DATA)
    assert receipt.task_id == 7
    assert int(got.headers["content-length"]) == len(got.body) == progress[-1]
    assert "transfer-encoding" not in got.headers
    assert all(file.open().read() in got.body for file in files)
    assert progress == sorted(progress)


@pytest.mark.parametrize("trouble", [CUT, UNREAD, HALF])
def test_an_upload_with_a_lost_response_is_unclear_and_never_retried(trouble: str) -> None:
    with serve_script({DATA: [trouble]}) as server:
        with pytest.raises(UnclearAnswer):
            connect_to(server).upload(7, [a_file()], DataSpec())
        assert len(server.requests(*DATA)) == 1


def test_an_upload_is_sent_again_after_a_rejected_token() -> None:
    with serve_script({DATA: [(401, {"detail": "Invalid token."}), (202, {})], LOGIN: list(TWO_TOKENS)}) as server:
        connect_to(server).upload(7, [a_file()], DataSpec())
        first, second = server.requests(*DATA)
    assert len(first.body) == len(second.body)


def test_a_file_shorter_than_its_size_makes_the_upload_unclear() -> None:
    with serve_script({DATA: [(202, {})]}) as server, pytest.raises(UnclearAnswer, match="2000 bytes were expected"):
        connect_to(server).upload(7, [a_file(size=2000)], DataSpec())


def test_an_exception_of_on_progress_ends_the_upload() -> None:
    def stop(_: int) -> None:
        raise KeyError("enough")

    with serve_script({DATA: [(202, {})]}) as server, pytest.raises(KeyError, match="enough"):
        connect_to(server).upload(7, [a_file()], DataSpec(), stop)


def test_an_export_into_a_missing_folder_raises(tmp_path: Path) -> None:
    with serve_script({EXPORT: [(200, A_ZIP)]}) as server, pytest.raises(InputError, match="No such file"):
        connect_to(server).export(7, tmp_path / "none" / "x.zip")


def test_an_export_is_written_whole_and_returns_its_name(tmp_path: Path) -> None:
    named = {"Content-Disposition": "attachment; filename=\"b'x'\"; filename*=UTF-8''task%20%C3%BC.zip"}
    with serve_script({EXPORT: [(202, b""), (202, b""), (200, A_ZIP, named)]}) as server:
        assert connect_to(server).export(7, tmp_path / "x.zip") == "task ü.zip"
    assert (tmp_path / "x.zip").read_bytes() == A_ZIP
    assert list(tmp_path.iterdir()) == [tmp_path / "x.zip"]


def test_an_interrupted_download_is_retried(tmp_path: Path) -> None:
    with serve_script({EXPORT: [HALF, (202, b""), (200, A_ZIP)]}) as server:
        connect_to(server).export(7, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == A_ZIP


@pytest.mark.parametrize("content", [b"no zip", A_ZIP[:-30], A_ZIP.replace(b"{}", b"[]")])
def test_an_export_that_is_no_complete_zip_raises_and_leaves_no_file(tmp_path: Path, content: bytes) -> None:
    with serve_script({EXPORT: [(200, content)]}) as server, pytest.raises(CvatDisagrees, match="export"):
        connect_to(server).export(7, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_never_finishes_ends_at_its_deadline_with_the_last_status(tmp_path: Path) -> None:
    clock = ManualClock()
    with (
        serve_script({EXPORT: [(202, b"")]}) as server,
        pytest.raises(CvatTimeout, match="60 s; last seen: 202: still preparing"),
    ):
        connect_to(server, clock=clock).export(7, tmp_path / "x.zip", deadline=60)
    assert clock.now <= 60
    assert len(clock.slept) > 10


@pytest.mark.filterwarnings("error")
def test_without_any_time_left_the_server_is_asked_once(tmp_path: Path) -> None:
    with serve_script({EXPORT: [(503, b"")]}) as server:
        with pytest.raises(CvatBusy):
            connect_to(server).export(7, tmp_path / "x.zip", deadline=0)
        assert len(server.requests(*EXPORT)) == 1
