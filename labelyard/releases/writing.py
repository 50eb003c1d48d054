"""Writing the items of the sources: each keeps its bytes, but for its ids."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw

from labelyard.errors import InputError
from labelyard.formats.coco.parts import Parts, read_parts
from labelyard.releases.categories import Categories, Licenses
from labelyard.releases.contents import Content, annotation_contents, contents
from labelyard.releases.ids import Ids, Keys, among, duplicates, repeated_key
from labelyard.releases.keys import encode, image_salt, is_numbered, label_person, padded, unpadded
from labelyard.releases.lines import Spool, dumped, plain
from labelyard.releases.manifest import ImageReference
from labelyard.releases.placing import Placed
from labelyard.releases.source_checks import SourceCheck
from labelyard.releases.sources import EXTRA, IMAGE_FACTS, Source, Splitter

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode

_EXTRA_IMAGES = "extra images"


@dataclass(slots=True)
class Added:
    """What was written of a source: the keys of its items, in order; those of images that other sources have too.

    `counts` has items by split, list and label, `left_out` the reasons.
    """

    keys: array[int] = field(default_factory=lambda: array("Q"))
    shared: array[int] = field(default_factory=lambda: array("Q"))
    counts: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    read: int = 0

    def add(self, other: Added) -> None:
        """Add what was written after it; the keys of shared images are left to the caller."""
        self.keys.extend(other.keys)
        self.counts += other.counts
        self.left_out += other.left_out
        self.duplicates += other.duplicates
        self.read += other.read


@dataclass(frozen=True, slots=True)
class _Label:
    """A category of a source, for the items of one list, and how many there are in each split.

    `points` is the number of keypoints if they are numbered.
    """

    name: str
    text: bytes
    person: bytes
    points: int | None
    counts: list[int]


@dataclass(frozen=True, slots=True)
class _Target:
    """The image of the items that are read: its text, the split's number, the list's spool; `left_out` is a reason."""

    salt: bytes
    text: bytes
    split: int
    spool: Spool
    shared: bool
    left_out: str


class ItemWriter:
    """Writes images and annotations into spools, one for each split and list."""

    def __init__(self, folder: Path, splits: Sequence[str], ids: Ids, *, with_extra: bool, suffix: str = "") -> None:
        self.spools: dict[tuple[int, str], Spool] = {}
        self.references = Spool(folder / f"references{suffix}.spool")
        self.added = Added()
        self.images: Counter[int] = Counter()
        self.unknown_licenses = 0
        self._folder, self._splits, self._ids, self._with_extra = folder, splits, ids, with_extra
        self._suffix = suffix
        self._shared: list[Keys] = []  # keys of items of images that several sources have, by source

    def spool(self, split: int, part: str) -> Spool:
        """Return the spool of a list of a split."""
        found = self.spools.get((split, part))
        if found is None:
            path = self._folder / f"{self._splits[split]}.{part.replace(' ', '-')}{self._suffix}.spool"
            found = self.spools[split, part] = Spool(path)
        return found

    def close(self) -> None:
        """Write what is left."""
        for spool in (*self.spools.values(), self.references):
            spool.close()

    def discard(self) -> None:
        """Delete everything."""
        for spool in (*self.spools.values(), self.references):
            spool.discard()

    def take_over(self, added: Added, keys: Path, spools: Mapping[tuple[int, str], Spool]) -> None:
        """Let what another writer has written, and closed, follow; its keys are in a file."""
        self.added.add(added)
        with keys.open("rb") as file:
            self.added.keys.fromfile(file, keys.stat().st_size // self.added.keys.itemsize)
        for (split, part), spool in spools.items():
            self.spool(split, part).follow(spool)

    @property
    def keys(self) -> Keys:
        """The keys of all items."""
        return np.frombuffer(self.added.keys, np.uint64)

    # --- images -------------------------------------------------------------------------------------------------------

    def add_images(
        self, source: Source, images: Iterable[Raw], placed: Placed, splitter: Splitter, licenses: Mapping[int, int]
    ) -> None:
        """Write the images of a source that are not left out, and not written already."""
        for position, raw in enumerate(images):
            number, split = int(placed.ids[position]), int(placed.splits[position])
            if not number or position in placed.again:
                continue
            image: dict[str, Any] = msgspec.json.decode(raw)
            placement = source.file.place_image(image)
            own = _decode(raw)
            for name, value in placement.fields.items():
                own[name] = Raw(dumped(value))
            own.pop("id", None)
            self._set_license(own, image.get("license"), licenses)
            self.spool(split, "images").add(b'{"id":%d,%s' % (number, plain(encode(own))[1:]))
            if self._with_extra:
                entry = {"id": number, "file_name": placement.fields.get("file_name", image["file_name"])}
                self.spool(split, _EXTRA_IMAGES).add(dumped(entry))
            self.images[split] += 1
            group = splitter.group(placement, image)
            self._add_reference(number, split, {**image, **placement.fields}, placement.identity, group)

    def _set_license(self, own: dict[str, Raw], license_id: object, licenses: Mapping[int, int]) -> None:
        if isinstance(license_id, int) and license_id in licenses:
            own["license"] = Raw(b"%d" % licenses[license_id])
        elif own.pop("license", None) is not None and license_id is not None:
            self.unknown_licenses += 1

    def _add_reference(
        self, number: int, split: int, image: Mapping[str, Any], identity: str, group: str | None
    ) -> None:
        facts = {
            name: image[name] for name in IMAGE_FACTS if isinstance(image.get(name), int if name == "size" else str)
        }
        reference = ImageReference(
            number, image["file_name"], self._splits[split],
            identity=UNSET if identity == image["file_name"] else identity,
            group=UNSET if group is None or group in (identity, facts.get("sha256")) else group,
            **facts,
        )  # fmt: skip
        self.references.add(plain(msgspec.json.encode(reference)))

    # --- annotations --------------------------------------------------------------------------------------------------

    def add_annotations(
        self, source: Source, parts: Parts, placed: Placed, categories: Categories, *, check: bool
    ) -> None:
        """Write the annotations of a source, and the items of its extra file.

        With `check` it raises InputError if the source has an error: the checks look at the annotations meanwhile.
        """
        checked = SourceCheck(source.path, parts) if check else None
        lists = {"annotations": parts.annotations, **_extra_lists(source)}
        source.annotations = len(parts.annotations)
        reader = _Reader(source, placed, parts.images)
        states = {key: spool.state() for key, spool in self.spools.items()}
        added = self._add_lists(lists, reader, categories, frozenset(), checked)
        contested = self._contested(added)
        if contested:  # equal annotations are rare: only then the file is read again, and they are numbered
            for key, spool in self.spools.items():
                spool.reset(states.get(key, (0, 0)))
            added = self._add_lists(lists, reader, categories, contested)
        self.added.add(added)
        if added.shared:
            self._shared.append(np.frombuffer(added.shared, np.uint64))
        if checked:
            checked.require_usable()

    def _contested(self, added: Added) -> frozenset[int]:
        """Return the keys that occur again in the source, or that an earlier source has."""
        repeated = duplicates(np.frombuffer(added.keys, np.uint64))
        if not added.shared or not self._shared:
            return frozenset(map(int, repeated))
        shared = np.frombuffer(added.shared, np.uint64)
        earlier = shared[self._written(shared)]
        return frozenset(map(int, repeated)) | frozenset(map(int, earlier))

    def _written(self, keys: Keys) -> Any:
        """Return for each key whether an earlier source has it."""
        if len(self._shared) > 1:
            self._shared = [np.concatenate(self._shared)]
        return among(keys.view(np.int64), self._shared[0].view(np.int64)) if self._shared else np.zeros(keys.size, bool)

    def _add_lists(
        self, lists: Mapping[str, Sequence[Raw]], reader: _Reader, categories: Categories, contested: frozenset[int],
        check: SourceCheck | None = None,
    ) -> Added:  # fmt: skip
        added = Added()
        for part, raws in lists.items():
            try:
                labels = reader.labels(part, categories, len(self._splits))
                found = annotation_contents(raws, check) if part == "annotations" else contents(raws)
                self._add_list(part, found, reader, labels, contested, added)
                added.read += len(raws)
                for label in labels.values():
                    added.counts.update({(split, part, label.name): n for split, n in enumerate(label.counts) if n})
            except (ValueError, KeyError, TypeError) as error:
                what = f"an item of {part} cannot be read: {error}"
                path = reader.source.path if part == "annotations" else reader.source.extra
                raise InputError(what, where=str(path)) from error
        return added

    def _add_list(
        self, part: str, found: Iterator[Content], reader: _Reader, labels: Mapping[int, _Label],
        contested: frozenset[int], added: Added,
    ) -> None:  # fmt: skip
        """Write the items of one list. This runs once for each annotation of a dataset: it is written to be quick."""
        numbers: Counter[int] = Counter()
        exceptions, count, from_bytes = self._ids.exceptions, self._ids.count, int.from_bytes
        for image, run in groupby(found, key=itemgetter(0)):
            target = self._target(part, image, reader)
            if target.left_out:
                added.left_out[target.left_out] += sum(1 for _ in run)
                continue
            salt, text, split, keys, lines = target.salt, target.text, target.split, [], []
            for _, category, rest in run:
                label = labels[category]
                identity = b"{" + rest
                if label.points is not None:
                    rest = padded(identity, label.points)[1:]  # noqa: PLW2901
                    identity = unpadded(identity)
                key = from_bytes(blake2b(identity, digest_size=8, salt=salt, person=label.person).digest())
                if key in contested:
                    key, again = self._numbered(key, numbers, target)
                    if again:
                        added.duplicates += 1
                        continue
                keys.append(key)
                number = exceptions.get(key) or 1 + key % count
                lines.append(b'{"id":%d%b%b%b' % (number, text, label.text if rest != b"}" else label.text[:-1], rest))
                label.counts[split] += 1
            target.spool.extend(lines)
            added.keys.extend(keys)
            if target.shared:
                added.shared.extend(keys)

    def _numbered(self, key: int, numbers: Counter[int], target: _Target) -> tuple[int, bool]:
        """Return the key of a repetition in this source, and whether an earlier source has the same."""
        number, numbers[key] = numbers[key], numbers[key] + 1
        key = repeated_key(key, number) if number else key
        return key, target.shared and bool(self._written(np.array([key], np.uint64))[0])

    def _target(self, part: str, image: int, reader: _Reader) -> _Target:
        position = reader.position(image)
        number, split = int(reader.placed.ids[position]), int(reader.placed.splits[position])
        left_out = "" if number else reader.source.left_out[position]
        return _Target(
            image_salt(number), b',"image_id":%d' % number, split, self.spool(split, part),
            number in reader.placed.shared, left_out,
        )  # fmt: skip


class _Reader:
    """A source while its annotations are read: it finds images and categories by their ids."""

    def __init__(self, source: Source, placed: Placed, images: Sequence[Raw]) -> None:
        self.source, self.placed = source, placed
        decode = msgspec.json.Decoder(_WithId).decode
        self._positions = {decode(raw).id: position for position, raw in enumerate(images)}

    def position(self, image_id: int) -> int:
        """Return the position of an image in the source."""
        return self._positions[image_id]

    def labels(self, part: str, categories: Categories, splits: int) -> dict[int, _Label]:
        """Return the categories of the source by their ids."""
        return {
            one["id"]: _Label(
                name := one["name"], b',"category_id":%d,' % categories.ids[name], label_person(part, name),
                categories.numbered[name] if is_numbered(one) else None, [0] * splits,
            )
            for one in self.source.categories
        }  # fmt: skip


class _WithId(msgspec.Struct):
    id: int


def _extra_lists(source: Source) -> dict[str, Sequence[Raw]]:
    """Return the lists of the source's extra file. Raises InputError if it is not for the same images."""
    if source.extra is None:
        return {}
    parts = read_parts(source.extra)
    try:
        own = {one["id"]: one["file_name"] for _, one in source.images()}
        for raw in parts.images:
            image = msgspec.json.decode(raw)
            if own[image["id"]] != image["file_name"]:
                raise InputError(
                    f"image {image['id']} is {image['file_name']}, and in {source.path.name} {own[image['id']]}",
                    where=str(source.extra),
                )
        return {part: _decode_list(parts.rest[part]) for part in EXTRA if part in parts.rest}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"not the extra file of {source.path.name}: {error}", where=str(source.extra)) from error


def documents(
    writer: ItemWriter, split: int, categories: Categories, licenses: Licenses, info: Mapping[str, Any]
) -> list[tuple[bool, dict[str, Any], dict[str, Spool]]]:
    """Return the COCO file of a split, and its extra file if there is something for it: (is extra, fields, lists)."""
    main = {"info": dict(info), "licenses": list(licenses.entries), "categories": list(categories.entries)}
    lists = {part: writer.spool(split, part) for part in ("images", "annotations")}
    found = [(False, main, lists)]
    extra = {part: writer.spool(split, part) for part in EXTRA}
    if any(spool.count for spool in extra.values()):
        images = {"images": writer.spool(split, _EXTRA_IMAGES)}
        found.append((True, {key: main[key] for key in ("info", "categories")}, images | extra))
    return found
