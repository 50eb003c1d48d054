"""What `labelyard merge` and `verify` print as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from labelyard.releases.difference import Changes, Difference
from labelyard.releases.faults import FaultKind
from labelyard.releases.manifest import Balance, Counts, Manifest
from labelyard.releases.verification import Verified


@dataclass(frozen=True)
class MergedRelease:
    """A release that was merged: what its manifest says, and how it differs from the one before."""

    folder: Path
    counts: Mapping[str, Counts]
    """What each split has."""
    categories: Mapping[str, int]
    """The id of every label that the dataset ever had."""
    annotations: Balance
    images_left_out: Mapping[str, int]
    """Images by the reason why they are not in it."""
    account: Mapping[str, Any] | None
    """What became of everything that people drew; null if no file has an account."""
    warnings: Sequence[str]
    changes: Changes


@dataclass(frozen=True)
class FoundFault:
    """A fault of a release, and where it is."""

    kind: FaultKind
    where: str
    message: str


@dataclass(frozen=True)
class VerifiedRelease:
    """What the verification of a release found; the counts are 0 if its manifest cannot be read."""

    intact: bool
    error: str | None
    """Why nothing could be verified."""
    faults: Sequence[FoundFault]
    files: int
    images: int
    annotations: int


def merged_release(folder: Path, manifest: Manifest, difference: Difference) -> MergedRelease:
    """Return the document of a merged release."""
    names = ("counts", "categories", "annotations", "images_left_out", "account", "warnings")
    said = {name: to_builtins(getattr(manifest, name)) for name in names}
    return MergedRelease(folder, **said, changes=difference.changes)


def verified_release(found: Verified) -> VerifiedRelease:
    """Return the document of a release whose manifest could be read."""
    manifest, faults = found.manifest, [FoundFault(one.kind, one.where, one.message) for one in found.faults]
    return VerifiedRelease(not faults, None, faults, len(manifest.files), manifest.images, manifest.items)


def unreadable_release(error: str) -> VerifiedRelease:
    """Return the document of a release whose manifest cannot be read."""
    return VerifiedRelease(intact=False, error=error, faults=(), files=0, images=0, annotations=0)
