"""The manifest of a release: which files it has, with their hashes, and how they were made."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from labelyard.domain.splits import SplitRule, is_split_name, split_order
from labelyard.errors import InputError
from labelyard.releases.lines import Digest, digest_of

FORMAT = 1

MANIFEST, SUMS, SIGNATURE = "manifest.json", "SHA256SUMS", "manifest.json.sig"
IMAGES, CHANGES, PASSPORT = "images.jsonl", "changes.json", "passport.jsonl"
CARD, CROISSANT, REPORT = "README.md", "croissant.json", "report.html"
QUALITY = "quality.json"
IMAGES_FOLDER = "images"
"""The folder of the images of a fetched release, by their file names."""
ANNOTATIONS = "annotations"
"""The folder of the COCO files."""

FORMATS_FOLDER = "formats"
"""The folder of the other formats."""
COCO, COCO_KEYPOINTS = "coco", "coco-keypoints"
"""The formats whose files are beside each other in `annotations`."""

UNLISTED = (MANIFEST, SUMS, SIGNATURE)
"""Files that a manifest cannot list: itself, and those that are made of it."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileEntry(Struct, frozen=True):
    """A file of the release: its path in the folder, its bytes and their SHA-256."""

    path: str
    sha256: str
    size: int


class SourceEntry(Struct, frozen=True):
    """A source: as short a name as is unique, and what `info` of the file says in single values."""

    name: str
    sha256: str
    size: int
    images: int
    annotations: int
    info: dict[str, Any]
    extra_sha256: str | None = None


class Splits(Struct, frozen=True):
    """The rule of the splits."""

    by: str
    fractions: dict[str, float]


class IdExceptions(Struct, frozen=True):
    """Ids that are not made of their key alone: the next free id after a collision, by the key in hexadecimal."""

    images: dict[str, int] = field(default_factory=dict)
    annotations: dict[str, int] = field(default_factory=dict)


class Counts(Struct, frozen=True):
    """What a split has: images, items by list (`annotations`, `tags`, …), and all items by label."""

    images: int
    items: dict[str, int]
    labels: dict[str, int]


class Balance(Struct, frozen=True):
    """What became of the annotations of the sources: read = written + duplicates + left out, each with its reason."""

    read: int
    written: int
    duplicates: int
    left_out: dict[str, int]

    @property
    def balances(self) -> bool:
        """Whether every annotation is accounted for."""
        return self.read == self.written + self.duplicates + sum(self.left_out.values())


class FormatEntry(Struct, frozen=True):
    """Another format of the release: its account, and what its readers should know.

    In the account the objects of the COCO files are those that were drawn.
    """

    account: dict[str, Any]
    warnings: list[str]


class Manifest(Struct, frozen=True):
    """What `manifest.json` says. `categories` has the id of every label that the dataset ever had.

    `images_left_out` counts by reason. `account` adds up those of the sources, None if none has one; its objects are
    what people drew, so that merged groups make it differ from the annotations. `previous` is the SHA-256 of the
    previous release's manifest.
    """

    format: int
    labelyard: str
    files: list[FileEntry]
    sources: list[SourceEntry]
    splits: Splits
    categories: dict[str, int]
    ids: IdExceptions
    counts: dict[str, Counts]
    annotations: Balance
    images_left_out: dict[str, int]
    account: dict[str, Any] | None
    previous: str | None
    warnings: list[str]
    formats: dict[str, FormatEntry] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """The images of all splits."""
        return sum(one.images for one in self.counts.values())

    @property
    def labels(self) -> Counter[str]:
        """The items of all splits and lists by label."""
        found: Counter[str] = Counter()
        for one in self.counts.values():
            found.update(one.labels)
        return found

    @property
    def items(self) -> int:
        """The items of all splits and lists."""
        return sum(sum(one.items.values()) for one in self.counts.values())


class ImageReference(Struct, frozen=True, omit_defaults=True):
    """A line of `images.jsonl`: an image of the release and, where the sources say it, its file.

    `identity` is what its id is made of, unless that is the file name. `group` decides the split, unless the image
    itself does.
    """

    id: int
    file_name: str
    split: str
    identity: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    coco_url: str | UnsetType = UNSET
    etag: str | UnsetType = UNSET
    version_id: str | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    size: int | UnsetType = UNSET


