"""The contents of annotations: all but their three ids, in one notation.

This runs for each annotation of a dataset: it is written to be quick.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET, Raw

from labelyard.formats.file_checks.annotation_screen import ANNOTATIONS, Annotation, Mask
from labelyard.formats.file_checks.structs import AT_ONCE
from labelyard.releases.keys import encode
from labelyard.releases.lines import all_plain, plain
from labelyard.releases.source_checks import SourceCheck

Content = tuple[int, int, bytes]
"""The ids of an annotation's image and category, and its text after the ids, such as `"bbox":[0,0,5,5]}`."""

_REQUIRED = 6
_ids = re.compile(rb'\{"id":[0-9]+,"image_id":[0-9]+,"category_id":[0-9]+,').match
_decode = msgspec.json.Decoder(dict[str, Raw]).decode


def annotation_contents(raws: Sequence[Raw], check: SourceCheck | None) -> Iterator[Content]:
    """Yield the content of each annotation; the check, if there is one, looks at all of them."""
    for start in range(0, len(raws), AT_ONCE):
        chunk = raws[start : start + AT_ONCE]
        annotations = ANNOTATIONS.of_chunk(chunk)
        if check:
            check.add(annotations)
        yield from _after_ids(chunk, annotations) or _without_ids(chunk)


def contents(raws: Sequence[Raw]) -> Iterator[Content]:
    """Yield the content of each item of any list. Raises ValueError, KeyError or TypeError for one without ids."""
    for start in range(0, len(raws), AT_ONCE):
        yield from _without_ids(raws[start : start + AT_ONCE])


def _without_ids(raws: Sequence[Raw]) -> list[Content]:
    owns = list(map(_decode, raws))
    ids = [(int(bytes(own.pop("image_id"))), int(bytes(own.pop("category_id")))) for own in owns]
    for own in owns:
        own.pop("id", None)
    texts = all_plain(list(map(encode, owns)))
    return [(image, category, text[1:]) for (image, category), text in zip(ids, texts, strict=True)]


def _after_ids(raws: Sequence[Raw], annotations: Sequence[Annotation | None]) -> list[Content] | None:
    """Return the contents of annotations that begin with their ids, without decoding them again; else None."""
    texts, known = list(map(bytes, raws)), [one for one in annotations if one is not None]
    if len(known) < len(texts) or not _ids(plain(texts[0])) or not _has_known_fields(texts, known):
        return None
    texts = all_plain(texts)
    starts = list(map(_ids, texts))
    if None in starts:
        return None
    return [
        (one.image_id, one.category_id, text[start.end() :])  # type: ignore[union-attr]
        for one, text, start in zip(known, texts, starts, strict=True)
    ]


def _has_known_fields(texts: Sequence[bytes], annotations: Sequence[Annotation]) -> bool:
    """Return whether annotations have only fields of the struct, each once, and their names are written plainly.

    Each field and each key and text in it has two quotes. A further field, or one that is there twice, has more.
    """
    text = b"".join(texts)
    attributes = [one.attributes for one in annotations if one.attributes is not UNSET]
    in_attributes = b",".join(attributes)
    if b"\\" in text and text.count(b"\\u") != in_attributes.count(b"\\u"):
        return False
    shapes = [one.segmentation for one in annotations if one.segmentation is not UNSET]
    masks = [shape.counts for shape in shapes if type(shape) is Mask]
    fields = _REQUIRED * len(annotations) + len(attributes) + len(shapes) + 2 * len(masks)
    fields += sum(type(counts) is str for counts in masks)
    fields += sum(one.keypoints is not UNSET for one in annotations)
    fields += sum(one.num_keypoints is not UNSET for one in annotations)
    fields += sum(one.score is not UNSET for one in annotations)
    return text.count(b'"') == 2 * fields + in_attributes.count(b'"')
