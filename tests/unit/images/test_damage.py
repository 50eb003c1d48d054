"""Damage that Pillow does not report is found; faulty metadata around sound pixels is not damage."""

from __future__ import annotations

import io
import random
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from labelyard.images import Inspection
from tests.support.examples import examples
from tests.support.image_files import HEIGHT, WIDTH, chunk, inspect_bytes, picture, png


def inspect(content: bytes, dialect: str = "v2") -> Inspection:
    return inspect_bytes(content, dialect)


def noise(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (160, 120), random.Random(1).randbytes(160 * 120 * 3)).save(file, "JPEG", **options)
    return file.getvalue()


def seen(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    with suppress(OSError):
        image.load()
    return image.convert("L") if image.tile == [] else Image.new("L", image.size)


@pytest.mark.parametrize("progressive", [False, True])
@settings(max_examples=examples(40), deadline=None)
@given(part=st.floats(0.3, 0.95), zeros=st.integers(200, 4096))
def test_a_hole_of_zeros_in_a_jpeg_never_passes_unnoticed(*, progressive: bool, part: float, zeros: int) -> None:
    content = bytearray(noise(progressive=progressive))
    start = int(len(content) * part)
    zeros = min(zeros, len(content) - start - 2)
    content[start : start + zeros] = bytes(zeros)
    found = inspect(bytes(content))
    _, most = ImageChops.difference(seen(noise(progressive=progressive)), seen(bytes(content))).getextrema()
    assert found.reason or found.warnings or most < 32  # the last bits of a progressive JPEG change little


def test_a_hole_over_whole_scans_of_a_progressive_jpeg_is_found() -> None:
    content = bytearray(noise(progressive=True))
    scans = [number for number in range(len(content)) if content[number : number + 2] == b"\xff\xda"]
    content[scans[-3] : scans[-1]] = bytes(scans[-1] - scans[-3])
    assert "a damaged JPEG" in (inspect(bytes(content)).reason or "")


def test_a_jpeg_padded_with_zeros_after_its_truncation_is_quarantined() -> None:
    content = noise()
    half = len(content) // 2
    assert "JPEG" in (inspect(content[:half] + bytes(len(content) - half)).reason or "")


@settings(max_examples=examples(40), deadline=None)
@given(part=st.floats(0.1, 0.999), progressive=st.booleans())
def test_a_truncated_jpeg_is_quarantined(*, part: float, progressive: bool) -> None:
    content = noise(progressive=progressive)
    assert inspect(content[: min(int(len(content) * part), len(content) - 8)]).reason


def test_a_progressive_jpeg_without_its_last_scan_is_quarantined() -> None:
    content = noise(progressive=True)
    assert "last scans are missing" in (inspect(content[: content.rindex(b"\xff\xda")]).reason or "")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_a_jpeg_that_lacks_only_its_end_marker_is_accepted_with_a_warning(options: dict[str, bool]) -> None:
    found = inspect(noise(**options)[:-2])
    assert (found.verdict, len(found.warnings)) == ("accept", 1)
    assert "end marker" in found.warnings[0]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 48)])
def test_a_sound_jpeg_of_any_kind_is_accepted(mode: str, size: tuple[int, int]) -> None:
    found = inspect(picture("JPEG", size, mode))
    assert found.reason is None
    assert [warning.partition(":")[0] for warning in found.warnings] == (["CMYK"] if mode == "CMYK" else [])


@pytest.mark.parametrize("tail", [b"trailing", bytes(5000), picture("JPEG")])
def test_what_follows_the_end_of_a_jpeg_is_no_damage(tail: bytes) -> None:
    assert (inspect(noise() + tail).reason, inspect(noise() + tail).warnings) == (None, ())


def test_a_wrong_restart_marker_is_damage() -> None:
    content = bytearray(noise(restart_marker_rows=1))
    content[content.index(b"\xff\xd3") + 1] = 0xD5
    assert "RST3" in (inspect(bytes(content)).reason or "")


