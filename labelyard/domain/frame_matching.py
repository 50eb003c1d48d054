"""Which object each frame of a CVAT task shows, where the ledger has no record of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from labelyard.domain.naming import upload_identity, upload_names
from labelyard.domain.objects import StoredObject, base_name


def match_frames(
    frames: Sequence[str], objects: Iterable[StoredObject], known_keys: Mapping[str, str]
) -> dict[str, StoredObject]:
    """Return the object of each frame name; a frame with no candidate or several is left out.

    First count `known_keys` (keys by frame name, from earlier exports), then the upload names that labelyard gives (a
    hash of key and ETag, or the plain base name), then the frame's path where CVAT read its share.
    """
    by_key: dict[str, list[StoredObject]] = defaultdict(list)
    by_name: dict[str, list[StoredObject]] = defaultdict(list)
    for obj in objects:
        by_key[obj.key].append(obj)
        for name in _possible_names(obj):
            by_name[name].append(obj)
    found: dict[str, StoredObject] = {}
    for frame in frames:
        candidates = by_key.get(known_keys.get(frame, ""), []) or by_name.get(frame, []) or by_key.get(frame, [])
        if len(candidates) == 1:
            found[frame] = candidates[0]
    return found


def _possible_names(obj: StoredObject) -> set[str]:
    identity = upload_identity(obj)
    unique_in_batch, *_ = upload_names([obj.key], [identity])
    with_equal_base_name, *_ = upload_names([obj.key, "/" + obj.key], [identity, ""])
    return {unique_in_batch, with_equal_base_name, base_name(obj.key)}
