"""Which object each frame of a task is, where no ledger remembers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from labelyard.domain.naming import upload_names
from labelyard.domain.objects import StoredObject


def match(frames: Sequence[str], objects: Iterable[StoredObject], known: Mapping[str, str]) -> dict[str, StoredObject]:
    """The object of each frame that only one can be; frames of which that cannot be said are left out.

    `known` are keys by frame name, as earlier exports tell them; then the names that labelyard gives count (a hash of
    key and ETag, or the plain base name), and a frame's path where CVAT read its share.
    """
    by_key: dict[str, list[StoredObject]] = defaultdict(list)
    by_name: dict[str, list[StoredObject]] = defaultdict(list)
    for obj in objects:
        by_key[obj.key].append(obj)
        for name in _names(obj):
            by_name[name].append(obj)
    found: dict[str, StoredObject] = {}
    for frame in frames:
        candidates = by_key.get(known.get(frame, ""), []) or by_name.get(frame, []) or by_key.get(frame, [])
        if len(candidates) == 1:
            found[frame] = candidates[0]
    return found


def _names(obj: StoredObject) -> set[str]:
    identity = f"{obj.key}\0{obj.etag}"
    alone, *_ = upload_names([obj.key], [identity])
    beside_a_twin, *_ = upload_names([obj.key, "/" + obj.key], [identity, ""])
    return {alone, beside_a_twin, obj.key.rsplit("/", 1)[-1]}
