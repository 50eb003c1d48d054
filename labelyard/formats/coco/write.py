"""The dataset file for the bucket: original keys as file names, ids from 1, the same bytes for the same work."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pycocotools import coco as _coco

from labelyard.annotations.content import Annotation, CocoContent, Finding, Image, Rle, Severity
from labelyard.domain.objects import StoredObject
from labelyard.errors import CvatDisagrees, ExportFailed
from labelyard.formats.checks.document import check

_log = logging.getLogger("labelyard.annotations")
_SHOWN_WARNINGS = 100

# pycocotools prints while it reads. Its module gets a `print` of its own: redirecting sys.stdout is not thread-safe.
_coco.print = lambda *words: _log.debug("pycocotools: %s", " ".join(map(str, words)))


class Source(StrEnum):
    """Where a dataset file's annotations come from."""

    EXPORT = "CVAT's COCO 1.0 export, equal to the annotations API"
    API = "CVAT's annotations API, because its COCO 1.0 export kept differing from it"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a dataset file says about itself; people by their CVAT ids only."""

    dataset: str
    version: int
    batch: str
    task_id: int
    generation: int
    source: Source
    annotators: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Original:
    """The file behind an image: where it lies, its frame in CVAT's task, and how EXIF says that viewers turn it."""

    stored: StoredObject
    frame: int
    exif_orientation: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A dataset file on disk; `findings` are warnings only."""

    path: Path
    sha256: str
    size: int
    images: int
    annotations: int
    findings: tuple[Finding, ...]


def write_dataset(
    content: CocoContent,
    originals: Mapping[str, Original],
    numbers: Mapping[str, int],
    provenance: Provenance,
    to: Path,
) -> Written:
    """Write the dataset file of a task and have pycocotools read it.

    `originals` gives the file for each name in CVAT, `numbers` the id of each label of the dataset, which is the same
    in all of its files. Raises CvatDisagrees where a name is not known, ExportFailed for content that no reader could
    use.
    """
    document = dataset_document(content, originals, numbers, provenance)
    findings = [*check(document, provenance.batch), *_turned(document), *_unnumbered(content, numbers)]
    for finding in findings:
        if finding.gravity is Severity.REFUSE:
            raise ExportFailed(f"the dataset file cannot be used: {finding}", where=f"CVAT task {provenance.task_id}")
    document["info"]["warnings"] = [str(finding) for finding in findings[:_SHOWN_WARNINGS]]
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    to.write_bytes(data)
    images, annotations = judge(to)
    if (images, annotations) != (len(content.images), len(content.annotations)):
        wanted = f"instead of {len(content.images)} and {len(content.annotations)}"
        what = f"pycocotools finds {images} images and {annotations} annotations {wanted}"
        raise ExportFailed(what, where=f"CVAT task {provenance.task_id}")
    return Written(to, hashlib.sha256(data).hexdigest(), len(data), images, annotations, tuple(findings))


def judge(path: Path) -> tuple[int, int]:
    """How many images and annotations pycocotools finds in a file that `check` has passed."""
    coco = _coco.COCO(str(path))
    image_ids = coco.getImgIds()
    return len(image_ids), len(coco.getAnnIds(imgIds=image_ids, catIds=coco.getCatIds()))


def dataset_document(
    content: CocoContent, originals: Mapping[str, Original], numbers: Mapping[str, int], provenance: Provenance
) -> dict[str, Any]:
    """The dataset file as JSON values. What order images and annotations had in `content` leaves no trace."""
    unknown = [image.name for image in content.images if image.name not in originals]
    if unknown:
        what = f"the file names {unknown[0]!r}, which was not uploaded ({len(unknown)} such names)"
        raise CvatDisagrees(what, where=f"CVAT task {provenance.task_id}")
    places = [originals[image.name] for image in content.images]
    order = sorted(range(len(places)), key=lambda n: (places[n].stored.key, places[n].stored.bucket, places[n].frame))
    image_ids = {place: number for number, place in enumerate(order, 1)}
    category_ids = _category_ids(content.categories, numbers)
    records = [_record(a, image_ids[a.frame], category_ids[a.label]) for a in content.annotations]
    records.sort(key=lambda r: (r["image_id"], r["category_id"], r["bbox"], json.dumps(r)))
    return {
        "info": _info(provenance),
        "licenses": [],
        "categories": [{"id": n, "name": name, "supercategory": ""} for name, n in category_ids.items()],
        "images": [_image(content.images[n], image_ids[n], places[n]) for n in order],
        "annotations": [{"id": number, **record} for number, record in enumerate(records, 1)],
    }


def _category_ids(categories: Sequence[str], numbers: Mapping[str, int]) -> dict[str, int]:
    """The id of each category, in the order of the ids; labels of a task made by hand come after the dataset's."""
    known = sorted((name for name in categories if name in numbers), key=lambda name: numbers[name])
    strange = enumerate(_strange(categories, numbers), 1 + max(numbers.values(), default=0))
    return {name: numbers[name] for name in known} | {name: number for number, name in strange}


