"""What a release has: the result of `release_dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Released:
    """A release: the newest one as it is if nothing has changed since.

    `splits` has the number of images, `labels` that of annotations, `left_out` that of images by the reason why they
    are not in it. `changes` is what `changes.json` says, empty for the first release.
    """

    dataset: str
    number: int
    url: str
    images: int
    annotations: int
    splits: Mapping[str, int]
    labels: Mapping[str, int]
    changes: Mapping[str, Any]
    left_out: Mapping[str, int]
    warnings: tuple[str, ...]
    is_new: bool
    quality: Mapping[str, int | float | str] = field(default_factory=dict)
    """How far the annotations agree with ground truth; empty if CVAT has made no report."""

    def __str__(self) -> str:
        splits = ", ".join(f"{count} {split}" for split, count in self.splits.items())
        return f"release {self.number}: {self.images} images ({splits}), {self.annotations} annotations, {self.url}"
