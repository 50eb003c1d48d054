"""The split of an image: the hash of its group decides, so that near duplicates stay together on every machine."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from labelyard.domain.objects import folder_of

BY_IMAGE, BY_FOLDER = "image", "folder"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


_USUAL = ("train", "val", "test")


def split_order(name: str) -> tuple[int, str]:
    """Return the key by which splits are in the usual order: train, val, test, and others by their names."""
    return (_USUAL.index(name) if name in _USUAL else len(_USUAL), name)


def is_split_name(text: str) -> bool:
    """Return whether a split can have this name: it becomes a part of file names."""
    return bool(_NAME.fullmatch(text))


@dataclass(frozen=True, slots=True)
class SplitRule:
    """Fractions of the groups by split, and what makes a group.

    `by` is "image" (each image is a group of its own), "folder" (that of the file name), or a regular expression: its
    first group, or else what it matches of the file name. Raises ValueError with what to write instead.
    """

    fractions: Mapping[str, float] = field(default_factory=lambda: {"train": 1.0})
    by: str = BY_IMAGE

    def __post_init__(self) -> None:
        for name, fraction in self.fractions.items():
            if not is_split_name(name):
                raise ValueError(f"{name!r} cannot name a split: use lower-case letters, digits, - and _")
            if not 0 < fraction <= 1:
                raise ValueError(f"the fraction of {name} is {fraction}: write one above 0, and at most 1")
        total = math.fsum(self.fractions.values())
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"the fractions of the splits add up to {total:g}: they must add up to 1")
        if self.by not in (BY_IMAGE, BY_FOLDER):
            try:
                re.compile(self.by)
            except re.error as error:
                raise ValueError(
                    f"by: {self.by!r} is neither image, nor folder, nor a regular expression: {error}"
                ) from error

    def group(self, content: str, file_name: str) -> str | None:
        """Return the group of an image; `content` identifies it. None if a regular expression finds nothing."""
        if self.by == BY_IMAGE:
            return content
        if self.by == BY_FOLDER:
            return folder_of(file_name)
        found = re.search(self.by, file_name)
        return next((text for text in (*found.groups()[:1], found[0]) if text is not None), None) if found else None

    def split(self, group: str) -> str:
        """Return the split of a group. The order in which the fractions were written does not matter."""
        digest = hashlib.blake2b(group.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        position, end = int.from_bytes(digest) / 2**64, 0.0
        names = sorted(self.fractions)
        for name in names:
            end += self.fractions[name]
            if position < end:
                return name
        return names[-1]
