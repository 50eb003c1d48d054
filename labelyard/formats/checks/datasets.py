"""Rules that need the dataset of a file; the section `checks` of the dataset file has their severities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from labelyard.formats.checks.fault import DatasetFacts, Fault, Severity
from labelyard.formats.checks.rule import Rule, Violations, item_name
from labelyard.formats.checks.values import Document, abbreviated, is_whole_number

if TYPE_CHECKING:
    from labelyard.config import ChecksSection  # slow to import, and large

    _Find = Callable[[Document, DatasetFacts, ChecksSection], Violations]


class _DatasetRule(Rule):
    """A rule whose severity is a field of the dataset's checks; `off` leaves it out."""

    __slots__ = ()

    def __call__(self, document: Document, dataset: DatasetFacts | None) -> Iterator[Fault]:
        """Yield the faults of a document; none without a dataset."""
        level = getattr(dataset.spec.checks, self.name.replace("-", "_")) if dataset else None
        severity = getattr(level, "severity", level)
        if severity in tuple(Severity):
            for fault in super().__call__(document, dataset):
                yield replace(fault, severity=Severity(severity))


def _rule(severity: Severity, *, of_drawing: bool = False) -> Callable[[_Find], Rule]:
    """Make a rule of a function that looks at a document and its dataset.

    The severity is the default one of the section, or, where that is `off`, a warning.
    """
    return partial(_of_function, severity, of_drawing=of_drawing)


def _of_function(severity: Severity, find: _Find, *, of_drawing: bool) -> Rule:
    name = find.__name__
    sentence, _, rest = (find.__doc__ or "").partition("\n")

    def find_all(document: Document, dataset: DatasetFacts | None) -> Violations:
        if dataset is not None:
            yield from find(document, dataset, dataset.spec.checks)

    return _DatasetRule(
        name.replace("_", "-"), severity, sentence, " ".join(rest.split()), find_all, of_drawing=of_drawing
    )


@_rule(Severity.WARNING)
def unknown_label(document: Document, dataset: DatasetFacts, _checks: ChecksSection) -> Violations:
    """Every category is a label of the dataset.

    Only labels keep their id from file to file: another category may be another class in the next file.
    """
    for item in document["categories"]:
        if isinstance(item.get("name"), str) and item["name"] not in dataset.category_ids:
            message = "is not a label of the dataset: it may have another id in the next file"
            yield item_name("categories", item), message


@_rule(Severity.WARNING)
def label_set(document: Document, dataset: DatasetFacts, _checks: ChecksSection) -> Violations:
    """The categories are the labels of the dataset file, each with the id that it always had.

    Images that were labelled before a label was added show its objects as background; another id is another class.
    """
    names = {item["name"]: item.get("id") for item in document["categories"] if isinstance(item.get("name"), str)}
    for name, number in names.items():
        known = dataset.category_ids.get(name)
        if known is not None and number != known:
            yield f"category {abbreviated(name)}", f"has the id {abbreviated(number)} instead of {known}"
    # A file of keypoints has only the labels that have some.
    only_keypoints = bool(names) and all("keypoints" in item for item in document["categories"])
    for label in dataset.spec.task.cvat_labels():
        if label.name not in names and not (only_keypoints and not label.sublabels):
            yield f"label {abbreviated(label.name)}", "is not a category: nobody could label it in this file's images"


@_rule(Severity.ERROR)
def object_without_image(document: Document, dataset: DatasetFacts, _checks: ChecksSection) -> Violations:
    """Every object of the batch is an image of the file.

    What was labelled is missing in the training, and nobody sees it.
    """
    names = {image["file_name"] for image in document["images"] if isinstance(image.get("file_name"), str)}
    for key in sorted(set(dataset.keys) - names):
        yield f"object {abbreviated(key)}", "is not among the images"


@_rule(Severity.WARNING, of_drawing=True)
def annotations_per_image(document: Document, _dataset: DatasetFacts, checks: ChecksSection) -> Violations:
    """Every image has at least as many annotations as the dataset asks for.

    An image with fewer is probably not labelled to the end: what is missing is learned as background.
    """
    return _with_fewer(document, "images", "image_id", checks.annotations_per_image.least)


@_rule(Severity.WARNING)
def annotations_per_class(document: Document, _dataset: DatasetFacts, checks: ChecksSection) -> Violations:
    """Every category has at least as many annotations as the dataset asks for.

    A class with few examples is learned badly, and its figures in the evaluation mean little.
    """
    return _with_fewer(document, "categories", "category_id", checks.annotations_per_class.least)


def _with_fewer(document: Document, part: str, reference: str, least: int) -> Violations:
    """Yield the items of a part to which fewer annotations refer, by the field `reference`."""
    counts = Counter(one[reference] for one in document["annotations"] if is_whole_number(one.get(reference)))
    for item in document[part]:
        found = counts[item["id"]] if is_whole_number(item.get("id")) else least
        if found < least:
            yield item_name(part, item), f"has {found} annotations, and the dataset asks for {least}"


@_rule(Severity.WARNING)
def reviewed_only(document: Document, _dataset: DatasetFacts, _checks: ChecksSection) -> Violations:
    """Every job of the file was reviewed: its stage in CVAT is acceptance.

    Nobody but the annotator has seen the other jobs.
    """
    info = document.get("info")
    jobs = info.get("jobs") if isinstance(info, dict) else None
    for job in jobs if isinstance(jobs, list) else ():
        if isinstance(job, dict) and job.get("stage") != "acceptance" and not job.get("rounds"):
            yield f"job {abbreviated(job.get('id'))}", f"is in the stage {abbreviated(job.get('stage'))}"
