"""Tracks in files that have a shape for each frame: only the keyframes are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cvat_sandbox.formats.v2.reading import SOURCE, attributes

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Label, Shape, Snapshot


class Tracks:
    """Collects the shapes of tracks by the number that a file gives them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._last = max(snapshot.tasks[0].frames, default=0)
        self._tracks: dict[Any, Shape] = {}

    def add(self, key: Any, label: Label, shape: Shape, given: dict[str, Any], group: int) -> None:
        """Add a shape with the fields `frame` and `keyframe`."""
        track = self._tracks.setdefault(key, {
            "id": None, "label_id": label.id, "frame": shape["frame"], "group": group, "source": SOURCE,
            "attributes": attributes(label, given, mutable=False), "shapes": [], "elements": [],
        })  # fmt: skip
        track["shapes"].append({**shape, "id": None, "attributes": attributes(label, given, mutable=True)})

    def finished(self) -> list[Shape]:
        """Return the tracks. A track is outside where it has no shapes."""
        for track in self._tracks.values():
            track["shapes"] = self._keyframes(sorted(track["shapes"], key=lambda shape: int(shape["frame"])))
            track["frame"] = track["shapes"][0]["frame"]
        return list(self._tracks.values())

    def _keyframes(self, shapes: list[Shape]) -> list[Shape]:
        found: list[Shape] = []
        before: Shape | None = None
        for shape in shapes:
            has_gap = before is not None and shape["frame"] > before["frame"] + 1
            if before is not None and has_gap:
                found.append(_outside_after(before))
            if before is None or has_gap or shape["keyframe"]:
                found.append(_plain(shape))
            before = shape
        if before is not None and before["frame"] + 1 <= self._last:
            found.append(_outside_after(before))
        return found


def _plain(shape: Shape) -> Shape:
    return {name: value for name, value in shape.items() if name != "keyframe"}


def _outside_after(shape: Shape) -> Shape:
    return {**_plain(shape), "outside": True, "frame": shape["frame"] + 1}
