"""What a release has, read once as a stream into columns of numbers: about 65 bytes for each annotation."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, Raw, Struct

from labelyard.errors import InputError
from labelyard.releases.ids import IdArray, key_of
from labelyard.releases.lines import fields, items
from labelyard.releases.manifest import IMAGES, Manifest, instances_path, references
from labelyard.releases.report.attributes import AttributeCounts

Numbers = npt.NDArray[np.float64]
"""Shape (n,), float64."""
Positions = npt.NDArray[np.signedinteger[Any]]
"""Positions in a column or a list, shape (n,), int64, or int32 in the columns of annotations; -1 for none."""
Flags = npt.NDArray[np.bool_]
"""Shape (n,), bool."""

LARGEST = 1e9
"""Coordinates and sides, in pixels, that are no longer taken for a box."""

_AT_ONCE = 1 << 16  # rows
_USUAL_ORDER = ("train", "val", "test")
_T = TypeVar("_T")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class ImageColumns:
    """The images of a release: a row for each. Sizes are in pixels, 0 if unknown.

    `split` is a position in the list of splits. `group` and `content` are hashes of the group and of the SHA-256, 0 for
    none.
    """

    id: IdArray
    split: Positions
    width: Numbers
    height: Numbers
    group: npt.NDArray[np.uint64]
    content: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """The annotations of the COCO files: a row for each, with the position of its image and of its label.

    `box` is x, y, width, height in pixels, shape (n, 4). Where `is_box` is False it is no usable box. `job` is -1 where
    it is unknown. `score` has those of the rows `scored`.
    """

    id: IdArray
    image: Positions
    label: Positions
    box: npt.NDArray[np.float64]
    is_box: Flags
    scored: Positions
    score: Numbers
    job: Positions

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class Contents:
    """A release as columns. `other` counts items of extra files by split, list and label (positions, and a name).

    `has_items` says of each image whether it has anything at all. `days` are the first and last day of `date_captured`.
    """

    splits: Sequence[str]
    labels: Sequence[str]
    images: ImageColumns
    boxes: BoxColumns
    other: Mapping[tuple[int, str, int], int]
    has_items: Flags
    attributes: AttributeCounts
    info: Mapping[str, Any]
    days: tuple[str, str] | None


class _Image(Struct):
    id: int
    width: float | None = None
    height: float | None = None
    date_captured: Any = None


class _Item(Struct):
    id: int
    image_id: int
    category_id: int
    bbox: list[float] | None = None
    score: Any = None
    attributes: Raw = Raw(b"")


class _Own(Struct):
    """What labelyard itself writes among the attributes; a label may use the names for anything else."""

    score: Any = None
    job: Any = None


@dataclass(slots=True)
class _Reader:
    splits: Sequence[str]
    labels: dict[str, int] = field(default_factory=dict)
    image_ids: array[int] = field(default_factory=lambda: array("q"))
    image_splits: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[float] = field(default_factory=lambda: array("d"))
    ids: array[int] = field(default_factory=lambda: array("q"))
    of_images: array[int] = field(default_factory=lambda: array("q"))
    of_labels: array[int] = field(default_factory=lambda: array("i"))
    boxes: array[float] = field(default_factory=lambda: array("d"))
    scored: array[int] = field(default_factory=lambda: array("i"))
    scores: array[float] = field(default_factory=lambda: array("d"))
    jobs: array[int] = field(default_factory=lambda: array("q"))
    with_other: array[int] = field(default_factory=lambda: array("q"))
    other: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    attributes: AttributeCounts = field(default_factory=AttributeCounts)
    info: dict[str, Any] = field(default_factory=dict)
    days: tuple[str, str] | None = None

    def read(self, path: Path, split: int, *, extra: bool) -> None:
        """Read a COCO file of a split, or its extra file, which has the same images."""
        head = fields(path)
        label_of = {one["id"]: self.labels.setdefault(one["name"], len(self.labels)) for one in head["categories"]}
        self.info = self.info or dict(head.get("info") or {})
        decode_image, decode = msgspec.json.Decoder(_Image).decode, msgspec.json.Decoder(_Item).decode
        for part, item in items(path):
            if part == "annotations":
                self._add_annotation(decode(item), label_of)
            elif part != "images":
                found = decode(item)
                label = label_of[found.category_id]
                self.other[split, part, label] += 1
                self.with_other.append(found.image_id)
                self.attributes.add(label, bytes(found.attributes))
            elif not extra:
                self._add_image(decode_image(item), split)

    def _add_image(self, image: _Image, split: int) -> None:
        self.image_ids.append(image.id)
        self.image_splits.append(split)
        self.sizes.extend((_side(image.width), _side(image.height)))
        if isinstance(image.date_captured, str) and _DAY.match(image.date_captured):
            day = image.date_captured[:10]
            first, last = self.days or (day, day)
            self.days = min(first, day), max(last, day)

    def _add_annotation(self, found: _Item, label_of: Mapping[int, int]) -> None:
        self.ids.append(found.id)
        self.of_images.append(found.image_id)
        label = label_of[found.category_id]
        self.of_labels.append(label)
        box = found.bbox
        self.boxes.extend(box if box and len(box) == 4 else (0.0, 0.0, 0.0, 0.0))
        attributes = bytes(found.attributes)
        score, job = found.score, -1
        if attributes[:1] == b"{" and (b'"score"' in attributes or b'"job"' in attributes):
            own = msgspec.json.decode(attributes, type=_Own)
            score = own.score if score is None else score
            job = own.job if type(own.job) is int and 0 <= own.job < 2**63 else -1
        if isinstance(score, int | float) and abs(score) < LARGEST:
            self.scored.append(len(self.jobs))
            self.scores.append(score)
        self.jobs.append(job)
        self.attributes.add(label, attributes)


def read(folder: Path, manifest: Manifest) -> Contents:
    """Return the contents of a release. Raises InputError for files that no release has."""
    splits = sorted(manifest.counts, key=lambda name: (*(name != usual for usual in _USUAL_ORDER), name))
    reader = _Reader(splits)
    for number, split in enumerate(splits):
        for extra in (False, True):
            path = folder / instances_path(split, extra=extra)
            if extra and not path.is_file():
                continue
            _reading(path, partial(reader.read, path, number, extra=extra))
    reader.attributes.close()
    image_ids = _column(reader.image_ids, np.int64)
    images_by_id = _IdColumn(image_ids)
    of_images = images_by_id.find(_column(reader.of_images, np.int64))
    reader.of_images = array("q")
    has_items = np.zeros(len(image_ids), np.bool_)
    for wanted in (of_images, images_by_id.find(_column(reader.with_other, np.int64))):
        has_items[wanted] = True
    group, content = _reading(folder / IMAGES, lambda: _hashes(folder, images_by_id))
    sizes = _column(reader.sizes, np.float64).reshape(-1, 2)
    box = _column(reader.boxes, np.float64).reshape(-1, 4)
    is_box = np.empty(len(box), np.bool_)
    for rows in slices(len(box)):
        is_box[rows] = (np.abs(box[rows]) < LARGEST).all(axis=1) & (box[rows, 2:] > 0).all(axis=1)
    return Contents(
        splits,
        list(reader.labels),
        ImageColumns(image_ids, _column(reader.image_splits, np.int64), sizes[:, 0], sizes[:, 1], group, content),
        BoxColumns(
            _column(reader.ids, np.int64),
            of_images,
            _column(reader.of_labels, np.intc),
            box,
            is_box,
            _column(reader.scored, np.intc),
            _column(reader.scores, np.float64),
            narrow(_column(reader.jobs, np.int64)),
        ),
        reader.other,
        has_items,
        reader.attributes,
        reader.info,
        reader.days,
    )


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """What a person needs to find an image: its file name, split and group."""

    file_name: str
    split: str
    group: str | None


def details(folder: Path, wanted: set[int]) -> dict[int, ImageDetails]:
    """Return the details of some images by id: names of all images are never in memory."""
    return {
        one.id: ImageDetails(one.file_name, one.split, None if one.group is UNSET else one.group)
        for one in references(folder)
        if one.id in wanted
    }


def narrow(values: Positions) -> Positions:
    """Return values as int32 if it can hold all of them: half the memory."""
    limits = np.iinfo(np.int32)
    fits = not len(values) or (values.min() >= limits.min and values.max() <= limits.max)
    return values.astype(np.int32) if fits else values


def slices(rows: int) -> Iterator[slice]:
    """Yield slices of so many rows, at least one: what is computed of some at once needs little memory."""
    for start in range(0, max(1, rows), _AT_ONCE):
        yield slice(start, min(start + _AT_ONCE, rows))


class _IdColumn:
    """Finds ids in a column of ids."""

    def __init__(self, ids: IdArray) -> None:
        self._order = np.argsort(ids, kind="stable")
        self._sorted = ids[self._order]

    def find(self, wanted: IdArray) -> Positions:
        """Return the position of each wanted id, int32. Raises InputError if the column does not have it."""
        found = np.empty(len(wanted), np.int32)
        for rows in slices(len(wanted)):
            found[rows] = self._find(wanted[rows])
        return found

    def _find(self, wanted: IdArray) -> Positions:
        positions = np.searchsorted(self._sorted, wanted)
        missing = (
            np.flatnonzero(self._sorted[np.minimum(positions, len(self._sorted) - 1)] != wanted)
            if len(self._sorted)
            else np.arange(len(wanted))
        )
        if len(missing):
            raise InputError(
                f"the release has no image {wanted[missing[0]]}, and something refers to it",
                where="annotations",
                next_step="labelyard verify FOLDER names every fault of a release",
            )
        return self._order[positions]


def _hashes(folder: Path, images: _IdColumn) -> tuple[Any, Any]:
    """Return the hashes of group and content of each image, in the order of the COCO files."""
    ids, groups, contents = array("q"), array("Q"), array("Q")
    for one in references(folder):
        ids.append(one.id)
        groups.append(0 if one.group is UNSET else key_of(one.group.encode("utf-8", "surrogatepass")))
        contents.append(0 if one.sha256 is UNSET else key_of(one.sha256.encode("utf-8", "surrogatepass")))
    positions = images.find(_column(ids, np.int64))
    found = []
    for values in (groups, contents):
        column = np.zeros(len(images._sorted), np.uint64)  # noqa: SLF001 - its own module
        column[positions] = _column(values, np.uint64)
        found.append(column)
    return found[0], found[1]


def _reading(path: Path, read_it: Callable[[], _T]) -> _T:
    """Call a function that reads a file. Raises InputError if the file is missing or is none of a release."""
    try:
        return read_it()
    except OSError as error:
        what, cause = f"it cannot be read: {error.strerror}", error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        what, cause = f"not a file of a release: {error}", error  # type: ignore[assignment]
    raise InputError(
        what, where=str(path), next_step="labelyard verify FOLDER names every fault of a release"
    ) from cause


def _side(value: float | None) -> float:
    return float(value) if value and 0 < value < LARGEST else 0.0


def _column(values: array[Any], kind: type[np.generic]) -> Any:
    return np.frombuffer(values, kind) if values else np.zeros(0, kind)
