"""Check COCO files of anybody, with their images, and write corrected copies."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from labelyard.blocks import complete
from labelyard.config import DatasetSpec
from labelyard.domain.objects import StoredObject, parse_address
from labelyard.domain.progress import OnProgress, unseen
from labelyard.errors import InputError, LabelyardError
from labelyard.escaping import printable
from labelyard.formats.checks.fault import DatasetFacts, Fault
from labelyard.formats.checks.images import is_unsafe_name
from labelyard.formats.file_checks.checking import CheckedFile, check_file
from labelyard.formats.file_checks.fixing import FixedFile, is_repairable, write_fixed
from labelyard.formats.file_checks.image_files import READER, fault_of_missing, image_faults
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.report import Report, merged
from labelyard.images import INSPECTORS, DecoderMemory, decoder_memory, inspect_image
from labelyard.operations.coco_files import CocoFile, coco_files
from labelyard.settings import Settings
from labelyard.storage import Store


@dataclass(frozen=True)
class CheckOptions:
    """What to check for besides the file itself. `images` is a folder or s3://bucket/prefix.

    `on_progress` counts the files that are checked, of an unknown number, and then the images of each.
    """

    images: str | None = None
    dataset: DatasetSpec | None = None
    fix: bool = False
    on_progress: OnProgress = unseen


@dataclass
class Checked:
    """The reports of files by name, and what became of the others. `fixed` are corrected copies with their reports.

    `unwritten` has why a corrected copy was not written.
    """

    reports: dict[str, Report] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    unreadable: list[LabelyardError] = field(default_factory=list)
    unwritten: list[LabelyardError] = field(default_factory=list)
    fixed: list[tuple[FixedFile, Report]] = field(default_factory=list)
    alone: bool = False

    @property
    def report(self) -> Report:
        """The report of the only file; of several the totals, and examples that name the file."""
        return next(iter(self.reports.values())) if self.alone and self.reports else merged(self.reports)


def check_all(address: str, settings: Settings, options: CheckOptions) -> Checked:
    """Check the COCO files at an address: a file, a zip, a folder, or s3://bucket/key or prefix.

    Files that are no JSON are among `unreadable`; those of a folder that are no COCO files among `skipped`. Raises
    NotFound if there is no file, InputError for a zip that cannot be read, StoreError.
    """
    checked = Checked()
    with tempfile.TemporaryDirectory(prefix="labelyard-check-") as folder:
        for file in coco_files(address, Path(folder), lambda: Store(complete(settings).store)):
            done = len(checked.reports) + len(checked.skipped)
            options.on_progress(printable(f"checking {file.name}"), done, done + 1)
            try:
                _check_one(file, settings, options, checked)
            except InputError as error:
                checked.unreadable.append(error)
    if not checked.reports and not checked.unreadable:
        raise InputError("no file in it is a COCO file: none is an object with annotations", where=address)
    return checked


def _check_one(file: CocoFile, settings: Settings, options: CheckOptions, checked: Checked) -> None:
    facts = _facts(options.dataset) if options.dataset else None
    found = check_file(file.path, file.name, facts)
    if not file.alone and not found.is_coco:
        checked.skipped.append(file.name)
        return
    checked.alone = file.alone
    checked.reports[file.name] = found.report
    if options.images is not None and found.items is not None:
        found.report.add(_image_faults(found.items, options, settings))
    if options.fix and is_repairable(found):
        _fix(found, file, checked, facts)


def _fix(found: CheckedFile, file: CocoFile, checked: Checked, facts: DatasetFacts | None) -> None:
    try:
        fixed = write_fixed(found, file.beside)
    except InputError as error:
        checked.unwritten.append(error)
    else:
        checked.fixed.append((fixed, check_file(fixed.path, dataset=facts).report))


def _facts(spec: DatasetSpec) -> DatasetFacts:
    """Return what a dataset file alone says: the labels have their first ids."""
    return DatasetFacts(spec, {label.name: number for number, label in enumerate(spec.task.labels, 1)})


# --- images -----------------------------------------------------------------------------------------------------------


def _image_faults(items: Items, options: CheckOptions, settings: Settings) -> Iterator[Fault]:
    """Yield the faults of all images, in their order."""
    address, total = options.images or "", len(items.images)
    memory = decoder_memory(settings.inspection_bytes)
    images = (items.plain("images", index) for index in range(len(items.images)))
    named = (image for image in images if isinstance(image.get("file_name"), str) and image["file_name"])
    if address.startswith("s3://"):
        found = _faults_of_objects(named, address, settings, memory)
        for number, faults in enumerate(found):
            options.on_progress("images", number, total)
            yield from faults
        return
    folder = Path(address)
    if not folder.is_dir():
        raise InputError("no such folder of images", where=address)
    with ThreadPoolExecutor(INSPECTORS, thread_name_prefix="inspect") as pool:
        for number, faults in enumerate(_ahead(pool, partial(_faults_of_file, folder, memory), named)):
            options.on_progress("images", number, total)
            yield from faults


def _ahead(
    pool: ThreadPoolExecutor, call: Callable[[dict[str, Any]], list[Fault]], images: Iterator[dict[str, Any]]
) -> Iterator[list[Fault]]:
    """Yield results in order; only a few calls are queued at once, as there may be a million images."""
    waiting = []
    for image in images:
        waiting.append(pool.submit(call, image))
        if len(waiting) > 4 * INSPECTORS:
            yield waiting.pop(0).result()
    for one in waiting:
        yield one.result()


def _faults_of_file(folder: Path, memory: DecoderMemory, image: dict[str, Any]) -> list[Fault]:
    name = image["file_name"]
    path = folder / name
    if is_unsafe_name(name) or not _is_file(path):
        return [fault_of_missing(image, f"file {name!r} in {folder}")]
    try:
        return list(image_faults(image, inspect_image(path, READER, memory)))
    except OSError as error:
        return [fault_of_missing(image, f"readable file {path}: {error.strerror}")]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _faults_of_objects(
    images: Iterator[dict[str, Any]], address: str, settings: Settings, memory: DecoderMemory
) -> Iterator[list[Fault]]:
    bucket, prefix = parse_address(address) or ("", "")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    entries = list(images)
    objects = [StoredObject(bucket, prefix + image["file_name"], "") for image in entries]
    with (
        tempfile.TemporaryDirectory(prefix="labelyard-check-") as folder,
        Store(complete(settings).store).spool(objects, Path(folder), settings.spool_bytes) as spool,
    ):
        for image, spooled in zip(entries, spool, strict=True):
            if spooled.failure:
                yield [fault_of_missing(image, f"readable object {spooled.object.url}: {spooled.failure.what}")]
            else:
                yield list(image_faults(image, inspect_image(spooled.path, READER, memory)))
            spooled.discard()
