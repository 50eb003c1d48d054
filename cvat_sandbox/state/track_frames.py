"""The first frames of tracks, which 2.x corrects when it writes them: a track begins with its first shape."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Track = dict[str, Any]


def align(tracks: list[Track], skeleton: Track | None = None) -> int | None:
    """Correct tracks in place, so that each begins with a shape on its `frame`.

    skeleton: the track of the skeleton to whose points these tracks belong; they begin with it.
    Returns the frame of the earliest point if the skeleton begins later.
    """
    for track in tracks:
        if skeleton is not None and skeleton["frame"] < track["frame"]:
            track["frame"] = skeleton["frame"]
        _correct(track)
    earliest: int | None = min((track["frame"] for track in tracks), default=None)
    if skeleton is None or earliest is None or earliest >= skeleton["frame"]:
        return None
    for track in tracks:
        track["frame"] = min(track["frame"], earliest)
        _correct(track)
    return earliest


def _correct(track: Track) -> None:
    """Move a track to its first shape, or let it be outside until then."""
    first = min(track["shapes"], key=lambda shape: int(shape["frame"]), default=None)
    if first is None:
        return
    if first["frame"] < track["frame"]:
        track["frame"] = first["frame"]
    elif track["frame"] < first["frame"] and first["type"] == "skeleton":
        first["frame"] = track["frame"]
    elif track["frame"] < first["frame"]:
        track["shapes"].append({**deepcopy(first), "id": None, "frame": track["frame"], "outside": True})
