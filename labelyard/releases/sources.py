"""The source files of a merge: everything but their annotations is checked and read."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import msgspec

from labelyard.domain.splits import SplitRule
from labelyard.errors import InputError
from labelyard.formats.checks.values import PARTS
from labelyard.formats.coco.parts import Parts, read_parts
from labelyard.formats.coco.write import EXTRA_PARTS
from labelyard.releases.keys import image_key
from labelyard.releases.lines import Digest, digest_of
from labelyard.releases.source_checks import require_usable_head

EXTRA = tuple(EXTRA_PARTS.values())
"""The lists of an extra file."""

IMAGE_FACTS = ("coco_url", "etag", "version_id", "sha256", "size")
"""The fields of an image that say where its file is, and which content it has."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What a merge does with an image.

    `identity` is what its id is made of. Images of one `group` go to one split; None: the rule of the splits decides.
    `fields` are set in the image, such as its SHA-256. `left_out` is the reason why it is left out, empty if it is not.
    """

    identity: str
    group: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    left_out: str = ""


PlaceImage = Callable[[Mapping[str, Any]], Placement]
"""Return the placement of an image, given its fields in the source. The same image has the same one every time."""


def by_file_name(image: Mapping[str, Any]) -> Placement:
    """Return a placement by the file name alone, as `labelyard merge` does."""
    return Placement(image["file_name"])


class Splitter:
    """Decides the split of an image from its group, as the previous release did where it has this group.

    `images` has the split of images, by identity, that is decided already.
    """

    def __init__(
        self, rule: SplitRule, names: Sequence[str], groups: Mapping[str, str], images: Mapping[str, str]
    ) -> None:
        self.rule, self.names = rule, names
        self._images = images
        self.without_group = 0
        self._numbers = {name: number for number, name in enumerate(names)}
        self._groups = groups

    def group(self, placement: Placement, image: Mapping[str, Any]) -> str | None:
        """Return the group of an image; None if the rule finds none."""
        if placement.group is not None:
            return placement.group
        content = {**image, **placement.fields}.get("sha256")
        return self.rule.group(content if isinstance(content, str) else placement.identity, image["file_name"])

    def split(self, placement: Placement, image: Mapping[str, Any]) -> int:
        """Return the number of the split of an image. One without a group is a group of its own."""
        group = self.group(placement, image)
        self.without_group += group is None
        group = placement.identity if group is None else group
        known = self._images.get(placement.identity) or self._groups.get(group)
        return self._numbers[known or self.rule.split(group)]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A COCO file to be merged, and what it does with its images."""

    path: Path
    place_image: PlaceImage = by_file_name