def _strange(categories: Sequence[str], numbers: Mapping[str, int]) -> list[str]:
    return sorted(name for name in categories if name not in numbers)


def _unnumbered(content: CocoContent, numbers: Mapping[str, int]) -> Iterator[Finding]:
    for name in _strange(content.categories, numbers):
        what = "is not a label of the dataset: its id may be another one in the next file"
        yield Finding(f"category {name!r}", what, Severity.WARN)


def _turned(document: Mapping[str, Any]) -> Iterator[Finding]:
    for image in document["images"]:
        if "exif_orientation" in image:
            what = (
                f"some readers turn it (EXIF orientation {image['exif_orientation']}); "
                "width, height and boxes are of the pixels as stored"
            )
            yield Finding(f"image {image['file_name']!r}", what, Severity.WARN)


def _info(provenance: Provenance) -> dict[str, Any]:
    return {
        "description": f"{provenance.dataset}, batch {provenance.batch}: annotations of CVAT task {provenance.task_id}",
        "dataset": provenance.dataset,
        "dataset_version": provenance.version,
        "batch": provenance.batch,
        "task_id": provenance.task_id,
        "generation": provenance.generation,
        "annotations_from": str(provenance.source),
        "annotators": sorted(set(provenance.annotators)),
    }


def _image(image: Image, number: int, original: Original) -> dict[str, Any]:
    stored, turned = original.stored, original.exif_orientation
    return {
        "id": number,
        "file_name": stored.key,
        "width": image.width,
        "height": image.height,
        "coco_url": stored.url,
        "etag": stored.etag,
        **({"version_id": stored.version_id} if stored.version_id else {}),
        **({"exif_orientation": turned} if turned not in (None, 1) else {}),
        "cvat_name": image.name,
        "cvat_frame": original.frame,
    }


def _record(annotation: Annotation, image_id: int, category_id: int) -> dict[str, Any]:
    record: dict[str, Any] = {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": _upright(annotation.bbox),
        "area": abs(annotation.area),
        "segmentation": _segmentation(annotation),
        "iscrowd": int(annotation.crowd),
    }
    return record if annotation.score is None else record | {"score": annotation.score}


def _upright(bbox: Sequence[float]) -> list[float]:
    # A rectangle dragged from another corner comes with negative sides, and with one of them a negative area; COCO's
    # readers never match those.
    x, y, width, height = bbox
    return [min(x, x + width), min(y, y + height), abs(width), abs(height)]


def _segmentation(annotation: Annotation) -> Any:
    outline = annotation.segmentation
    if isinstance(outline, Rle):
        return {"counts": list(outline.counts), "size": [outline.height, outline.width]}
    return [list(polygon) for polygon in outline]
