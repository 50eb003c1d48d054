"""The keys of images and annotations: the hashes of which their ids are made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from labelyard.formats.coco.write import POINTS_LABEL
from labelyard.releases.ids import key_of
from labelyard.releases.lines import dumped

encode = msgspec.json.Encoder().encode


def image_key(identity: str) -> int:
    """Return the key of an image; never 0."""
    return key_of(b"image " + identity.encode("utf-8", "surrogatepass")) or 1


def image_salt(image_id: int) -> bytes:
    """Return 8 bytes that make the keys of equal annotations of two images differ."""
    return image_id.to_bytes(8)


def label_person(part: str, name: str) -> bytes:
    """Return 16 bytes that make the keys of equal items of two labels, or in two lists, differ."""
    return hashlib.blake2b(f"{part} {name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def is_numbered(category: Mapping[str, Any]) -> bool:
    """Return whether the keypoints of a category are numbered from 1: their number differs from file to file."""
    keypoints = category.get("keypoints")
    if category.get("type") != POINTS_LABEL or not isinstance(keypoints, list):
        return False
    return keypoints == [str(number) for number in range(1, 1 + len(keypoints))]


def annotation_key(part: str, category: Mapping[str, Any], image_id: int, content: bytes) -> int:
    """Return the key of an annotation: of its image's id, its category's name, and its plain content without ids."""
    identity = unpadded(content) if is_numbered(category) else content
    digest = hashlib.blake2b(
        identity, digest_size=8, salt=image_salt(image_id), person=label_person(part, category["name"])
    ).digest()
    return int.from_bytes(digest)


def unpadded(content: bytes) -> bytes:
    """Return an annotation with numbered keypoints without those that only fill up: `0, 0, 0`."""
    own, values = _keypoints(content)
    return _with_keypoints(own, values)


def padded(content: bytes, points: int) -> bytes:
    """Return an annotation with this many numbered keypoints."""
    own, values = _keypoints(content)
    return _with_keypoints(own, [*values, *[0] * (3 * points - len(values))])


def _keypoints(content: bytes) -> tuple[dict[str, Raw], list[Any]]:
    own = msgspec.json.decode(content, type=dict[str, Raw])
    values: list[Any] = json.loads(bytes(own.get("keypoints", b"[]")))
    while values[-3:] == [0, 0, 0]:
        del values[-3:]
    return own, values


def _with_keypoints(own: dict[str, Raw], values: list[Any]) -> bytes:
    return encode({**own, "keypoints": Raw(dumped(values))} if "keypoints" in own else own)
