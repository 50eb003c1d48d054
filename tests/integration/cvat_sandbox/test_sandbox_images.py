"""The sandbox fails where CVAT 1.0.0 fails with its Pillow 6.2, and shows what that shows."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image, ImageStat

from tests.support.image_files import tiff
from tests.support.paths import ROOT
from tests.support.sandbox_client import create, jpeg, send, settled

CASES = ROOT / "tests" / "cases" / "images"


def case(name: str) -> bytes:
    return (CASES / name).read_bytes()


def created(http: httpx.Client, files: dict[str, bytes]) -> tuple[int, dict[str, str]]:
    task_id = create(http)
    send(http, task_id, files)
    return task_id, settled(http, task_id)


@pytest.mark.parametrize(
    ("name", "message"),
    [("big.tif", "OSError: cannot identify image file"), ("c_zstd.tif", "OSError: -2"),
     ("lab.tif", "ValueError: conversion from LAB to RGB not supported")],
)  # fmt: skip
def test_an_image_that_pillow_6_2_cannot_read_fails_the_task(alex: httpx.Client, name: str, message: str) -> None:
    _, status = created(alex, {"a.jpg": jpeg(), name: case(name)})
    assert status["state"] == "Failed"
    assert status["message"].startswith(message)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.bmp", b"BM" + bytes(12) + (56).to_bytes(4, "little") + bytes(60)), ("a.pgm", b"P2 2 1 255\n1 2"),
     ("a.ppm", b"P6 1 1 65535\n......"), ("a.tif", tiff({339: [2]})), ("b.tif", tiff({262: [0]}, sample=2))],
)  # fmt: skip
def test_other_images_of_later_pillows_fail_the_task_too(alex: httpx.Client, name: str, content: bytes) -> None:
    assert created(alex, {name: content})[1]["state"] == "Failed"


@pytest.mark.parametrize(
    ("name", "size", "mean"),
    [("ztxt2m.png", (160, 120), None), ("badcrc_text_before.png", (160, 120), None), ("pyramid.tif", (160, 120), None),
     ("orient6.tif", (120, 160), None), ("hole.jpg", (160, 120), None), ("i16.tif", (160, 120), 254),
     ("i16.png", (160, 120), 128), ("float.tif", (160, 120), 1)],
)  # fmt: skip
def test_a_frame_looks_as_on_the_real_server(
    alex: httpx.Client, name: str, size: tuple[int, int], mean: int | None
) -> None:
    task_id, status = created(alex, {name: case(name)})
    assert status["state"] == "Finished"
    meta = alex.get(f"/tasks/{task_id}/data/meta").json()["frames"][0]
    frame = Image.open(io.BytesIO(alex.get(f"/tasks/{task_id}/data?type=frame&quality=compressed&number=0").content))
    assert (meta["width"], meta["height"]) == frame.size == size
    if mean is not None:
        assert round(ImageStat.Stat(frame.convert("L")).mean[0]) == pytest.approx(mean, abs=2)
