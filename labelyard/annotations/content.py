"""Images and the instances on them: which object is on which frame, with its label and outline.

Coordinates are pixels from the image's upper left corner.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

Box = tuple[float, float, float, float]
"""x, y, width, height. Width and height are negative where a rectangle was drawn from another corner."""

Polygons = tuple[tuple[float, ...], ...]
"""Outlines of one instance, each flat: (x0, y0, x1, y1, …)."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of an instance as run lengths: column by column, from the top, background first."""

    height: int
    width: int
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image and its size in pixels. Its frame is its index in `AnnotatedImages.images`."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Instance:
    """An object on one frame.

    `area` is in square pixels. `is_crowd` marks one outline around many objects. `score` is None where there is none.
    """

    frame: int
    label: str
    box: Box
    outline: Polygons | Mask
    area: float
    is_crowd: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedImages:
    """Images in frame order, the names of all labels in the order of their ids, and the instances on the images."""

    images: tuple[Image, ...]
    labels: tuple[str, ...]
    instances: tuple[Instance, ...]

    def without(self, names: Collection[str | None]) -> AnnotatedImages:
        """Return a copy without the images of these names and their instances. Frames are numbered again from 0."""
        kept = [frame for frame, image in enumerate(self.images) if image.name not in names]
        frames = {old: new for new, old in enumerate(kept)}
        return AnnotatedImages(
            tuple(self.images[frame] for frame in kept),
            self.labels,
            tuple(replace(one, frame=frames[one.frame]) for one in self.instances if one.frame in frames),
        )
