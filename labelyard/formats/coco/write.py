"""Writing a dataset file: original keys as file names, ids from 1, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelyard.annotations.content import AnnotatedImages, Image, Instance, Mask
from labelyard.errors import CvatDisagrees, ExportFailed
from labelyard.formats.checks import check
from labelyard.formats.checks.fault import DatasetFacts, Fault, Severity
from labelyard.formats.checks.values import Document
from labelyard.formats.coco.reference import verify_with_pycocotools
from labelyard.formats.interface import Original, Provenance, WrittenFile, WrittenFrom

_MAX_WARNINGS = 100
_ANNOTATIONS_FROM = {
    WrittenFrom.EXPORT: "CVAT's COCO 1.0 export, equal to the annotations API",
    WrittenFrom.ANNOTATIONS: "CVAT's annotations API, because its COCO 1.0 export differs from it",
}


def write_dataset(
    content: AnnotatedImages,
    originals: Mapping[str, Original],
    dataset: DatasetFacts,
    provenance: Provenance,
    to: Path,
) -> WrittenFile:
    """Write the dataset file of a task, and verify it with pycocotools.

    `originals` has the object behind each image by its name in CVAT. Raises CvatDisagrees for an image without one,
    ExportFailed for content that no reader could use.
    """
    document = dataset_document(content, originals, dataset, provenance)
    warnings = _warnings(document, dataset, provenance)
    document["info"]["warnings"] = [str(fault) for fault in warnings[:_MAX_WARNINGS]]
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    to.write_bytes(data)
    _verify(to, content, provenance)
    images, annotations = len(content.images), len(content.instances)
    return WrittenFile(to, hashlib.sha256(data).hexdigest(), len(data), images, annotations, tuple(warnings))


def _warnings(document: Document, dataset: DatasetFacts, provenance: Provenance) -> list[Fault]:
    faults = check(document, provenance.batch, dataset)
    error = next((fault for fault in faults if fault.severity is Severity.ERROR), None)
    if error:
        raise ExportFailed(f"the dataset file cannot be used: {error}", where=f"CVAT task {provenance.task_id}")
    return faults


def _verify(path: Path, content: AnnotatedImages, provenance: Provenance) -> None:
    found, written = verify_with_pycocotools(path), (len(content.images), len(content.instances))
    if found != written:
        raise ExportFailed(
            f"pycocotools finds {found[0]} images and {found[1]} annotations instead of {written[0]} and {written[1]}",
            where=f"CVAT task {provenance.task_id}",
        )


def dataset_document(
    content: AnnotatedImages, originals: Mapping[str, Original], dataset: DatasetFacts, provenance: Provenance
) -> Document:
    """Return a dataset file as JSON values. They do not depend on the order of images and instances in `content`."""
    _require_originals(content, originals, provenance)
    files = [originals[image.name] for image in content.images]
    order = sorted(range(len(files)), key=lambda n: (files[n].stored.key, files[n].stored.bucket, files[n].frame))
    image_ids = {frame: number for number, frame in enumerate(order, 1)}
    category_ids = _category_ids(content.labels, dataset.category_ids)
    records = [_annotation(one, image_ids[one.frame], category_ids[one.label]) for one in content.instances]
    records.sort(key=lambda record: (record["image_id"], record["category_id"], record["bbox"], json.dumps(record)))
    return {
        "info": _info(dataset.spec.name, provenance),
        "licenses": [],
        "categories": [{"id": n, "name": name, "supercategory": ""} for name, n in category_ids.items()],
        "images": [_image(content.images[frame], image_ids[frame], files[frame]) for frame in order],
        "annotations": [{"id": number, **record} for number, record in enumerate(records, 1)],
    }


def _require_originals(content: AnnotatedImages, originals: Mapping[str, Original], provenance: Provenance) -> None:
    unknown = [image.name for image in content.images if image.name not in originals]
    if unknown:
        what = f"the file names {unknown[0]!r}, which was not uploaded ({len(unknown)} such names)"
        raise CvatDisagrees(what, where=f"CVAT task {provenance.task_id}")


def _category_ids(labels: Sequence[str], known_ids: Mapping[str, int]) -> dict[str, int]:
    """Return the id of each label, in the order of the ids; labels that the dataset never had come last."""
    known = sorted((name for name in labels if name in known_ids), key=lambda name: known_ids[name])
    unknown = sorted(name for name in labels if name not in known_ids)
    first_free = 1 + max(known_ids.values(), default=0)
    return {name: known_ids[name] for name in known} | {name: n for n, name in enumerate(unknown, first_free)}


def _info(dataset: str, provenance: Provenance) -> dict[str, Any]:
    return {
        "description": f"{dataset}, batch {provenance.batch}: annotations of CVAT task {provenance.task_id}",
        "dataset": dataset,
        "dataset_version": provenance.version,
        "batch": provenance.batch,
        "task_id": provenance.task_id,
        "generation": provenance.generation,
        "annotations_from": _ANNOTATIONS_FROM[provenance.written_from],
        "annotators": sorted(set(provenance.annotators)),
    }


def _image(image: Image, number: int, original: Original) -> dict[str, Any]:
    stored, orientation = original.stored, original.exif_orientation
    return {
        "id": number,
        "file_name": stored.key,
        "width": image.width,
        "height": image.height,
        "coco_url": f"s3://{stored.bucket}/{stored.key}",  # as it is: programs read it
        "etag": stored.etag,
        **({"version_id": stored.version_id} if stored.version_id else {}),
        **({"exif_orientation": orientation} if orientation not in (None, 1) else {}),
        "cvat_name": image.name,
        "cvat_frame": original.frame,
    }


def _annotation(instance: Instance, image_id: int, category_id: int) -> dict[str, Any]:
    record: dict[str, Any] = {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": _upright(instance.box),
        "area": abs(instance.area),
        "segmentation": _segmentation(instance),
        "iscrowd": int(instance.is_crowd),
    }
    return record if instance.score is None else record | {"score": instance.score}


def _upright(box: Sequence[float]) -> list[float]:
    # A rectangle that was drawn from another corner has negative sides, and with one of them a negative area. Readers
    # of COCO never match those.
    x, y, width, height = box
    return [min(x, x + width), min(y, y + height), abs(width), abs(height)]


def _segmentation(instance: Instance) -> Any:
    outline = instance.outline
    if isinstance(outline, Mask):
        return {"counts": list(outline.runs), "size": [outline.height, outline.width]}
    return [list(polygon) for polygon in outline]
