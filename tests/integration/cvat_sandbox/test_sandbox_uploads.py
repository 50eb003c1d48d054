"""Uploads: which files become frames, which fail, and what a closed connection leaves."""

from __future__ import annotations

import io
import socket
import zipfile
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from cvat_sandbox import Serving
from tests.support.pictures import jpeg
from tests.support.sandbox_client import create, job_ids, send, settled, task, until, uploaded


def names(http: httpx.Client, task_id: int) -> list[str]:
    return [frame["name"] for frame in http.get(f"/tasks/{task_id}/data/meta").json()["frames"]]


def test_frames_are_ordered_by_name_and_have_their_real_sizes(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"b.jpg": jpeg(20, 10), "a/sub.png": jpeg(30, 40), "Z.JPG": jpeg(1, 2)})
    settled(alex, task_id)
    frames = alex.get(f"/tasks/{task_id}/data/meta").json()["frames"]
    assert [(f["name"], f["width"], f["height"]) for f in frames] == [
        ("Z.JPG", 1, 2),
        ("b.jpg", 20, 10),
        ("sub.png", 30, 40),
    ]


def test_text_files_among_images_are_skipped_without_an_error(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg(), "notes.txt": b"hello", "noext": b"?"})
    assert settled(alex, task_id)["state"] == "Finished"
    assert names(alex, task_id) == ["a.jpg"]


