"""Faults of a COCO document that pycocotools would crash on, hang on, or swallow: looked for before it is asked.

Every rule has its reason in what pycocotools 2.0.11 did with a file that breaks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeGuard

from labelyard.annotations.content import Finding, Severity
from labelyard.annotations.masks import HUGE

_NO_NUMBER = 1e15  # NaN and infinity fail the comparison with it, and so do integers that no float holds
_TOP = ("images", "annotations", "categories")


def check(document: dict[str, Any], file: str) -> list[Finding]:
    """Everything wrong with a document; `file` names it in the findings. Never raises, whatever the document holds.

    Without a finding to REFUSE, the document can be read field by field, and pycocotools survives it.
    """
    findings = [
        Finding(file, f"{part} is not a list of objects") for part in _TOP if not _is_list_of_objects(document, part)
    ]
    if findings:
        return findings
    images, categories = document["images"], document["categories"]
    findings += _images(images, file)
    findings += _categories(categories, file)
    known_images = {image.get("id"): image for image in images if _is_id(image.get("id"))}
    known_categories = {category.get("id") for category in categories if _is_id(category.get("id"))}
    findings += _annotation_ids(document["annotations"], file)
    for annotation in document["annotations"]:
        where = f"{file}, annotation {_shown(annotation.get('id'))}"
        findings += (
            Finding(where, what, gravity) for what, gravity in _annotation(annotation, known_images, known_categories)
        )
    findings += _twice(document["annotations"], file)
    return findings


_Fault = tuple[str, Severity]


def _images(images: list[dict[str, Any]], file: str) -> Iterator[Finding]:
    for number, image in enumerate(images):
        where = f"{file}, image {_shown(image.get('file_name', f'no. {number}'))}"
        if not _is_id(image.get("id")):
            yield Finding(where, f"its id is {_shown(image.get('id'))}, no whole number")
        if not isinstance(image.get("file_name"), str) or not image["file_name"]:
            yield Finding(where, "has no file_name")
        for side in ("width", "height"):
            if not _is_id(image.get(side)) or not 1 <= image[side] < HUGE:
                yield Finding(where, f"its {side} is {_shown(image.get(side))}: masks need it")
    yield from _doubled(images, "id", f"{file}, images", "the same id", Severity.REFUSE)
    yield from _doubled(images, "file_name", f"{file}, images", "the same file_name", Severity.WARN)
    stems = [{"stem": i["file_name"].rsplit(".", 1)[0].lower()} for i in images if isinstance(i.get("file_name"), str)]
    if not _same_names(images):
        yield from _doubled(stems, "stem", f"{file}, images", "names that differ only in case or ending", Severity.WARN)


def _same_names(images: list[dict[str, Any]]) -> bool:
    names = [image.get("file_name") for image in images]
    return any(count > 1 for count in Counter(name for name in names if isinstance(name, str)).values())


def _categories(categories: list[dict[str, Any]], file: str) -> Iterator[Finding]:
    for category in categories:
        if not _is_id(category.get("id")) or not isinstance(category.get("name"), str):
            yield Finding(f"{file}, category {_shown(category.get('name'))}", "needs a whole number as id, and a name")
    yield from _doubled(categories, "id", f"{file}, categories", "the same id", Severity.REFUSE)
    yield from _doubled(categories, "name", f"{file}, categories", "the same name", Severity.REFUSE)


def _annotation_ids(annotations: list[dict[str, Any]], file: str) -> Iterator[Finding]:
    # The last one of an id wins in silence; the one with id 0 counts as a miss in every evaluation.
    yield from _doubled(annotations, "id", f"{file}, annotations", "the same id", Severity.REFUSE)
    for annotation in annotations:
        if not _is_id(annotation.get("id")) or annotation["id"] == 0:
            yield Finding(f"{file}, annotation {_shown(annotation.get('id'))}", "its id must be a whole number, not 0")


def _annotation(raw: dict[str, Any], images: dict[int, Any], categories: set[Any]) -> Iterator[_Fault]:
    image = images.get(raw["image_id"]) if _is_id(raw.get("image_id")) else None
    if image is None:
        yield f"its image {_shown(raw.get('image_id'))} is not among the images", Severity.REFUSE
    if not _is_id(raw.get("category_id")) or raw["category_id"] not in categories:
        yield f"its category {_shown(raw.get('category_id'))} is not among the categories", Severity.REFUSE
    if raw.get("iscrowd") not in (0, 1):
        yield f"its iscrowd is {_shown(raw.get('iscrowd'))}, neither 0 nor 1", Severity.REFUSE
    if raw.get("score") is not None and not _is_number(raw["score"]):
        yield f"its score is {_shown(raw['score'])}, no number", Severity.REFUSE
    size = _size(image)
    yield from _bbox(raw.get("bbox"), size)
    yield from _segmentation(raw.get("segmentation"), size)
    yield from _area(raw)


def _bbox(bbox: Any, size: tuple[int, int] | None) -> Iterator[_Fault]:
    if not _is_box(bbox):
        yield f"its bbox is {_shown(bbox)} instead of four numbers below a million", Severity.REFUSE
        return
    x, y, width, height = bbox
    if width <= 0 or height <= 0:
        yield f"its bbox is {width} x {height} pixels: it is never matched", Severity.WARN
    elif size and (x < 0 or y < 0 or x + width > size[0] or y + height > size[1]):
        yield f"its bbox {_shown(bbox)} reaches out of the image of {size[0]} x {size[1]}", Severity.WARN


def _segmentation(segmentation: Any, size: tuple[int, int] | None) -> Iterator[_Fault]:
    if isinstance(segmentation, dict):
        yield from _rle(segmentation, size)
    elif not isinstance(segmentation, list) or not segmentation:
        yield f"its segmentation is {_shown(segmentation)}: neither outlines nor run lengths", Severity.REFUSE
    else:
        for outline in segmentation:
            yield from _outline(outline)


def _outline(outline: Any) -> Iterator[_Fault]:
    if not isinstance(outline, list):
        yield "its segmentation is a flat list; outlines are lists inside it", Severity.REFUSE
    elif len(outline) < 6 or len(outline) % 2:
        # Four numbers are read as a box, an odd last one is dropped in silence.
        yield f"an outline of its segmentation has {len(outline)} numbers: at least 6, in pairs", Severity.REFUSE
    elif not all(map(_is_coordinate, outline)):
        yield "its segmentation has a coordinate that is not a number below a million", Severity.REFUSE


def _rle(rle: dict[str, Any], size: tuple[int, int] | None) -> Iterator[_Fault]:
    counts, measure = rle.get("counts"), rle.get("size")
    if not isinstance(measure, list) or len(measure) != 2 or not all(_is_id(side) and side > 0 for side in measure):
        yield f"the size of its run lengths is {_shown(measure)}", Severity.REFUSE
    elif not isinstance(counts, list) or not all(_is_id(count) for count in counts):
        yield "its run lengths are not a list of whole numbers", Severity.REFUSE
    elif sum(counts) != measure[0] * measure[1]:
        # Too few and pycocotools decodes memory that nobody wrote.
        yield f"its run lengths add up to {sum(counts)} instead of {measure[0] * measure[1]}", Severity.REFUSE
    elif size and (measure[1], measure[0]) != size:
        what = f"its run lengths are for {measure[1]} x {measure[0]}, the image has {size[0]} x {size[1]}"
        yield what, Severity.REFUSE


def _area(raw: dict[str, Any]) -> Iterator[_Fault]:
    area, bbox = raw.get("area"), raw.get("bbox")
    if not _is_number(area):
        yield f"its area is {_shown(area)}, no number", Severity.REFUSE
    elif area <= 0:
        yield f"its area is {area}", Severity.WARN
    elif _is_box(bbox) and area > abs(bbox[2] * bbox[3]) * 1.01 + 2 * (abs(bbox[2]) + abs(bbox[3])) + 4:
        yield f"its area {area} is more than its bbox holds", Severity.WARN


def _is_box(bbox: Any) -> TypeGuard[list[float]]:
    return isinstance(bbox, list) and len(bbox) == 4 and all(map(_is_coordinate, bbox))


def _twice(annotations: list[dict[str, Any]], file: str) -> Iterator[Finding]:
    seen: dict[int, Any] = {}
    for annotation in annotations:
        same = hash(repr([annotation.get(key) for key in ("image_id", "category_id", "bbox", "segmentation")]))
        if same in seen:
            where = f"{file}, annotation {_shown(annotation.get('id'))}"
            yield Finding(where, f"is the same as annotation {_shown(seen[same])}", Severity.WARN)
        seen.setdefault(same, annotation.get("id"))


def _doubled(things: list[dict[str, Any]], key: str, where: str, what: str, gravity: Severity) -> Iterator[Finding]:
    values = Counter(thing[key] for thing in things if isinstance(thing.get(key), int | str))
    for value, count in values.items():
        if count > 1:
            yield Finding(where, f"{count} have {what}: {_shown(value)}", gravity)


def _size(image: dict[str, Any] | None) -> tuple[int, int] | None:
    if image and _is_id(image.get("width")) and _is_id(image.get("height")):
        return image["width"], image["height"]
    return None


def _is_list_of_objects(document: dict[str, Any], part: str) -> bool:
    return isinstance(document.get(part), list) and all(isinstance(item, dict) for item in document[part])


def _is_id(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _NO_NUMBER


def _is_coordinate(value: Any) -> bool:
    return _is_number(value) and abs(value) < HUGE


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
