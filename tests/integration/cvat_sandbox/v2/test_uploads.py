"""The ways in which files come to a task, and what becomes of them."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cvat_sandbox import Serving, serve
from tests.support.pictures import jpeg
from tests.support.sandbox_client import send
from tests.support.sandbox_client_v2 import USERS, create, ended, frame_names, login, rq_id, uploaded

TUS = {"Tus-Resumable": "1.0.0"}


def tus_headers(name: str, length: int) -> dict[str, str]:
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    return {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata}


def begin(http: httpx.Client, task_id: int, name: str, length: int) -> httpx.Response:
    return http.post(f"/tasks/{task_id}/data/", headers=tus_headers(name, length))


def piece(http: httpx.Client, location: str, offset: int, content: bytes) -> httpx.Response:
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return http.patch(location, headers=headers, content=content)


def finish(http: httpx.Client, task_id: int, **values: object) -> httpx.Response:
    return http.post(f"/tasks/{task_id}/data", headers={"Upload-Finish": "true"}, json={"image_quality": 70, **values})


def several(http: httpx.Client, task_id: int, names: list[str]) -> int:
    files = [(f"client_files[{n}]", (name, jpeg(), "image/jpeg")) for n, name in enumerate(names)]
    return http.post(f"/tasks/{task_id}/data", headers={"Upload-Multiple": "true"}, files=files).status_code


@pytest.mark.parametrize(
    ("method", "order"),
    [
        ("lexicographical", ["a.jpg", "f10.jpg", "f9.jpg"]),
        ("natural", ["a.jpg", "f9.jpg", "f10.jpg"]),
        ("predefined", ["f10.jpg", "f9.jpg", "a.jpg"]),
    ],
)
def test_frames_have_the_order_of_the_sorting_method(alex: httpx.Client, method: str, order: list[str]) -> None:
    task_id = create(alex)
    answer = send(alex, task_id, dict.fromkeys(["f10.jpg", "f9.jpg", "a.jpg"], jpeg()), sorting_method=method)
    assert ended(alex, answer.json()["rq_id"])["status"] == "finished"
    assert frame_names(alex, task_id) == order


def test_a_ready_task_takes_no_more_data(alex: httpx.Client) -> None:
    answer = send(alex, uploaded(alex, ["a.jpg"]), {"b.jpg": jpeg()})
    assert (answer.status_code, answer.json()) == (400, ["Adding more data is not supported"])


def test_the_same_name_twice_is_500_and_starts_nothing(alex: httpx.Client) -> None:
    task_id = create(alex)
    files = [(f"client_files[{n}]", (name, jpeg(), "image/jpeg")) for n, name in enumerate(["x/a.jpg", "y/a.jpg"])]
    answer = alex.post(f"/tasks/{task_id}/data", data={"image_quality": "70"}, files=files)
    assert answer.status_code == 500
    assert alex.get(f"/requests/{rq_id(task_id)}").status_code == 404


def test_a_zip_keeps_its_folders(alex: httpx.Client) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("b/img.jpg", "a/img.jpg"):
            archive.writestr(name, jpeg())
    task_id = create(alex)
    ended(alex, send(alex, task_id, {"folders.zip": out.getvalue()}).json()["rq_id"])
    assert frame_names(alex, task_id) == ["a/img.jpg", "b/img.jpg"]


def test_text_files_are_dropped_and_a_broken_image_fails_the_task(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg(), "notes.txt": b"hello"})
    assert ended(alex, rq_id(task_id))["status"] == "finished"
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg(), "fake.jpg": b"no image"})
    request = ended(alex, rq_id(task_id))
    assert request["status"] == "failed"
    assert request["message"].startswith("PIL.UnidentifiedImageError: cannot identify image file '/")
    assert alex.get(f"/tasks/{task_id}/status").json()["state"] == "Failed"
    # It keeps its files, so another upload fails again.
    send(alex, task_id, {"b.jpg": jpeg()})
    assert ended(alex, rq_id(task_id))["status"] == "failed"


def test_a_missing_quality_fails_in_the_worker(alex: httpx.Client) -> None:
    task_id = create(alex)
    files = [("client_files[0]", ("a.jpg", jpeg(), "image/jpeg"))]
    assert alex.post(f"/tasks/{task_id}/data", files=files).status_code == 202
    assert "image_quality" in ended(alex, rq_id(task_id))["message"]


def test_files_in_several_requests_become_frames_after_the_finish(alex: httpx.Client) -> None:
    task_id = create(alex)
    assert alex.post(f"/tasks/{task_id}/data", headers={"Upload-Start": "true"}).status_code == 202
    assert several(alex, task_id, ["b.jpg"]) == 200
    assert several(alex, task_id, ["a.jpg", "b.jpg", "c.jpg"]) == 500  # a is there now, c is not
    assert several(alex, task_id, ["a.jpg"]) == 500
    assert several(alex, task_id, ["c.jpg"]) == 200
    assert finish(alex, task_id).json() == {"rq_id": rq_id(task_id)}
    assert ended(alex, rq_id(task_id))["status"] == "finished"
    assert frame_names(alex, task_id) == ["a.jpg", "b.jpg", "c.jpg"]
    assert finish(alex, task_id).status_code == 400


def test_a_file_of_tus_is_continued_where_it_ended(alex: httpx.Client) -> None:
    task_id, content = create(alex), jpeg()
    location = begin(alex, task_id, "t.jpg", len(content)).headers["Location"]
    assert piece(alex, location, 0, content[:100]).headers["Upload-Offset"] == "100"
    head = alex.head(location, headers=TUS)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("100", str(len(content)))
    assert piece(alex, location, 0, content[:100]).status_code == 409
    assert piece(alex, location, 100, content).status_code == 413
    assert piece(alex, location, 100, content[100:]).status_code == 204
    assert alex.head(location, headers=TUS).status_code == 404
    assert begin(alex, task_id, "t.jpg", len(content)).status_code == 409
    finish(alex, task_id)
    assert ended(alex, rq_id(task_id))["status"] == "finished"
    assert frame_names(alex, task_id) == ["t.jpg"]


def test_a_file_of_tus_that_was_not_ended_fails_the_task(alex: httpx.Client) -> None:
    task_id = create(alex)
    begin(alex, task_id, "t.jpg", 100)
    finish(alex, task_id)
    assert ended(alex, rq_id(task_id))["message"].startswith("FileNotFoundError: [Errno 2] No such file")


def test_a_file_of_tus_that_was_begun_again_and_ended_is_whole(alex: httpx.Client) -> None:
    task_id, content = create(alex), jpeg()
    begin(alex, task_id, "t.jpg", len(content))
    again = begin(alex, task_id, "t.jpg", len(content)).headers["Location"]
    piece(alex, again, 0, content)
    finish(alex, task_id)
    assert ended(alex, rq_id(task_id))["status"] == "finished"


@pytest.mark.parametrize(
    ("name", "length", "status"), [("t.jpg", 0, 500), ("../../t.jpg", 10, 400), ("t.jpg", 2**40, 413)]
)
def test_a_file_of_tus_that_cannot_begin(alex: httpx.Client, name: str, length: int, status: int) -> None:
    assert begin(alex, create(alex), name, length).status_code == status


def test_frames_chunks_and_previews_are_images(alex: httpx.Client) -> None:
    task_id = uploaded(alex, [f"{n}.jpg" for n in range(3)], segment_size=2)
    data = f"/tasks/{task_id}/data"
    frame = alex.get(data, params={"type": "frame", "number": 1, "quality": "original"})
    assert (frame.content, frame.headers["Content-Type"]) == (jpeg(), "image/jpeg")
    chunk = alex.get(data, params={"type": "chunk", "number": 0, "quality": "compressed"})
    assert len(zipfile.ZipFile(io.BytesIO(chunk.content)).namelist()) == 3
    assert Image.open(io.BytesIO(alex.get(f"/tasks/{task_id}/preview").content)).format == "JPEG"
    assert alex.get(data, params={"type": "frame", "number": 9}).status_code == 400


def test_a_job_shows_its_own_frames_only(alex: httpx.Client) -> None:
    task_id = uploaded(alex, [f"{n}.jpg" for n in range(3)], segment_size=2)
    job = alex.get("/jobs", params={"task_id": task_id, "sort": "-id"}).json()["results"][0]
    meta = alex.get(f"/jobs/{job['id']}/data/meta").json()
    assert ([frame["name"] for frame in meta["frames"]], meta["start_frame"]) == (["2.jpg"], 2)
    data = f"/jobs/{job['id']}/data"
    assert alex.get(data, params={"type": "frame", "number": 2}).status_code == 200
    assert alex.get(data, params={"type": "frame", "number": 0}).status_code == 400


def test_a_filter_and_a_range_choose_frames(alex: httpx.Client) -> None:
    task_id = create(alex)
    files = {f"{n}.jpg": jpeg() for n in range(9)}
    send(alex, task_id, files, start_frame="1", frame_filter="step=2")
    assert ended(alex, rq_id(task_id))["status"] == "finished"
    meta = alex.get(f"/tasks/{task_id}/data/meta").json()
    assert ([frame["name"] for frame in meta["frames"]], meta["stop_frame"]) == (
        ["1.jpg", "3.jpg", "5.jpg", "7.jpg"],
        7,
    )


@pytest.mark.parametrize(
    "fields",
    [{"chunk_size": "0"}, {"start_frame": "2", "stop_frame": "1"}, {"frame_filter": "odd"}, {"image_quality": "101"}],
)
def test_a_range_or_a_size_that_makes_no_sense_is_400(alex: httpx.Client, fields: dict[str, str]) -> None:
    task_id = create(alex)
    assert send(alex, task_id, {"a.jpg": jpeg()}, **fields).status_code == 400
    assert alex.get(f"/requests/{rq_id(task_id)}").status_code == 404


def test_the_first_frame_alone_can_be_chosen(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg(), "b.jpg": jpeg()}, stop_frame="0")
    assert ended(alex, rq_id(task_id))["status"] == "finished"
    assert frame_names(alex, task_id) == ["a.jpg"]


def test_files_of_the_share_and_its_folders_become_frames(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/b.jpg", "in/a.jpg", "c.jpg", "in/notes.txt"):
        (tmp_path / name).write_bytes(jpeg())
    with serve(USERS, version="2.73", share=tmp_path) as sandbox, login(sandbox.url) as alex:
        listed = alex.get("/server/share", params={"directory": "/in"}).json()
        assert {"name": "a.jpg", "type": "REG", "mime_type": "image"} in listed
        task_id = create(alex)
        alex.post(f"/tasks/{task_id}/data", json={"image_quality": 70, "server_files": ["in", "c.jpg"]})
        assert ended(alex, rq_id(task_id))["status"] == "finished"
        assert frame_names(alex, task_id) == ["c.jpg", "in/a.jpg", "in/b.jpg"]
        missing = create(alex)
        alex.post(f"/tasks/{missing}/data", json={"image_quality": 70, "server_files": ["nothing.jpg"]})
        assert ended(alex, rq_id(missing))["message"].startswith("FileNotFoundError: ")


def test_a_turned_tiff_is_measured_unturned_and_shown_turned(alex: httpx.Client, sandbox: Serving) -> None:
    out = io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(out, "TIFF", tiffinfo={274: 6})
    task_id = create(alex)
    send(alex, task_id, {"turned.tif": out.getvalue()})
    ended(alex, rq_id(task_id))
    [frame] = alex.get(f"/tasks/{task_id}/data/meta").json()["frames"]
    assert (frame["width"], frame["height"]) == (160, 120)
    shown = alex.get(f"/tasks/{task_id}/data", params={"type": "frame", "number": 0})
    assert Image.open(io.BytesIO(shown.content)).size == (120, 160)
