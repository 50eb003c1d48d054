"""What each family of CVAT opens and shows; measured with CVAT's own lines on Pillow 6.2.2 and 12.3.0."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelyard.images import SERVERS
from labelyard.images.tiff import read_tiff
from tests.support.image_files import inspect_bytes as inspect
from tests.support.image_files import picture, tiff


def verdicts(content: bytes) -> tuple[str, str]:
    return inspect(content, "v1").verdict, inspect(content, "v2").verdict


RGB = {262: [2], 277: [3], 258: [8, 8, 8]}
RGB_16 = RGB | {258: [16, 16, 16]}
PLANES = {284: [2]}
ACCEPT, QUARANTINE = "accept", "quarantine"


@pytest.mark.parametrize(
    ("content", "v1", "v2"),
    [(tiff({}), ACCEPT, ACCEPT), (tiff({}, big=True), QUARANTINE, ACCEPT),
     (tiff({259: [8]}, compress=zlib.compress), ACCEPT, ACCEPT), (tiff({259: [50001]}), QUARANTINE, QUARANTINE),
     (tiff({259: [34887]}), QUARANTINE, QUARANTINE), (tiff({259: [34712]}), QUARANTINE, QUARANTINE),
     (tiff({339: [2]}), QUARANTINE, ACCEPT), (tiff({262: [8], 277: [3], 258: [8, 8, 8]}), QUARANTINE, ACCEPT),
     (tiff({262: [6], 277: [3], 258: [8, 8, 8]}), QUARANTINE, QUARANTINE),
     (tiff(RGB | PLANES), ACCEPT, ACCEPT), (tiff(RGB_16 | PLANES, sample=2), QUARANTINE, QUARANTINE),
     (tiff(RGB_16, sample=2), ACCEPT, ACCEPT), (tiff({262: [0]}, sample=2), QUARANTINE, ACCEPT),
     (tiff({262: [5], 277: [4], 258: [16] * 4}, sample=2, order=">"), QUARANTINE, ACCEPT),
     (tiff({339: [3]}, sample=4), ACCEPT, ACCEPT), (tiff({339: [3]}, sample=8), QUARANTINE, QUARANTINE),
     (tiff({259: [8], 339: [3]}, sample=4, order=">", compress=zlib.compress), QUARANTINE, QUARANTINE),
     (tiff({277: [2], 258: [8, 8], 338: [0]}), QUARANTINE, QUARANTINE)],
)  # fmt: skip
def test_a_tiff_is_accepted_where_the_servers_pillow_shows_it(content: bytes, v1: str, v2: str) -> None:
    assert verdicts(content) == (v1, v2)


@pytest.mark.parametrize(
    ("pages", "accepted"),
    [([{}, {254: [1]}, {254: [1]}], True), ([{}, {254: [4]}], True), ([{}, {254: [5]}], True), ([{}, {255: [2]}], True),
     ([{}, {}], False), ([{}, {254: [2]}], False), ([{254: [1]}, {}], False), ([{}, {254: [1]}, {}], False)],
)  # fmt: skip
@pytest.mark.parametrize("big", [False, True])
def test_overviews_and_masks_of_a_tiff_are_no_pictures_of_their_own(
    pages: list[Mapping[int, Sequence[int]]], accepted: bool, big: bool
) -> None:
    found = inspect(tiff(*pages, big=big), "v2")
    assert (found.reason is None) is accepted
    if not accepted:
        assert "CVAT would show only" in (found.reason or "")


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_ignored_by_1x_and_applied_by_2x(kind: str, orientation: int) -> None:
    content = picture(kind, exif=exif(orientation))
    ignored, applied = inspect(content, "v1"), inspect(content, "v2")
    assert (ignored.width, ignored.height, ignored.exif_orientation) == (64, 48, orientation)
    assert (applied.width, applied.height) == ((48, 64) if orientation > 4 else (64, 48))
    assert applied.exif_orientation == 1
    assert [bool(found.warnings) for found in (ignored, applied)] == [orientation > 1] * 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_server_turns_a_tiff_and_2x_states_the_wrong_size(orientation: int) -> None:
    first, second = (inspect(tiff({274: [orientation]}), dialect) for dialect in ("v1", "v2"))
    turned = (12, 16) if orientation > 4 else (16, 12)
    assert {(found.width, found.height, found.exif_orientation) for found in (first, second)} == {(*turned, 1)}
    assert first.warnings == ()
    assert bool(second.warnings) is (orientation > 4)


def grey_16(order: str, highest: int) -> bytes:
    values = [highest * n // 191 for n in range(192)]
    content = bytearray(tiff({}, sample=2, order=order))
    content[-384:] = struct.pack(f"{order}192H", *values)
    return bytes(content)


@pytest.mark.parametrize(
    ("order", "highest", "v1", "v2"),
    [("<", 65535, "washed out", "equalises"), (">", 65535, "washed out", "washed out"), ("<", 255, None, "equalises"),
     (">", 255, None, None), (">", 1, "black", "black")],
)  # fmt: skip
def test_16_bit_grey_is_warned_of_as_the_server_makes_frames(
    order: str, highest: int, v1: str | None, v2: str | None
) -> None:
    for dialect, expected in (("v1", v1), ("v2", v2)):
        warnings = inspect(grey_16(order, highest), dialect).warnings
        assert [expected in warning for warning in warnings] == ([True] if expected else [])


@pytest.mark.parametrize(("scale", "warning"), [(1.0, "black"), (255.0, None), (65535.0, "washed out")])
def test_floats_are_clipped_to_0_and_255(scale: float, warning: str | None) -> None:
    content = bytearray(tiff({339: [3]}, sample=4))
    content[-768:] = struct.pack("<192f", *(scale * n / 191 for n in range(192)))
    for dialect in SERVERS:
        found = inspect(bytes(content), dialect).warnings
        assert [warning in one for one in found] == ([True] if warning else [])


def test_transparency_is_warned_of_only_where_there_is_some() -> None:
    opaque, clear = (picture("PNG", mode="RGBA"), io.BytesIO())
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(clear, "PNG")
    assert inspect(opaque, "v2").warnings == ()
    assert "transparency" in inspect(clear.getvalue(), "v2").warnings[0]


def bmp(header: int, compression: int = 0, masks: bytes = b"", bits: int = 24) -> bytes:
    data = bytes(16 * 12 * bits // 8)
    head = struct.pack("<IiiHHIIiiII", header, 16, 12, 1, bits, compression, len(data), 0, 0, 0, 0)
    head = (head + masks + bytes(124))[:header]
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


@pytest.mark.parametrize(
    ("content", "v1", "v2"),
    [(bmp(40), ACCEPT, ACCEPT), (bmp(56), QUARANTINE, ACCEPT), (bmp(124), ACCEPT, ACCEPT),
     (bmp(16), QUARANTINE, QUARANTINE),
     (bmp(124, 3, struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0), 32), ACCEPT, ACCEPT),
     (bmp(124, 3, struct.pack("<4I", 0xFF000000, 0xFF0000, 0xFF00, 0xFF), 32), QUARANTINE, ACCEPT),
     (b"P5 2 1 255\n..", ACCEPT, ACCEPT), (b"P2 2 1 255\n1 2", QUARANTINE, ACCEPT),
     (b"P6 1 1 65535\n......", QUARANTINE, ACCEPT), (b"Pf\n2 1\n-1.0\n........", QUARANTINE, ACCEPT),
     (b"P7\nWIDTH 1\n", QUARANTINE, QUARANTINE), (picture("JPEG2000"), ACCEPT, ACCEPT),
     (picture("AVIF"), QUARANTINE, ACCEPT), (b"\0\0\0\x1cftypheic" + bytes(99), QUARANTINE, QUARANTINE)],
)  # fmt: skip
def test_other_formats_are_accepted_where_the_servers_pillow_shows_them(content: bytes, v1: str, v2: str) -> None:
    assert verdicts(content) == (v1, v2)


def test_a_format_that_no_server_opens_is_named() -> None:
    assert "HEIC" in (inspect(b"\0\0\0\x1cftypheic" + bytes(99), "v2").reason or "")
    assert "AVIF" in (inspect(picture("AVIF"), "v1").reason or "")


def test_a_darker_pnm_is_warned_of() -> None:
    assert "darker" in inspect(b"P5 2 1 100\n..", "v1").warnings[0]
    assert inspect(b"P5 2 1 100\n..", "v2").warnings == ()


@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]))
def test_any_bytes_after_the_magic_of_a_tiff_are_read(content: bytes, magic: bytes) -> None:
    found = read_tiff(io.BytesIO(magic + content))
    assert found is not None
    assert found.big is (b"+" in magic)


@given(data=st.data())
def test_a_damaged_tiff_is_inspected_without_an_error(data: Any) -> None:
    content = bytearray(tiff({}, {254: [1]}))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    for dialect in SERVERS:
        found = inspect(bytes(content), dialect)
        assert found.verdict == "quarantine" or found.width
