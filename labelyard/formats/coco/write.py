"""Writing a COCO dataset: `STEM.json` with the instances, and `STEM.extra.json` with what readers of those fail on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelyard.annotations.content import FrameObject, Image, Kind
from labelyard.domain.labels import AttributeSpec, Label
from labelyard.domain.objects import address_of
from labelyard.errors import ExportFailed
from labelyard.formats.checks import check
from labelyard.formats.checks.fault import Severity, in_lines
from labelyard.formats.coco.instances import attributes_of, instance, instance_groups
from labelyard.formats.coco.reference import verify_with_pycocotools
from labelyard.formats.interface import MAX_WARNINGS, MERGED_KINDS, DatasetFile, Written

EXTRA_PARTS = {
    Kind.TAG: "tags",
    Kind.POLYLINE: "polylines",
    Kind.CUBOID: "cuboids",
    Kind.POINTS: "points",
}
"""The list of the extra file that has the objects of a kind which are not among the instances."""

AS_DRAWN: Mapping[str, Severity | None] = {"empty-bbox": Severity.WARNING, "image-without-annotations": None}
"""Severities in an export, which what one person drew must not keep from the rest of the batch. Whether every
image must have annotations, `checks.annotations_per_image` of the dataset file says."""

POINTS_LABEL = "points"
"""The type of a label whose shapes are keypoints."""


def write_coco(file: DatasetFile, folder: Path, stem: str) -> Written:
    """Write both files, the second only if there is something for it; and verify the first with pycocotools.

    Raises ExportFailed for content that no reader could use.
    """
    documents = Documents(file)
    main, warnings = write_instances(file, documents.main(), folder, stem)
    files, extra = [main], documents.extra()
    if any(extra[part] for part in EXTRA_PARTS.values()):
        files.append(_dump(extra, folder / f"{stem}.extra.json"))
    return Written(tuple(files), documents.written, warnings)


def write_instances(file: DatasetFile, main: dict[str, Any], folder: Path, stem: str) -> tuple[Path, tuple[str, ...]]:
    """Write `STEM.json` and verify it with pycocotools. Return its path, and warnings of the checks.

    Raises ExportFailed for content that no reader could use.
    """
    where = f"CVAT task {file.provenance.task_id}"
    faults = check(main, file.provenance.batch or stem, file.known, AS_DRAWN)
    error = next((fault for fault in faults if fault.severity is Severity.ERROR), None)
    if error:
        raise ExportFailed(f"the dataset file cannot be used: {error}", where=where)
    warnings = tuple(in_lines(faults))
    main["info"]["warnings"] = [*main["info"]["warnings"], *warnings][:MAX_WARNINGS]
    path = _dump(main, folder / f"{stem}.json")
    found, written = verify_with_pycocotools(path), (len(main["images"]), len(main["annotations"]))
    if found != written:
        raise ExportFailed(
            f"pycocotools finds {found[0]} images and {found[1]} annotations instead of {written[0]} and {written[1]}",
            where=where,
        )
    return path, warnings


def _dump(document: Mapping[str, Any], to: Path) -> Path:
    # ASCII: readers that open files in another encoding than UTF-8 read it, too.
    to.write_text(json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n", encoding="ascii")
    return to


class Documents:
    """Both documents of a file, as JSON values; `written` counts the objects in them."""

    def __init__(self, file: DatasetFile) -> None:
        self.written: Counter[tuple[Kind, str]] = Counter()
        self._file = file
        self._labels = {label.name: label for label in file.content.labels}
        self._image_ids = {image.frame: number for number, image in enumerate(file.content.images, 1)}
        self._instances: list[dict[str, Any]] = []
        self._extra: dict[str, list[dict[str, Any]]] = {part: [] for part in EXTRA_PARTS.values()}
        self._most_points: Counter[str] = Counter()
        for one in file.content.objects:
            if one.kind is Kind.POINTS:
                self._most_points[one.label] = max(self._most_points[one.label], len(one.points) // 2)
        objects = file.content.by_frame()
        for image in file.content.images:
            self._add(image, objects[image.frame])

    def _add(self, image: Image, objects: list[FrameObject]) -> None:
        instances = [one for one in objects if is_instance(one, self._labels[one.label])]
        for members in instance_groups(instances, self._file.options.groups):
            label = self._labels[members[0].label]
            ids = self._ids(self._instances, members[0])
            fields = instance(members, label, image, self._file.options)
            if members[0].kind is Kind.POINTS:  # every annotation of a category has as many
                fields["keypoints"] += [0] * (3 * self._most_points[label.name] - len(fields["keypoints"]))
            self._instances.append(ids | fields)
            self.written.update((one.kind, one.label) for one in members)
        for one in objects:
            if not is_instance(one, self._labels[one.label]):
                entries = self._extra[EXTRA_PARTS[one.kind]]
                entries.append(self._ids(entries, one) | _geometry(one) | {"attributes": attributes_of(one)})
                self.written[one.kind, one.label] += 1

    def _ids(self, entries: list[dict[str, Any]], one: FrameObject) -> dict[str, Any]:
        return {
            "id": len(entries) + 1,
            "image_id": self._image_ids[one.frame],
            "category_id": self._file.category_ids[one.label],
        }

    def main(self) -> dict[str, Any]:
        """Return the document of `STEM.json`."""
        return {
            "info": info(self._file),
            "licenses": [],
            "categories": self._categories(),
            "images": [image_fields(image, self._image_ids[image.frame]) for image in self._file.content.images],
            "annotations": self._instances,
        }

    def extra(self) -> dict[str, Any]:
        """Return the document of `STEM.extra.json`: the same ids of images and categories."""
        images = [{"id": self._image_ids[image.frame], "file_name": image.name} for image in self._file.content.images]
        return {"info": info(self._file), "categories": self._categories(), "images": images, **self._extra}

    def _categories(self) -> list[dict[str, Any]]:
        ids = self._file.category_ids
        return [category(self._labels[name], ids[name], self._most_points[name]) for name in ids]


def category(label: Label, number: int, most_points: int = 0) -> dict[str, Any]:
    """Return a label as a COCO category. `most_points` is the number of keypoints of one of type "points"."""
    found: dict[str, Any] = {"id": number, "name": label.name, "supercategory": ""}
    if label.type != "any":
        found["type"] = label.type
    if label.attributes:
        found["attributes"] = [_attribute(spec) for spec in label.attributes]
    if label.sublabels:
        found["keypoints"] = [sublabel.name for sublabel in label.sublabels]
        found["skeleton"] = [[start + 1, end + 1] for start, end in label.edges]
    elif label.type == POINTS_LABEL:
        found["keypoints"] = [str(point) for point in range(1, most_points + 1)]
        found["skeleton"] = []
    return found


def is_instance(one: FrameObject, label: Label) -> bool:
    """Return whether an object stands among the instances, and not in the extra file."""
    return one.kind in (*MERGED_KINDS, Kind.SKELETON) or (one.kind is Kind.POINTS and label.type == POINTS_LABEL)


def _geometry(one: FrameObject) -> dict[str, Any]:
    """Return the geometry of an object in the extra file; a tag has none."""
    return (
        {"points": [list(pair) for pair in zip(one.points[::2], one.points[1::2], strict=True)]} if one.points else {}
    )


def info(file: DatasetFile) -> dict[str, Any]:
    """Return what a file says about itself: where it comes from, and what became of everything that was drawn."""
    provenance = file.provenance
    name = f"{provenance.dataset}, batch {provenance.batch}: " if provenance.dataset else ""
    origin = {
        "dataset": provenance.dataset or None,
        "dataset_version": provenance.version,
        "batch": provenance.batch or None,
        "generation": provenance.generation,
    }
    return {
        "description": f"{name}annotations of CVAT task {provenance.task_id}",
        "year": provenance.year,
        **{key: value for key, value in origin.items() if value is not None},
        "task_id": provenance.task_id,
        "annotations_from": provenance.annotations_from,
        "jobs": [dict(job) for job in provenance.jobs],
        "annotators": provenance.annotators,
        "account": file.account.document(),
        **({"preannotation": dict(provenance.preannotation)} if provenance.preannotation else {}),
        "warnings": list(provenance.warnings),
    }


def _attribute(spec: AttributeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "input_type": spec.input_type,
        "values": list(spec.values),
        "default": spec.default,
        "mutable": spec.mutable,
    }


def image_fields(image: Image, number: int) -> dict[str, Any]:
    """Return an image as COCO has it, with where it comes from."""
    found: dict[str, Any] = {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
    if image.stored is not None:
        found["coco_url"] = address_of(image.stored.bucket, image.stored.key)
        found["etag"] = image.stored.etag
        if image.stored.version_id:
            found["version_id"] = image.stored.version_id
    if image.exif_orientation not in (None, 1):
        found["exif_orientation"] = image.exif_orientation
    return found | {"cvat_name": image.cvat_name, "cvat_frame": image.frame}
