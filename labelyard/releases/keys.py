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
from labelyard.releases.lines import dumped, plain

encode = msgspec.json.Encoder().encode


def image_key(identity: str) -> int:
    """Return the key of an image; never 0."""
    return key_of(b"image " + identity.encode("utf-8", "surrogatepass")) or 1


def label_prefix(part: str, name: str) -> bytes:
    """Return 8 bytes for the items of one label in one list."""
    return hashlib.blake2b(f"{part} {name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def is_numbered(category: Mapping[str, Any]) -> bool:
    """Return whether the keypoints of a category are numbered from 1: their number differs from file to file."""
    keypoints = category.get("keypoints")
    return category.get("type") == POINTS_LABEL and keypoints == [str(n) for n in range(1, 1 + len(keypoints or ()))]


def annotation_key(part: str, category: Mapping[str, Any], image_id: int, own: dict[str, Raw]) -> int:
    """Return the key of an annotation: of its image's id, its category's name, and `own`, its fields without ids."""
    content = unpadded(own) if is_numbered(category) else plain(encode(own))
    return key_of(image_id.to_bytes(8) + label_prefix(part, category["name"]) + content)


def unpadded(own: dict[str, Raw]) -> bytes:
    """Return the content of an annotation with numbered keypoints without those that only fill up: `0, 0, 0`."""
    return _with_keypoints(own, _keypoints(own))


def padded(own: dict[str, Raw], points: int) -> bytes:
    """Return the content of an annotation with this many numbered keypoints."""
    found = _keypoints(own)
    return _with_keypoints(own, [*found, *[0] * (3 * points - len(found))])


def _keypoints(own: Mapping[str, Raw]) -> list[Any]:
    values = json.loads(bytes(own.get("keypoints", b"[]")))
    while values[-3:] == [0, 0, 0]:
        del values[-3:]
    return list(values)


def _with_keypoints(own: dict[str, Raw], values: list[Any]) -> bytes:
    return plain(encode({**own, "keypoints": Raw(dumped(values))} if "keypoints" in own else own))
