"""Which object each frame of a CVAT task shows, where the ledger has no record of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from labelyard.domain.naming import digest_in, digest_of, upload_identity
from labelyard.domain.objects import StoredObject, base_name


def match_frames(
    frames: Sequence[str], objects: Iterable[StoredObject], known_keys: Mapping[str, str]
) -> dict[str, StoredObject]:
    """Return the object of each frame name; a frame with no candidate or several is left out.

    First count `known_keys` (keys by frame name, from earlier exports), then the upload names that labelyard gives (the
    plain base name, or one with a hash of key and ETag), then the frame's path where CVAT read its share.
    """
    by_key: dict[str, list[StoredObject]] = defaultdict(list)
    by_name: dict[str, list[StoredObject]] = defaultdict(list)
    by_digest: dict[str, list[StoredObject]] = defaultdict(list)
    for obj in objects:
        by_key[obj.key].append(obj)
        by_name[base_name(obj.key)].append(obj)
        by_digest[digest_of(upload_identity(obj))].append(obj)

    def candidates(frame: str) -> Iterator[list[StoredObject]]:
        yield by_key.get(known_keys.get(frame, ""), [])
        yield by_name.get(frame, [])
        yield by_digest.get(digest_in(frame) or "", [])
        yield by_key.get(frame, [])
        yield by_name.get(frame.rpartition(".")[0], [])  # a file without a suffix gets one

    found: dict[str, StoredObject] = {}
    for frame in frames:
        of_frame = next(filter(None, candidates(frame)), [])
        if len(of_frame) == 1:
            found[frame] = of_frame[0]
    return found
