"""COCO documents without faults, and any values, as hypothesis strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from labelyard.annotations.outlines import polygon_area

Document = dict[str, Any]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 2**53, 2**63, 2**64, -1, 10**30, 0.0, 1.0, 1e6, 1e15, 1e300])
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["1", "0", "\ud800", "../x", "PPY`0o", "Sh37ig0000moig0"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
"""Any value that Python's JSON reader returns."""

_EXTRA = {"attributes": {"occluded": True, "note": "Ł\u2028"}, "track_id": "a7", "ignore": 0}


@st.composite
def faultless_documents(draw: st.DrawFn, *, most: int = 8) -> Document:
    """A document without faults: boxes, outlines, masks in both forms, crowds, keypoints, sparse ids, more fields."""
    count = draw(st.integers(1, 4))
    ids = draw(st.lists(st.integers(0, 2**53 - 1), min_size=count, max_size=count, unique=True))
    images = [
        {"id": number, "file_name": f"folder/{position}.jpg", "width": draw(st.integers(8, 60)),
         "height": draw(st.integers(8, 60)), **draw(st.sampled_from([{}, {"license": "CC0"}, {"date_captured": 0}]))}
        for position, number in enumerate(ids)
    ]  # fmt: skip
    person = {"id": draw(st.integers(2, 10**9)), "name": "person", "keypoints": ["head", "foot"], "skeleton": []}
    categories: list[Document] = [{"id": 1, "name": "car"}, person]
    number_of = draw(st.lists(st.integers(1, 2**53 - 1), min_size=count, max_size=max(most, count), unique=True))
    annotations = [
        {"id": number, **draw(_annotations(images[position % count], categories, position))}
        for position, number in enumerate(number_of)
    ]
    document: Document = {"images": images, "annotations": annotations, "categories": categories}
    if draw(st.booleans()):
        document["info"] = {"year": "", "description": "ü"}
    return document


@st.composite
def _annotations(draw: st.DrawFn, image: Document, categories: list[Document], position: int) -> Document:
    # No two have the same position in an image.
    x, y = position % 4 + draw(st.sampled_from([0, 0.5])), position // 4 % 4
    box = [x, y, draw(st.integers(2, 3)), draw(st.integers(2, 3))]
    person = draw(st.booleans())
    fields: Document = {"image_id": image["id"], "category_id": categories[person]["id"], "bbox": box,
                        "area": box[2] * box[3], "iscrowd": 0}  # fmt: skip
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    kind = draw(st.sampled_from(["none", "empty", "outline", "outlines", "mask", "compressed"]))
    if kind == "empty":
        fields["segmentation"] = []
    elif kind.startswith("outline"):
        outline = [left, top, right, top, right, bottom]
        fields["segmentation"] = [outline, [left, top, left, bottom, right, bottom]][: 1 + (kind == "outlines")]
        fields["area"] = sum(map(polygon_area, fields["segmentation"]))
    elif kind != "none":
        first, length = int(left) * image["height"] + int(top), int(box[3])
        counts = [first, length, image["width"] * image["height"] - first - length]
        fields |= {"segmentation": {"size": [image["height"], image["width"]], "counts": counts}, "area": length,
                   "iscrowd": draw(st.integers(0, 1))}  # fmt: skip
        if kind == "compressed":
            fields["segmentation"]["counts"] = compressed(counts)
    if person and draw(st.booleans()):
        seen = draw(st.lists(st.integers(0, 2), min_size=2, max_size=2))
        fields["keypoints"] = [left, top, seen[0], right, bottom, seen[1]]
        fields["num_keypoints"] = sum(map(bool, seen))
    return fields | draw(st.sampled_from([{}, _EXTRA, {"score": None}, {"score": 0.5}]))


def compressed(counts: list[int]) -> str:
    """Return run lengths as the text that pycocotools writes."""
    text = ""
    for position, count in enumerate(counts):
        value = count - (counts[position - 2] if position > 2 else 0)
        more = True
        while more:
            char, value = value & 31, value >> 5
            more = value != (-1 if char & 16 else 0)
            text += chr((char | 32 if more else char) + 48)
    return text
