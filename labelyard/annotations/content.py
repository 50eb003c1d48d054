"""What a COCO instances file holds, without its numbering: frames count from 0, labels go by name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels, as COCO writes a box."""

Polygons = tuple[tuple[float, ...], ...]
"""Outlines, each flat: (x0, y0, x1, y1, …) in pixels."""


class Severity(StrEnum):
    """What a finding means for the file: REFUSE it, or WARN whoever uses it."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong; `where` names the file and the annotation, shape or image in it."""

    where: str
    what: str
    gravity: Severity = Severity.REFUSE

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as COCO's uncompressed run lengths, by columns, starting with the background."""

    height: int
    width: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image; sizes in pixels. Its place in `CocoContent.images` is its frame."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """An object on one frame; `area` in square pixels, `score` None where the file has none."""

    frame: int
    label: str
    bbox: Box
    segmentation: Polygons | Rle
    area: float
    crowd: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True)
class CocoContent:
    """Images in frame order, category names in category order, and the annotations."""

    images: tuple[Image, ...]
    categories: tuple[str, ...]
    annotations: tuple[Annotation, ...]

    def without(self, names: Collection[str | None]) -> CocoContent:
        """The same without the images of these names and what is on them; the frames close up."""
        kept = [frame for frame, image in enumerate(self.images) if image.name not in names]
        frames = {old: new for new, old in enumerate(kept)}
        return CocoContent(
            tuple(self.images[frame] for frame in kept),
            self.categories,
            tuple(replace(a, frame=frames[a.frame]) for a in self.annotations if a.frame in frames),
        )
