"""Merging COCO files into a release: stable ids, splits, and a manifest.

The result depends on the content of the sources and on the previous release alone: not on the order of the sources,
the machine or the time. Memory does not grow with the annotations, but for 8 bytes each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from labelyard.domain.progress import OnProgress, unseen
from labelyard.domain.splits import SplitRule, split_order
from labelyard.formats.checks.values import PARTS
from labelyard.releases.account import added_up
from labelyard.releases.categories import Categories, Licenses, unite_categories, unite_licenses
from labelyard.releases.difference import Difference, compare, everything_added
from labelyard.releases.folder import new_folder
from labelyard.releases.format_files import write_formats
from labelyard.releases.ids import BITS, Ids
from labelyard.releases.lines import Digest, write_document
from labelyard.releases.manifest import (
    ANNOTATIONS,
    CHANGES,
    FORMAT,
    IMAGES,
    Balance,
    Counts,
    IdExceptions,
    Manifest,
    SourceEntry,
    Splits,
    instances_path,
    seal,
)
from labelyard.releases.placing import Placed, place_images
from labelyard.releases.previous import Previous, ids_of, read_previous
from labelyard.releases.second_process import Job, SecondProcess, first_share, second_process
from labelyard.releases.source_checks import named_errors
from labelyard.releases.sources import Source, SourceFile, Splitter, read_sources
from labelyard.releases.writing import ItemWriter, documents


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """Choices of a merge.

    `splits` None: the rule of the previous release, or else all images in the split `train`. `earlier_splits` has the
    split of images, by their identity, that releases before the previous one had: they do not move. `info` is added to
    that of each COCO file. `write_more` is called with the folder, the manifest, still without its files, and the
    changes: it can write further files, which the manifest then lists. `bits` is the size of ids; tests make them
    collide. `formats` are written beside the COCO files. `previous_verified`: the files of the previous release
    were compared with their hashes just now. `on_progress` counts the sources, and then the splits.
    """

    splits: SplitRule | None = None
    previous: Path | None = None
    earlier_splits: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    write_more: Callable[[Path, Manifest, Difference], object] | None = None
    bits: int = BITS
    formats: Sequence[str] = ()
    previous_verified: bool = False
    on_progress: OnProgress = unseen


@dataclass(frozen=True, slots=True)
class Merged:
    """A new release: its manifest, and what has changed since the previous one."""

    manifest: Manifest
    changes: Difference


def merge(files: Sequence[SourceFile], to: Path, options: MergeOptions | None = None) -> Merged:
    """Merge COCO files into a new release in the folder `to`, which must not exist or be empty.

    Raises InputError for files that cannot be used or contradict each other, for a previous folder that is no release
    or was changed, and if the disk refuses; ProcessFailed if its second process was killed. Then there is no folder.
    """
    options = options or MergeOptions()
    with new_folder(to) as folder:
        previous = _previous(options)
        with second_process([file.path for file in files]) as second:
            merging = _Merging(folder, files, options, previous, second)
            merging.write_items()
        digests = merging.write_documents()
        manifest = merging.manifest()
        manifest = replace(manifest, formats=write_formats(folder, manifest, options.formats))
        changes = merging.write_changes(manifest)
        if options.write_more:
            options.write_more(folder, manifest, changes)
        return Merged(seal(folder, manifest, digests), changes)


class _Merging:
    def __init__(
        self, folder: Path, files: Sequence[SourceFile], options: MergeOptions, previous: Previous | None,
        second: SecondProcess | None,
    ) -> None:  # fmt: skip
        self.folder, self.options, self.previous, self.second = folder, options, previous, second
        self.rule = _rule(options.splits, previous)
        before_splits = {*options.earlier_splits.values(), *(previous.splits if previous else ())}
        self.splits = sorted({*self.rule.fractions, *before_splits}, key=split_order)
        self.splitter = Splitter(self.rule, self.splits, previous.groups if previous else {}, options.earlier_splits)
        self.sources = read_sources(files, self.splitter)
        before = previous.manifest if previous else None
        self.categories: Categories = unite_categories(self.sources, before.categories if before else {})
        self.licenses: Licenses = unite_licenses(self.sources)
        exceptions = before.ids if before else IdExceptions()
        self.image_ids = ids_of(exceptions.images, options.bits)
        self.ids = ids_of(exceptions.annotations, options.bits)
        self.before = Ids(dict(self.ids.exceptions), options.bits)
        self.placed: list[Placed] = place_images(self.sources, self.image_ids, self.splits, previous)
        self.writer = self._new_writer()

    def _new_writer(self) -> ItemWriter:
        with_extra = any(source.extra for source in self.sources)
        return ItemWriter(self.folder, self.splits, self.ids, with_extra=with_extra)

    def write_items(self) -> None:
        """Write all images and annotations into spools; a second time if ids of annotations have collided."""
        holders = self.previous.holders_of_annotations if self.previous else None
        self._write_all(check=True)
        if self.ids.resolve(self.writer.keys, lambda found: holders(found, self.before) if holders else {}):
            self.writer.discard()
            self.writer = self._new_writer()
            self._write_all(check=False)
        self.writer.close()

    def _write_all(self, *, check: bool) -> None:
        own = len(self.sources)
        # Equal annotations of one image are searched in earlier sources. A second time is rare, and needs no help.
        second = self.second if check and not self.placed[0].shared else None
        if second:
            own = first_share(self.sources)
            common = self.categories, self.folder, self.splits, self.ids
            second.begin(Job(self.sources[own:], self.placed[own:], *common))
        for number, source in enumerate(self.sources):
            self.options.on_progress("merging files", number, len(self.sources))
            with named_errors(source.path):
                self._write_source(number, source, images_alone=number >= own, check=check)
        if second:
            found = second.result()
            self.writer.take_over(found.added, found.keys, found.spools)
            for source, annotations in zip(self.sources[own:], found.annotations, strict=True):
                source.annotations = annotations

    def _write_source(self, number: int, source: Source, *, images_alone: bool, check: bool) -> None:
        parts, placed = source.parts(("images",) if images_alone else PARTS), self.placed[number]
        self.writer.add_images(source, parts.images, placed, self.splitter, self.licenses.ids[number])
        if not images_alone:
            self.writer.add_annotations(source, parts, placed, self.categories, check=check)

    def write_documents(self) -> dict[str, Digest]:
        """Write the COCO files and the list of images; return the digests of the former by path."""
        (self.folder / ANNOTATIONS).mkdir()
        digests = {}
        for number, split in enumerate(self.splits):
            self.options.on_progress("writing splits", number, len(self.splits))
            for extra, fields, lists in documents(
                self.writer, number, self.categories, self.licenses, self._info(split)
            ):
                path = instances_path(split, extra=extra)
                digests[path] = write_document(self.folder / path, fields, lists)
        self._write_references()
        for spool in self.folder.glob("*.spool"):
            spool.unlink()
        return digests

    def _write_references(self) -> None:
        references = self.writer.references
        with (self.folder / IMAGES).open("wb") as file:
            if references.count:
                with references.path.open("rb") as spool:
                    file.writelines(line[:-2] + b"\n" for line in spool)

    def _info(self, split: str) -> dict[str, Any]:
        years = [year for source in self.sources if type(year := source.info.get("year")) is int]
        found: dict[str, Any] = {"description": f"{len(self.sources)} COCO files, merged by labelyard", "split": split}
        if years:
            found["year"] = max(years)
        account = self._account()
        return found | ({"account": account} if account else {}) | dict(self.options.info)

    def _account(self) -> dict[str, Any] | None:
        return added_up(source.info.get("account") for source in self.sources)

    def write_changes(self, manifest: Manifest) -> Difference:
        """Write what has changed since the previous release."""
        if self.previous:
            changes = compare(self.previous.folder, self.folder)
        else:
            names = [one["name"] for one in self.categories.entries]
            changes = everything_added(manifest.images, manifest.labels, names)
        (self.folder / CHANGES).write_text(changes.text(), encoding="ascii")
        return changes

    def _counts(self) -> dict[str, Counts]:
        found = {}
        for number, split in enumerate(self.splits):
            items: Counter[str] = Counter()
            labels: Counter[str] = Counter()
            for (of_split, part, label), count in self.writer.added.counts.items():
                if of_split == number:
                    items[part] += count
                    labels[label] += count
            items["annotations"] += 0
            found[split] = Counts(self.writer.images[number], dict(items), dict(labels))
        return found

    def manifest(self) -> Manifest:
        """Return the manifest, still without its files."""
        added = self.writer.added
        left_out = Counter(reason for source in self.sources for reason in source.left_out.values())
        return Manifest(
            format=FORMAT,
            labelyard=version("labelyard"),
            files=[],
            sources=[_entry(source) for source in self.sources],
            splits=Splits(self.rule.by, dict(self.rule.fractions)),
            categories=dict(self.categories.ids),
            ids=IdExceptions(_hexadecimal(self.image_ids), _hexadecimal(self.ids)),
            counts=self._counts(),
            annotations=Balance(added.read, len(added.keys), added.duplicates, dict(added.left_out)),
            images_left_out=dict(left_out),
            account=self._account(),
            previous=self.previous.sha256 if self.previous else None,
            warnings=self._warnings(),
        )

    def _warnings(self) -> list[str]:
        found = list(self.categories.warnings)
        if self.splitter.without_group:
            found.append(f"{self.splitter.without_group} images do not match {self.rule.by!r}: each is its own group")
        found += [
            f"the split {split} has no images"
            for number, split in enumerate(self.splits)
            if not self.writer.images[number]
        ]
        if self.writer.unknown_licenses:
            found.append(
                f"{self.writer.unknown_licenses} images name a licence that their file does not have: left out"
            )
        return found


def _previous(options: MergeOptions) -> Previous | None:
    return read_previous(options.previous, verified=options.previous_verified) if options.previous else None


def _rule(given: SplitRule | None, previous: Previous | None) -> SplitRule:
    if given or not previous:
        return given or SplitRule()
    splits = previous.manifest.splits
    return SplitRule(splits.fractions, splits.by)


def _entry(source: Source) -> SourceEntry:
    info = {name: value for name, value in source.info.items() if isinstance(value, str | int | float)}
    extra = source.extra_digest.sha256 if source.extra_digest else None
    annotations = source.annotations
    return SourceEntry(
        source.name, source.digest.sha256, source.digest.size, len(source.keys), annotations, info, extra
    )


def _hexadecimal(ids: Ids) -> dict[str, int]:
    return {f"{key:016x}": ids.exceptions[key] for key in sorted(ids.exceptions)}
