"""Thumbnails: the part of an image around its boxes, or the reason why there is no picture."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelyard.releases.report.thumbnails import SIDE, ImageFiles, Thumbnail, thumbnail


def picture(path: Path, size: tuple[int, int] = (200, 100), mode: str = "RGB", orientation: int = 1) -> Path:
    opened = Image.new(mode, size, "red" if mode == "RGB" else 9)
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened.save(path, exif=exif) if mode == "RGB" else opened.save(path)
    return path


def decoded(found: Thumbnail | str) -> Image.Image:
    assert isinstance(found, Thumbnail), found
    return Image.open(io.BytesIO(base64.b64decode(found.data)))


def test_without_boxes_the_whole_image_is_shown(tmp_path: Path) -> None:
    found = thumbnail(picture(tmp_path / "a.png"), (200, 100), [])
    assert decoded(found).size == (SIDE, SIDE // 2)


def test_a_box_is_where_it_is_in_the_image(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[60:80, 120:150] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = thumbnail(tmp_path / "a.png", (200, 100), [(120, 60, 30, 20)])
    assert isinstance(found, Thumbnail)
    grey = np.asarray(decoded(found).convert("L"))
    ((x, y, width, height),) = found.boxes
    inside = grey[int(y) + 4 : int(y + height) - 4, int(x) + 4 : int(x + width) - 4]
    assert inside.min() > 200
    assert grey[: int(y) - 4].max() < 60
    assert grey[:, : int(x) - 4].max() < 60


@pytest.mark.parametrize("outside", [(500, 500, 10, 10), (-50, -60, 20, 20), (0, 0, 1e8, 1e8), (199.9, 0, 0.1, 1e6)])
def test_a_box_outside_of_the_image_is_no_error(outside: tuple[float, ...], tmp_path: Path) -> None:
    found = thumbnail(picture(tmp_path / "a.png"), (200, 100), [outside])
    assert max(decoded(found).size) <= SIDE


def test_an_image_that_exif_turns_is_shown_as_annotators_saw_it(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.jpg", orientation=6)
    assert decoded(thumbnail(path, (100, 200), [])).size == (SIDE // 2, SIDE)
    assert decoded(thumbnail(path, (200, 100), [])).size == (SIDE, SIDE // 2)


def test_a_file_of_another_size_is_not_shown(tmp_path: Path) -> None:
    assert thumbnail(picture(tmp_path / "a.png"), (300, 100), []) == "the file is of another size: 200 \u00d7 100 px"


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 99])
def test_a_file_that_is_no_image_is_not_shown(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert thumbnail(tmp_path / "a.png", (1, 1), []) == "the file cannot be read as an image"


def test_a_truncated_image_is_not_shown(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", (900, 900))
    path.write_bytes(path.read_bytes()[:-40])
    assert thumbnail(path, (900, 900), []) == "the file cannot be read as an image"


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "I", "F"])
def test_other_pixels_are_shown_too(mode: str, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.tiff", mode=mode)
    assert decoded(thumbnail(path, (200, 100), [])).mode == "RGB"


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "", "x" * 5000, "a\0b"])
def test_a_name_that_leaves_the_folder_finds_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture(tmp_path / "secret.png")
    assert ImageFiles(tmp_path / "images").find(name, "train") is None


def test_files_are_found_by_name_or_below_their_split(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    one, two = picture(tmp_path / "a.png"), picture(tmp_path / "val" / "b.png")
    files = ImageFiles(tmp_path)
    assert [files.find("a.png", "val"), files.find("b.png", "val"), files.find("b.png", "train")] == [one, two, None]


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert ImageFiles(tmp_path).find("a.png", "train") is None


def test_a_large_jpeg_is_decoded_at_a_fraction_and_its_box_stays_where_it_is(tmp_path: Path) -> None:
    pixels = np.zeros((1201, 1603, 3), np.uint8)
    pixels[600:800, 1200:1500] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    box = (1200, 600, 300, 200)
    found = thumbnail(tmp_path / "a.jpg", (1603, 1201), [box], 500_000)
    assert isinstance(found, Thumbnail)
    grey = np.asarray(decoded(found).convert("L"))
    ((x, y, width, height),) = found.boxes
    assert grey[int(y) + 4 : int(y + height) - 4, int(x) + 4 : int(x + width) - 4].min() > 200
    assert grey[: int(y) - 4].max() < 60
    assert grey[:, : int(x) - 4].max() < 60
    assert thumbnail(tmp_path / "a.png", (1603, 1201), [box], 500_000) == "the file has too many pixels"
    assert thumbnail(tmp_path / "a.jpg", (1603, 1201), [box], 1_000) == "the file has too many pixels"


def test_a_large_jpeg_that_exif_turns_is_shown_as_annotators_saw_it(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.jpg", (1600, 800), orientation=6)
    assert decoded(thumbnail(path, (800, 1600), [], 500_000)).size == (SIDE // 2, SIDE)