@pytest.mark.parametrize("text", [b"k\0\0" + zlib.compress(bytes(3_000_000)), b"k\0\0garbage"])
def test_a_png_with_a_large_or_broken_text_is_accepted(text: bytes) -> None:
    assert inspect(png(chunk(b"zTXt", text))).verdict == "accept"


def test_a_png_with_more_text_than_pillow_reads_is_quarantined() -> None:
    texts = [chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000)))] * 70
    assert "64 MiB of texts" in (inspect(png(*texts)).reason or "")


@pytest.mark.parametrize("name", [b"tEXt", b"gAMA", b"tIME"])
def test_a_wrong_checksum_in_metadata_is_no_damage(name: bytes) -> None:
    assert inspect(png(chunk(name, b"a\0bcdef", wrong=True))).verdict == "accept"


@pytest.mark.parametrize(
    ("extra", "v1", "v2"),
    [(chunk(b"gAMA", b"1"), "quarantine", "quarantine"), (chunk(b"cHRM", b"12345"), "quarantine", "quarantine"),
     (chunk(b"pHYs", b"12345678"), "quarantine", "accept"), (chunk(b"sRGB", b""), "quarantine", "accept"),
     (chunk(b"zTXt", b"k\0\1x"), "quarantine", "quarantine")],
)  # fmt: skip
def test_malformed_metadata_is_judged_as_the_servers_pillow_does(extra: bytes, v1: str, v2: str) -> None:
    assert (inspect(png(extra), "v1").verdict, inspect(png(extra), "v2").verdict) == (v1, v2)


def test_a_png_with_wrong_checksums_or_missing_pixels_is_quarantined_with_the_true_reason() -> None:
    content = picture("PNG")
    position = content.index(b"IDAT") - 4 + 8 + int.from_bytes(content[content.index(b"IDAT") - 4 :][:4])
    damaged = content[:position] + b"\0\0\0\0" + content[position + 4 :]
    assert inspect(damaged).reason == "a damaged PNG: wrong checksum in its IDAT chunk"
    half = zlib.compress(bytes((WIDTH + 1) * HEIGHT // 2))
    assert inspect(png(rows=half)).reason == "a truncated PNG: some of its pixels are missing"
    broken = bytearray(zlib.compress(bytes((WIDTH + 1) * HEIGHT)))
    broken[-1] ^= 1
    assert "cannot be decompressed" in (inspect(png(rows=bytes(broken))).reason or "")


def test_a_png_without_its_end_is_accepted_with_a_warning() -> None:
    assert inspect(png(end=False)).warnings == (
        "only the end chunk of the PNG is missing: CVAT shows the whole picture",
    )


def interlaced(width: int, height: int) -> bytes:
    """A grey PNG in seven passes, whose pixels are its rows' numbers."""
    rows = [bytes([y]) * width for y in range(height)]
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    lines = [row[x::dx] for y, dy, x, dx in passes for row in rows[y::dy]]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
    data = b"".join(b"\0" + line for line in lines if line)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("height", range(1, 10))
@pytest.mark.parametrize("width", range(1, 10))
def test_an_interlaced_png_is_complete_with_its_seven_passes(width: int, height: int) -> None:
    content = interlaced(width, height)
    assert Image.open(io.BytesIO(content)).getpixel((width - 1, height - 1)) == height - 1
    assert inspect(content).reason is None


def test_an_interlaced_png_without_its_last_row_is_truncated() -> None:
    content = interlaced(9, 9)
    taller = struct.pack(">IIBBBBB", 9, 10, 8, 0, 0, 0, 1)
    position = content.index(b"IHDR") - 4
    header_length = len(chunk(b"IHDR", taller))
    changed = content[:position] + chunk(b"IHDR", taller) + content[position + header_length :]
    assert inspect(changed).reason == "a truncated PNG: some of its pixels are missing"


def test_rows_of_a_png_without_a_known_filter_are_damage() -> None:
    rows = zlib.compress(bytes([9] + [0] * WIDTH) * HEIGHT)
    assert "not where they should be" in (inspect(png(rows=rows)).reason or "")