def is_safe(path: str) -> bool:
    """Return whether a path stays in its folder on any system, and fits a line of SHA256SUMS."""
    return (
        bool(path)
        and path.isprintable()
        and not set(path) & set('\\:*?"<>|')
        and all(part not in ("", ".", "..") for part in path.split("/"))
    )


def seal(folder: Path, manifest: Manifest, known: Mapping[str, Digest]) -> Manifest:
    """Write the manifest and SHA256SUMS of everything in a folder; return the manifest with its files.

    `known` has the digests, by path, of files that need not be read again.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digests = {path: known.get(path) or digest_of(folder / path) for path in paths if path not in UNLISTED}
    entries = [FileEntry(path, one.sha256, one.size) for path, one in digests.items()]
    sealed = msgspec.structs.replace(manifest, files=entries)
    text = json.dumps(msgspec.to_builtins(sealed), indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="ascii")
    sums = {path: one.sha256 for path, one in digests.items()} | {MANIFEST: digest_of(folder / MANIFEST).sha256}
    lines = (f"{sha256}  {path}\n" for path, sha256 in sorted(sums.items()))
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return sealed


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a release. Raises InputError if there is none, or one with paths out of the folder."""
    path = folder / MANIFEST
    next_step = "name the folder of a release: one that has manifest.json"
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), next_step=next_step)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError("no release: its manifest.json is no file", where=str(folder), next_step=next_step)
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise InputError("no release: it has no manifest.json", where=str(folder), next_step=next_step) from error
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not the manifest of a release: {error}", where=str(path), next_step=next_step) from error
    if manifest.format != FORMAT:
        what = f"its format is {manifest.format}, this labelyard ({FORMAT}) does not know it"
        raise InputError(what, where=str(path), next_step=f"use labelyard {manifest.labelyard}")
    wrong = next(_wrong(manifest), None)
    if wrong:
        raise InputError(f"not the manifest of a release: {wrong}", where=str(path), next_step=next_step)
    counts = {split: manifest.counts[split] for split in sorted(manifest.counts, key=split_order)}
    return msgspec.structs.replace(manifest, counts=counts)


def _wrong(manifest: Manifest) -> Iterator[str]:
    for entry in manifest.files:
        if not is_safe(entry.path) or entry.path in UNLISTED:
            yield f"the path {entry.path!r} cannot be in a release"
        if not _SHA256.fullmatch(entry.sha256):
            yield f"{entry.sha256!r} is no SHA-256"
    try:
        SplitRule(manifest.splits.fractions, manifest.splits.by)
    except ValueError as error:
        yield str(error)
    yield from _wrong_names(manifest)


def _wrong_names(manifest: Manifest) -> Iterator[str]:
    for name in manifest.formats:
        if not is_split_name(name):
            yield f"{name!r} is no name of a format"
    for split in manifest.counts:
        if not is_split_name(split):
            yield f"{split!r} cannot name a split"
    for exceptions in (manifest.ids.images, manifest.ids.annotations):
        for key in exceptions:
            if not re.fullmatch(r"[0-9a-f]{16}", key):
                yield f"{key!r} is no key of an id"


def references(folder: Path) -> Iterator[ImageReference]:
    """Yield the images of a release. Raises InputError for a line that is none."""
    decoder = msgspec.json.Decoder(ImageReference)
    path = folder / IMAGES
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield decoder.decode(line)
            except ValueError as error:
                raise InputError(f"line {number} is no image of a release: {error}", where=str(path)) from error


def instances_path(split: str, *, extra: bool = False) -> str:
    """Return the path of a split's COCO file in the folder, or of its extra file.

    The latter's name does not begin with `instances_`: datumaro takes every such file for a split, and fails.
    """
    return f"{ANNOTATIONS}/{'extra' if extra else 'instances'}_{split}.json"


def keypoints_path(split: str) -> str:
    """Return the path of a split's file of COCO keypoints in the folder, under the name that readers look for."""
    return f"{ANNOTATIONS}/person_keypoints_{split}.json"
