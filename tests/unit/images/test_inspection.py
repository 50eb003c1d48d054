"""Inspection of images: which files are accepted, and why others are not."""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelyard.errors import ImageError
from labelyard.images import MAX_PIXELS, SERVERS, inspect_image
from tests.support.examples import examples
from tests.support.image_files import inspect_bytes, picture, png


def frames(kind: str, count: int = 3) -> bytes:
    several = [Image.new("RGB", (8, 8), (n * 40, 0, 0)) for n in range(count)]
    file = io.BytesIO()
    several[0].save(file, kind, save_all=True, append_images=several[1:])
    return file.getvalue()


def facts(content: bytes, dialect: str = "v1") -> Any:
    """The inspection of an accepted file; ImageError with the reason for another one."""
    found = inspect_bytes(content, dialect)
    if found.reason is not None:
        raise ImageError(found.reason)
    return found


@pytest.mark.parametrize(
    ("kind", "mime"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("BMP", "image/bmp"), ("WEBP", "image/webp"), ("TIFF", "image/tiff"),
     ("GIF", "image/gif"), ("PPM", "image/x-portable-anymap")],
)  # fmt: skip
def test_an_image_of_each_format_is_described(kind: str, mime: str, tmp_path: Path) -> None:
    content = picture(kind)
    file = tmp_path / "wrong.name"
    file.write_bytes(content)
    found = inspect_image(file, SERVERS["v1"])
    assert (found.width, found.height, found.format, found.mime, found.exif_orientation) == (64, 48, kind, mime, 1)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert facts(content) == found


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_all_pixel_modes_are_accepted(mode: str) -> None:
    assert facts(picture("PNG", mode=mode)).width == 64


def test_a_cmyk_and_a_progressive_jpeg_are_accepted() -> None:
    assert facts(picture("JPEG", mode="CMYK")).width == 64
    assert facts(picture("JPEG", progressive=True)).width == 64


def test_a_rotated_photograph_has_its_stored_size_and_its_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = facts(picture("JPEG", exif=exif))
    assert (found.width, found.height, found.exif_orientation) == (64, 48, 6)


@pytest.mark.parametrize("value", [0, 9])
def test_an_orientation_that_does_not_exist_counts_as_upright(value: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert facts(picture("JPEG", exif=exif)).exif_orientation == 1


def test_an_image_with_broken_exif_is_accepted() -> None:
    assert facts(picture("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")).exif_orientation == 1


def test_a_photograph_with_an_appended_preview_is_one_image() -> None:
    content = frames("MPO")
    assert (facts(content).format, facts(content).mime) == ("JPEG", "image/jpeg")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_file_with_several_frames_is_rejected(kind: str) -> None:
    with pytest.raises(ImageError, match=f"{kind} with 3 frames"):
        facts(frames(kind))


def test_an_empty_file_is_rejected() -> None:
    with pytest.raises(ImageError, match="the file is empty"):
        facts(b"")


@pytest.mark.parametrize(
    "content",
    [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 100,
     b"PK\x03\x04", b"SIMPLE  =                    T"],
)  # fmt: skip
def test_a_file_that_is_no_image_is_rejected(content: bytes) -> None:
    with pytest.raises(ImageError, match=f"no image: {len(content)} bytes of no known format"):
        facts(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("part", [0.99, 0.75, 0.5])
def test_a_truncated_image_is_rejected(kind: str, part: float) -> None:
    content = picture(kind, (640, 480))
    with pytest.raises(ImageError, match=r"truncated|damaged|no readable image|no image"):
        facts(content[: int(len(content) * part)])


def test_a_truncated_progressive_jpeg_is_rejected() -> None:
    content = picture("JPEG", (640, 480), progressive=True)
    with pytest.raises(ImageError, match="truncated"):
        facts(content[: len(content) // 2])


@pytest.mark.parametrize("lost", [10, 100, 1000])
def test_a_jpeg_without_its_last_bytes_is_rejected(lost: int) -> None:
    content = picture("JPEG", (640, 480), quality=95)
    with pytest.raises(ImageError, match="truncated"):
        facts(content[:-lost])


@pytest.mark.parametrize(("width", "height"), [(MAX_PIXELS + 1, 1), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_rejected_before_it_is_decoded(width: int, height: int) -> None:
    with pytest.raises(ImageError, match=f"{MAX_PIXELS}"):
        facts(png(width=width, height=height, rows=b""))


def test_a_png_without_pixels_is_rejected() -> None:
    with pytest.raises(ImageError, match="PNG"):
        facts(png(rows=zlib.compress(b"")))


@settings(max_examples=examples(150), deadline=None)
@given(kind=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]), data=st.data())
def test_a_damaged_file_is_inspected_or_rejected(kind: str, data: st.DataObject) -> None:
    content = bytearray(picture(kind, (16, 12)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        found = facts(bytes(content))
    except ImageError as error:
        assert error.what  # noqa: PT017 - both ways are right
    else:
        assert found.width > 0
        assert found.height > 0


@given(st.binary(max_size=300))
def test_any_bytes_are_inspected_or_rejected(content: bytes) -> None:
    try:
        facts(content)
    except ImageError as error:
        assert error.what  # noqa: PT017 - both ways are right
