"""Checking a COCO file of any size, and whatever else may stand in a file.

A file that is JSON is read as undecoded items: a screen finds those that may break a rule, and the rules judge them, a
chunk at a time. A file with NaN, or with anything else that strict readers refuse, is decoded as a whole before.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelyard.errors import InputError
from labelyard.formats.checks import CHECKS, DATASET_CHECKS
from labelyard.formats.checks.fault import DatasetFacts, Fault, Severity
from labelyard.formats.checks.json_text import load_json
from labelyard.formats.checks.rule import Rule
from labelyard.formats.checks.values import PARTS, Document, whole_number
from labelyard.formats.coco.parts import read_parts
from labelyard.formats.file_checks.encodings import encoding, encoding_fault
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.repairs import REPAIRS, is_fixable, repair
from labelyard.formats.file_checks.report import Report
from labelyard.formats.file_checks.screen import Screened, screen

RULES: dict[str, Rule] = {**CHECKS, encoding.name: encoding, **DATASET_CHECKS}
"""The rules for the content of a file, in the order in which faults are reported."""

CHUNK = 5_000
"""Annotations that are decoded at once for the rules."""

_BLOCK = 1 << 20
_COUNTED_FIELDS = ("image_id", "category_id")


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file and its report; without `items` its parts are no lists of objects, and nothing else was checked.

    `is_coco` says whether it is meant as a COCO file: an object with annotations.
    """

    report: Report
    is_coco: bool
    items: Items | None = None
    screened: Screened | None = None


def check_file(path: Path, where: str = "", dataset: DatasetFacts | None = None) -> CheckedFile:
    """Check a file, called `where` in errors. The faults name the item alone.

    Raises InputError for a file that cannot be read or is no JSON.
    """
    name = where or str(path)
    try:
        items = _undecoded(path, name)
        if items is not None:
            return check_items(items, screen(items), dataset)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=name) from error
    except InputError:
        pass  # an item is no object: the rule `parts` reports it
    return _check_whole(path, name, dataset)


def _undecoded(path: Path, where: str) -> Items | None:
    """Return the items of a file; None if strict readers refuse it, or a part is no list."""
    if not is_utf8(path):
        return None
    try:
        found = read_parts(path)
    except InputError:
        return None
    return None if found.missing else Items.of_parts(found, where)


def is_utf8(path: Path) -> bool:
    """Return whether all of a file is UTF-8: what is skipped is not decoded, and readers fail on it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _check_whole(path: Path, where: str, dataset: DatasetFacts | None) -> CheckedFile:
    """Check a file that strict readers refuse, or whose parts are faulty."""
    content = path.read_bytes()
    document, report = load_json(content, where), Report()
    report.add(encoding_fault(content))
    del content
    if not isinstance(document, dict):
        report.add([Fault("parts", Severity.ERROR, "", f"the file is no object but a {type(document).__name__}")])
    else:
        report.images, report.annotations = (_length(document.get(part)) for part in ("images", "annotations"))
        report.add(CHECKS["parts"](document, dataset))
    if "parts" in report.tallies:
        return CheckedFile(report, is_coco=isinstance(document, dict) and "annotations" in document)
    items = Items.of_document(document, where)
    for name in ("non-finite", "lone-surrogate"):
        report.add(CHECKS[name](document, dataset))
    return check_items(items, screen(items), dataset, report)


def _length(part: Any) -> int:
    return len(part) if isinstance(part, list) else 0


# --- rules ------------------------------------------------------------------------------------------------------------


def check_items(
    items: Items, screened: Screened, dataset: DatasetFacts | None = None, report: Report | None = None
) -> CheckedFile:
    """Let the rules judge what a screen has left to them."""
    report = report or Report(len(items.images), len(items.annotations))
    categories = items.plain_all("categories")
    images = items.plain_some("images", screened.doubtful["images"])
    _apply_rules(report, {"images": images, "categories": categories, "annotations": []}, ("images", "categories"))
    for document in chunks(items, screened.doubtful["annotations"], screened, categories):
        _apply_rules(report, document, ("annotations",))
    report.add(_compared(items, screened, categories))
    if dataset is not None:
        counted = _counted(items, categories)
        report.add(fault for rule in DATASET_CHECKS.values() for fault in rule(counted, dataset))
    _finish(report)
    return CheckedFile(report, is_coco=True, items=items, screened=screened)


def _apply_rules(report: Report, document: Document, parts: Sequence[str]) -> None:
    """Run the rules that judge each item of these parts by itself, and try the repairs of what they find."""
    rules = [rule for rule in CHECKS.values() if rule.part in parts and not rule.key]
    found = [fault for rule in rules for fault in rule(document, None)]
    report.add(found)
    broken = {fault.rule for fault in found}
    if names := [name for name in REPAIRS if name in broken]:
        # A repair changes the fields of an item, and no value in them.
        repaired = {part: [dict(item) for item in document[part]] for part in PARTS}
        repair(repaired, names)
        report.unfixable.update(name for name in names if next(CHECKS[name].find(repaired, None), None))


def chunks(
    items: Items, indexes: Sequence[int], screened: Screened, categories: list[dict[str, Any]]
) -> Iterator[Document]:
    """Yield documents with the annotations at these indexes, a chunk in each, with their images and the categories."""
    for start in range(0, len(indexes), CHUNK):
        annotations = items.plain_some("annotations", indexes[start : start + CHUNK])
        yield {"images": _images_of(items, screened, annotations), "categories": categories, "annotations": annotations}


def _images_of(items: Items, screened: Screened, annotations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = {whole_number(one.get("image_id")) for one in annotations} - {None}
    return items.plain_some("images", [index for index, number in enumerate(screened.image_ids) if number in wanted])


def _compared(items: Items, screened: Screened, categories: list[dict[str, Any]]) -> Iterator[Fault]:
    """Yield the faults of the rules that compare items."""
    nothing: Document = {"images": [], "categories": categories, "annotations": []}
    for name, rule in CHECKS.items():
        if rule.key and rule.part == "categories":
            yield from rule(nothing, None)
        elif rule.key and screened.equal[name]:
            found = (items.plain(rule.part, index) for index in screened.equal[name])
            slim = [{field: one[field] for field in rule.fields if field in one} for one in found]
            yield from rule(nothing | {rule.part: slim}, None)
    images = items.plain_some("images", screened.unannotated)
    annotated = nothing | {"images": images, "annotations": screened.annotated}
    yield from CHECKS["image-without-annotations"](annotated, None)


def _counted(items: Items, categories: list[dict[str, Any]]) -> Document:
    """Return what the rules of datasets read."""
    annotations = [items.fields("annotations", index, _COUNTED_FIELDS) for index in range(len(items.annotations))]
    return items.plain_rest() | {
        "images": items.plain_all("images"), "categories": categories, "annotations": annotations,
    }  # fmt: skip


def _finish(report: Report) -> None:
    """Put the tallies in order, and say which of them are fixable."""
    report.tallies = report.in_order(RULES)
    for name, tally in report.tallies.items():
        tally.fixable = is_fixable(name) or (name in REPAIRS and name not in report.unfixable)