@dataclass(slots=True)
class Source:
    """What was read of a source file. `name` names it in the release, as short as it is unique.

    `keys` has the key of each image, in their order, 0 for one that is left out, `splits` the number of the split that
    its group gives it, and `left_out` the reasons by position. `extra` is the path of its extra file, if it has one.
    `state` says whether a file was changed since. `annotations` counts them, once they are read.
    """

    file: SourceFile
    digest: Digest
    name: str
    keys: array[int]
    splits: array[int]
    left_out: dict[int, str]
    categories: list[dict[str, Any]]
    licenses: list[dict[str, Any]]
    info: dict[str, Any]
    extra: Path | None
    extra_digest: Digest | None
    state: tuple[Any, ...]
    annotations: int = 0

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.file.path

    def parts(self, lists: Collection[str] = PARTS) -> Parts:
        """Return the parts of the file, as `read_parts` does. Raises InputError if it was changed meanwhile."""
        if _state(self.path, self.extra) != self.state:
            raise InputError("the file was changed while it was merged", where=str(self.path))
        return read_parts(self.path, lists)

    def images(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the position and the fields of each image."""
        yield from enumerate(map(_decoded(self.path), self.parts(("images",)).images))


def read_sources(files: Sequence[SourceFile], splitter: Splitter) -> list[Source]:
    """Return the sources in the order of their SHA-256: the order in which they were named does not matter.

    Raises InputError for a file that cannot be read, whose images or categories have an error by the
    checks, or that is named twice.
    """
    if not files:
        raise InputError("there is no file to merge", next_step="labelyard merge FILE… --to FOLDER")
    names = _short_names([file.path for file in files])
    first: dict[str, Source] = {}
    with ThreadPoolExecutor(1) as pool:  # to hash needs no lock of the interpreter: it takes no time here
        for file, name in zip(files, names, strict=True):
            source = _read(file, name, splitter, pool)
            if other := first.get(source.digest.sha256):
                raise InputError(f"it has the same content as {other.path}: name it once", where=str(file.path))
            first[source.digest.sha256] = source
    return [first[sha256] for sha256 in sorted(first)]


def _read(file: SourceFile, name: str, splitter: Splitter, pool: Executor) -> Source:
    path, extra = file.path, _extra_of(file.path)
    try:
        parts = read_parts(path, ("images", "categories"))
    except InputError as error:
        raise InputError(error.what, where=error.where, next_step=f"labelyard check {path}") from error
    digest = pool.submit(digest_of, path)
    require_usable_head(path, parts)
    decode = _decoded(path)
    keys, splits, left_out = array("Q"), array("h"), dict[int, str]()
    for position, raw in enumerate(parts.images):
        placement = file.place_image(image := decode(raw))
        keys.append(0 if placement.left_out else image_key(placement.identity))
        splits.append(splitter.split(placement, image))
        if placement.left_out:
            left_out[position] = placement.left_out
    info = _field(path, parts.rest, "info", dict)
    licenses = [one for one in _field(path, parts.rest, "licenses", list) if isinstance(one, dict)]
    categories = [decode(raw) for raw in parts.categories]
    return Source(
        file, digest.result(), name, keys, splits, left_out, categories, licenses, info, extra,
        digest_of(extra) if extra else None, _state(path, extra),
    )  # fmt: skip


def _decoded(path: Path) -> Callable[[msgspec.Raw], dict[str, Any]]:
    decoder = msgspec.json.Decoder(dict[str, Any])

    def decode(raw: msgspec.Raw) -> dict[str, Any]:
        try:
            return decoder.decode(raw)
        except ValueError as error:
            raise InputError(f"not a COCO document: {error}", where=str(path)) from error

    return decode


def _field(path: Path, rest: Mapping[str, msgspec.Raw], name: str, kind: type[Any]) -> Any:
    """Return a field of the document; empty if it is missing or of another type, as `null` is."""
    try:
        found = msgspec.json.decode(rest[name]) if name in rest else kind()
    except ValueError as error:
        raise InputError(f"{name} cannot be read: {error}", where=str(path)) from error
    return found if isinstance(found, kind) else kind()


def _extra_of(path: Path) -> Path | None:
    """Return the extra file: `NAME.extra.json`, or in a release `extra_SPLIT.json`."""
    names = [f"{path.stem}.extra.json"]
    if path.name.startswith("instances_"):
        names.append(path.name.replace("instances_", "extra_", 1))
    found = (path.with_name(name) for name in names if path.suffix == ".json")
    return next((extra for extra in found if extra.is_file()), None)


def _state(*paths: Path | None) -> tuple[Any, ...]:
    try:
        found = [path.stat() for path in paths if path]
    except OSError:
        return ()
    return tuple((one.st_size, one.st_mtime_ns, one.st_ino) for one in found)


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Return the end of each path, as short as it is unique: names that are the same on any machine."""
    names = {path: path.name for path in paths}
    for length in range(2, 1 + max(len(path.parts) for path in paths)):
        for same in _same(names.items()):
            for path in same:
                names[path] = PurePath(*path.parts[-length:]).as_posix()
    return [names[path] for path in paths]


def _same(named: Iterable[tuple[Path, str]]) -> list[list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path, name in named:
        found[name].append(path)
    return [paths for paths in found.values() if len(paths) > 1]