def test_one_broken_image_fails_the_task_and_a_second_upload_repairs_it(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg(), "fake.jpg": b"no image"})
    status = settled(alex, task_id)
    assert status["state"] == "Failed"
    assert status["message"].startswith("OSError: cannot identify image file '/")
    assert status["message"].endswith("/raw/fake.jpg'")
    assert (task(alex, task_id)["size"], task(alex, task_id)["image_quality"]) == (0, 70)
    send(alex, task_id, {"a.jpg": jpeg()})
    assert settled(alex, task_id)["state"] == "Finished"
    assert task(alex, task_id)["size"] == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_image_becomes_a_frame(alex: httpx.Client, kind: str) -> None:
    out = io.BytesIO()
    Image.effect_noise((400, 300), 60).convert("RGB").save(out, kind)
    task_id = create(alex)
    send(alex, task_id, {f"half.{kind.lower()}": out.getvalue()[: len(out.getvalue()) // 2]})
    assert settled(alex, task_id)["state"] == "Finished"
    frame = alex.get(f"/tasks/{task_id}/data?type=frame&quality=compressed&number=0")
    assert Image.open(io.BytesIO(frame.content)).size == (400, 300)


def test_an_image_of_too_many_pixels_fails_the_task(alex: httpx.Client) -> None:
    huge = bytearray(jpeg())
    position = huge.index(b"\xff\xc0") + 5
    huge[position : position + 4] = b"\xff\xff\xff\xff"  # 65535 x 65535, says the header
    task_id = create(alex)
    send(alex, task_id, {"huge.jpg": bytes(huge)})
    assert "DecompressionBombError" in settled(alex, task_id)["message"]


def test_a_second_upload_replaces_the_data_and_adds_jobs(alex: httpx.Client) -> None:
    task_id = uploaded(alex, ["a.jpg", "b.jpg", "c.jpg"])
    send(alex, task_id, {"x.jpg": jpeg()})
    settled(alex, task_id)
    assert names(alex, task_id) == ["x.jpg"]
    assert [(s["start_frame"], s["stop_frame"]) for s in task(alex, task_id)["segments"]] == [(0, 2), (0, 0)]


def test_equal_names_crash_and_leave_the_task_unchanged(alex: httpx.Client) -> None:
    task_id = create(alex)
    parts = [(f"client_files[{i}]", (f"{i}/same.jpg", jpeg(), "image/jpeg")) for i in range(2)]
    answer = alex.post(f"/tasks/{task_id}/data", data={"image_quality": "70"}, files=parts)
    assert (answer.status_code, answer.text) == (500, "<h1>Server Error (500)</h1>")
    assert alex.get(f"/tasks/{task_id}/status").json() == {"state": "Finished", "message": ""}
    assert "image_quality" not in task(alex, task_id)


@pytest.mark.parametrize(
    ("size", "overlap", "jobs"),
    [
        (0, None, [(0, 6)]),
        (2, None, [(0, 1), (2, 3), (4, 5), (6, 6)]),
        (3, 1, [(0, 2), (2, 4), (4, 6), (6, 6)]),
        (2, 5, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 6)]),
        (100, 3, [(0, 6)]),
        (1, 1, [(n, n) for n in range(7)]),
    ],
)
def test_segments_are_cut_as_the_real_server_cuts_them(
    alex: httpx.Client, size: int, overlap: int | None, jobs: list[tuple[int, int]]
) -> None:
    settings = {"segment_size": size, **({} if overlap is None else {"overlap": overlap})}
    task_id = uploaded(alex, [f"{n}.jpg" for n in range(7)], **settings)
    assert [(s["start_frame"], s["stop_frame"]) for s in task(alex, task_id)["segments"]] == jobs
    assert len(job_ids(alex, task_id)) == len(jobs)


def test_start_stop_and_step_choose_the_frames(alex: httpx.Client) -> None:
    task_id = create(alex)
    images = {f"{n}.jpg": jpeg() for n in range(7)}
    send(alex, task_id, images, start_frame="1", stop_frame="5", frame_filter="step=2", chunk_size="2")
    settled(alex, task_id)
    assert names(alex, task_id) == ["1.jpg", "3.jpg", "5.jpg"]
    chunk = alex.get(f"/tasks/{task_id}/data?type=chunk&quality=original&number=1")
    assert zipfile.ZipFile(io.BytesIO(chunk.content)).namelist() == ["000000.jpg"]


@pytest.mark.parametrize(
    ("fields", "status", "refusal"),
    [
        ({"frame_filter": ""}, 400, {"frame_filter": ["Invalid frame filter expression"]}),
        ({"server_files": [None]}, 400, {"server_files": [["This field may not be null."]]}),
        ({"chunk_size": None}, 500, None),
        ({"server_files": ["n" * 1025]}, 500, None),
    ],
)
def test_an_invalid_upload_leaves_the_task_without_data(
    alex: httpx.Client, fields: dict[str, Any], status: int, refusal: Any
) -> None:
    task_id = create(alex)
    answer = alex.post(f"/tasks/{task_id}/data", json={"image_quality": 70, **fields})
    assert (answer.status_code, answer.json() if refusal else None) == (status, refusal)
    assert alex.get(f"/tasks/{task_id}/status").json() == {"state": "Finished", "message": ""}
    assert "data" not in task(alex, task_id)


def test_a_start_frame_behind_the_last_image_fails(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"a.jpg": jpeg()}, start_frame="5")
    assert settled(alex, task_id) == {"state": "Failed", "message": "AssertionError"}


def test_chunks_frames_and_previews_show_the_images(alex: httpx.Client) -> None:
    task_id = create(alex)
    original = jpeg(800, 600, "red")
    send(alex, task_id, {"a.jpg": original, "b.jpg": jpeg(10, 10, "blue")})
    settled(alex, task_id)
    at = f"/tasks/{task_id}/data"
    frame = alex.get(at, params={"type": "frame", "quality": "original", "number": 0})
    assert frame.content == original
    assert frame.headers["Content-Type"] == "('image/jpeg', None)"
    chunk = zipfile.ZipFile(io.BytesIO(alex.get(at, params={"type": "chunk", "number": 0}).content))
    assert chunk.namelist() == ["000000.jpeg", "000001.jpeg"]
    assert Image.open(io.BytesIO(chunk.read("000001.jpeg"))).getpixel((5, 5))[2] > 200
    preview = Image.open(io.BytesIO(alex.get(at, params={"type": "preview"}).content))
    assert preview.size == (256, 192)


