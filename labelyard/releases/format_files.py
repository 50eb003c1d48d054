"""The files of other formats in a release: they are written from its COCO files, an image at a time.

`formats/NAME/` has an archive and a list of images for each split, and what the splits share. COCO keypoints have no
folder: their files are beside the other COCO files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from labelyard.annotations.account import AccountCounter
from labelyard.annotations.content import FrameObject, Image
from labelyard.domain.formats import is_of_server
from labelyard.domain.labels import Label
from labelyard.errors import InputError
from labelyard.formats import FORMATS, SPLIT_WRITERS
from labelyard.formats.coco.read import extra_object, image_of, label_of, objects_of
from labelyard.formats.coco.write import EXTRA_PARTS
from labelyard.formats.interface import MAX_WARNINGS, Format
from labelyard.formats.splits import Entry, SplitDataset, SplitFiles, SplitImage, SplitWriter
from labelyard.formats.writing import has_attributes, losses
from labelyard.releases.keypoint_files import KeypointFiles
from labelyard.releases.layout import list_name
from labelyard.releases.lines import dumped, fields, items_of
from labelyard.releases.manifest import (
    COCO,
    COCO_KEYPOINTS,
    FORMATS_FOLDER,
    FormatEntry,
    Manifest,
    instances_path,
    references,
)

_KINDS = {part: kind for kind, part in EXTRA_PARTS.items()}
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def write_formats(folder: Path, manifest: Manifest, names: Sequence[str]) -> dict[str, FormatEntry]:
    """Write the files of formats beside the COCO files of a release; return what each holds.

    Formats that the server writes cannot be merged, and are left out. Raises InputError if the annotations of the COCO
    files are not in the order of the images, as those of `labelyard release` are.
    """
    wanted = [name for name in names if name != COCO and not is_of_server(name)]
    splits = [split for split, counts in manifest.counts.items() if counts.images]
    if not wanted or not splits:
        return {}
    categories = fields(folder / instances_path(splits[0]))["categories"]
    labels = {one["id"]: label_of(one) for one in categories}
    with ExitStack() as stack:
        outputs = [_Output(folder, name, _dataset(folder, manifest, splits, categories), stack) for name in wanted]
        for split in splits:
            for image in _images(folder, split, labels):
                for output in outputs:
                    output.add(split, image)
        return {output.name: output.close() for output in outputs}


def _dataset(
    folder: Path, manifest: Manifest, splits: Sequence[str], categories: Sequence[Mapping[str, Any]]
) -> SplitDataset:
    own = {one["name"]: label_of(one) for one in categories}
    # A label that the dataset no longer has keeps its number.
    names = sorted(manifest.categories, key=manifest.categories.__getitem__)
    labels = [own.get(name) or Label(name) for name in names]
    return SplitDataset(labels, categories, splits, ((one.id, one.file_name) for one in references(folder)))


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Annotation:
    """An item of a COCO file, and its objects. `text` is None for one of an extra file."""

    fields: Mapping[str, Any]
    text: bytes | None
    label: Label
    objects: list[FrameObject]


@dataclass(frozen=True, slots=True)
class _Image:
    fields: Mapping[str, Any]
    text: bytes
    image: Image
    annotations: list[_Annotation]


class _Items:
    """The items of a list, which are taken image by image."""

    def __init__(self, path: Path, part: str) -> None:
        self._items = items_of(path, part)
        self.part, self._path, self.next = part, path, next(self._items, None)
        self._fields: dict[str, Any] = _decode(self.next) if self.next else {}

    def of_image(self, number: int) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield the items of an image, if it is the one that comes next."""
        while self.next is not None and self._fields["image_id"] == number:
            yield self._fields, self.next
            self.next = next(self._items, None)
            self._fields = _decode(self.next) if self.next else {}

    def require_end(self) -> None:
        """Raise InputError if there are items that no image has taken."""
        if self.next is not None:
            what = f"the {self.part} are not in the order of the images: no other format can be written from them"
            raise InputError(what, where=str(self._path))


def _images(folder: Path, split: str, labels: Mapping[int, Label]) -> Iterator[_Image]:
    """Yield the images of a split with everything that is on them. Raises InputError for another order."""
    path, extra = folder / instances_path(split), folder / instances_path(split, extra=True)
    lists = [_Items(path, "annotations")]
    lists += [_Items(extra, part) for part in _KINDS] if extra.exists() else []
    for text in items_of(path, "images"):
        own = _decode(text)
        image = image_of(own)
        found = []
        for one in lists:
            for item, raw in one.of_image(own["id"]):
                label = labels[item["category_id"]]
                if one.part == "annotations":
                    found.append(_Annotation(item, raw, label, objects_of(item, image.frame, label)))
                else:
                    objects = [extra_object(_KINDS[one.part], item, image.frame, label)]
                    found.append(_Annotation(item, None, label, objects))
        yield _Image(own, text, image, found)
    for one in lists:
        one.require_end()


# --- writing ----------------------------------------------------------------------------------------------------------


class _Output:
    """A format while it is written, and the account of it."""

    def __init__(self, folder: Path, name: str, dataset: SplitDataset, stack: ExitStack) -> None:
        self.name, self._form = name, FORMATS[name]
        self._tally = _Tally(self._form)
        self._writer: SplitWriter | None = None
        self._keypoints: KeypointFiles | None = None
        if name == COCO_KEYPOINTS:
            self._keypoints = KeypointFiles(folder, dataset)
            return
        own = folder / FORMATS_FOLDER / name
        self._writer = SPLIT_WRITERS[name](dataset, SplitFiles(own, dataset.splits))
        self._lists = {
            split: stack.enter_context((own / list_name(split)).open("wb")) for split in dataset.splits
        }  # fmt: skip

    def add(self, split: str, image: _Image) -> None:
        """Write what the format holds of an image."""
        entries = []
        for one in image.annotations:
            held = self._tally.held(one, image.image)
            if held:
                entries.append(Entry(one.fields, held))
                if self._keypoints and one.text is not None:
                    self._keypoints.add(split, one.text)
        if self._keypoints:
            self._keypoints.add_image(split, image.text)
        elif self._writer:
            path = self._writer.add(SplitImage(split, image.fields, image.image, entries))
            line = {"id": image.fields["id"], "file_name": image.image.name, "path": path}
            self._lists[split].write(dumped(line) + b"\n")

    def close(self) -> FormatEntry:
        """Write what is left; return the account and the warnings."""
        writer = self._writer or self._keypoints
        assert writer is not None
        return self._tally.entry(writer.close())


@dataclass
class _Tally:
    """Counts what a format holds, and what it leaves out."""

    form: Format
    with_attributes: int = 0
    counted: AccountCounter = field(default_factory=AccountCounter)

    def held(self, annotation: _Annotation, image: Image) -> list[FrameObject]:
        """Return the objects of an annotation that the format holds, and count all of them."""
        found = []
        for one in annotation.objects:
            holding = self.form.holds[one.kind]
            reason = self.form.refusal(one, annotation.label, image) if holding.held else holding.lost
            if reason is None:
                found.append(one)
                self.counted.hold(one)
                self.with_attributes += has_attributes(one)
            else:
                self.counted.leave_out(one, reason, f"image {image.name}, annotation {annotation.fields['id']}")
        return found

    def entry(self, more: Sequence[str]) -> FormatEntry:
        """Return the account and all warnings."""
        account = self.counted.account()
        warnings = [*map(str, account.left_out), *losses(self.form, account.in_file, self.with_attributes), *more]
        return FormatEntry(account.document(), warnings[:MAX_WARNINGS])