def test_a_zip_is_unpacked_by_numbers_not_by_names(alex: httpx.Client, sandbox: Serving) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("../../evil.jpg", "b.jpg", "a/x.png", "notes.txt"):
            archive.writestr(name, jpeg())
    task_id = create(alex)
    send(alex, task_id, {"images.zip": out.getvalue()})
    assert settled(alex, task_id)["state"] == "Finished"
    assert names(alex, task_id) == ["../../evil.jpg", "a/x.png", "b.jpg"]
    assert not list(sandbox.sandbox.folder.parent.glob("evil.jpg"))
    assert not list(sandbox.sandbox.folder.rglob("evil.jpg"))


def test_a_zip_and_an_image_in_one_upload_fail(alex: httpx.Client) -> None:
    task_id = create(alex)
    send(alex, task_id, {"images.zip": b"PK", "a.jpg": jpeg()})
    assert settled(alex, task_id)["message"].endswith(
        "but 1 image(s), 0 video(s), 0 archive(s), 0 directory(s), 0 pdf(s), 1 zip(s) found."
    )


def test_files_under_other_field_names_are_ignored(alex: httpx.Client) -> None:
    task_id = create(alex)
    answer = alex.post(
        f"/tasks/{task_id}/data", data={"image_quality": "70"}, files=[("client_files", ("a.jpg", jpeg()))]
    )
    assert (answer.status_code, answer.json()["client_files"]) == (202, [])
    assert settled(alex, task_id) == {"state": "Failed", "message": "ValueError: No media data found"}


def half_sent(sandbox: Serving, token: str, task_id: int, missing: int) -> None:
    """Send an upload and close the connection before the last `missing` bytes."""
    parts = (
        b'--xx\r\nContent-Disposition: form-data; name="image_quality"\r\n\r\n70\r\n--xx\r\n'
        b'Content-Disposition: form-data; name="client_files[0]"; filename="a.jpg"\r\n\r\n' + jpeg() + b"\r\n--xx--\r\n"
    )
    head = (
        f"POST /api/v1/tasks/{task_id}/data HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        f"Content-Length: {len(parts)}\r\nContent-Type: multipart/form-data; boundary=xx\r\n\r\n"
    )
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(head.encode() + parts[: len(parts) - missing])
        if not missing:
            raw.recv(100)


def test_a_connection_closed_within_the_body_has_no_effect(alex: httpx.Client, sandbox: Serving) -> None:
    task_id = create(alex)
    half_sent(sandbox, alex.headers["Authorization"], task_id, 1)
    until(lambda: list(sandbox.sandbox.incoming.iterdir()), lambda files: not files)
    assert "image_quality" not in task(alex, task_id)
    half_sent(sandbox, alex.headers["Authorization"], task_id, 0)
    assert settled(alex, task_id)["state"] == "Finished"
    assert task(alex, task_id)["size"] == 1


def test_a_shortened_body_makes_a_finished_task_with_fewer_frames(alex: httpx.Client, sandbox: Serving) -> None:
    sandbox.faults.set([{"on": "POST /api/v1/tasks/*/data", "short": 0.5, "times": 1}])
    task_id = create(alex)
    answer = send(alex, task_id, {f"{n:02d}.jpg": jpeg(200, 200) for n in range(20)})
    assert (answer.status_code, settled(alex, task_id)["state"]) == (202, "Finished")
    assert 5 <= task(alex, task_id)["size"] <= 15


def test_uploads_leave_no_temporary_files(alex: httpx.Client, sandbox: Serving) -> None:
    task_id = create(alex)
    send(alex, task_id, {"notes.txt": bytes(1_000_000), "a.jpg": jpeg()})
    assert alex.post(f"/tasks/{task_id}/data", files=[("client_files[0]", ("a.jpg", jpeg()))]).status_code == 400
    assert settled(alex, task_id)["state"] == "Finished"
    assert not list(sandbox.sandbox.incoming.iterdir())
