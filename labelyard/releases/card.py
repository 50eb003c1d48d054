"""The dataset card of a release, `README.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelyard.markdown import code, table
from labelyard.releases.facts import ReleaseFacts
from labelyard.releases.manifest import CARD, COCO_KEYPOINTS, QUALITY, Manifest, keypoints_path

_FILES = {
    "annotations/instances_SPLIT.json": "COCO: boxes, polygons, masks and keypoints, with the attributes of each",
    "annotations/extra_SPLIT.json": "tags, polylines, cuboids and points, with the same ids",
    "images.jsonl": "where each image is: address, ETag, SHA-256, split",
    "passport.jsonl": "where each image and annotation comes from: batch, task, job, people, times",
    QUALITY: "how far the annotations agree with ground truth, by batch and job: CVAT's reports",
    "changes.json": "what has changed since the release before",
    "croissant.json": "a description for machines (Croissant)",
    "report.html": "figures and plots, the doubtful annotations first",
    "manifest.json, SHA256SUMS": "each file with its SHA-256",
}

_HOW = """\
{batches} batches were labelled in CVAT and exported; labelyard {labelyard} merged the exports. Each content is in the
release once. The splits follow {by}; an image keeps its split and its id in later releases."""

_USE = """\
```
labelyard fetch {name} --to FOLDER     # these files, with the images
labelyard verify FOLDER                # or: sha256sum -c SHA256SUMS
```

```python
from torchvision.datasets import CocoDetection

train = CocoDetection("FOLDER/images", "FOLDER/annotations/instances_train.json")
```
"""


def write_card(folder: Path, manifest: Manifest, facts: ReleaseFacts, categories: Sequence[Mapping[str, Any]]) -> None:
    """Write the card of the release in a folder. `categories` are those of its COCO files."""
    parts = [
        f"# {facts.dataset}, release {facts.number}",
        code(facts.description) if facts.description else "",
        _splits(manifest),
        _about(facts),
        "## Labels",
        _labels(manifest, categories),
        "## How it was made",
        _HOW.format(batches=len(manifest.sources), labelyard=manifest.labelyard, by=code(manifest.splits.by)),
        _left_out(manifest),
        _formats(manifest),
        "## Files",
        table(("file", "content"), [(f"`{name}`", content) for name, content in _files(folder, manifest).items()]),
        _USE.format(name=facts.dataset),
    ]
    (folder / CARD).write_text("\n\n".join(filter(None, parts)), encoding="utf-8")


def _about(facts: ReleaseFacts) -> str:
    licence, contact = (code(text) if text else "not stated" for text in (facts.licence, facts.contact))
    changed = facts.data_date or "unknown"
    return f"Licence: {licence}. Contact: {contact}. Last change of an annotation: {changed}."


def _splits(manifest: Manifest) -> str:
    rows = [
        (split, f"{counts.images:,}", f"{sum(counts.items.values()):,}") for split, counts in manifest.counts.items()
    ]
    return table(("split", "images", "annotations"), rows)


def _labels(manifest: Manifest, categories: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            code(one["name"]),
            str(one["id"]),
            *(f"{Counter(counts.labels)[one['name']]:,}" for counts in manifest.counts.values()),
            ", ".join(code(attribute["name"]) for attribute in one.get("attributes", ())) or "none",
        )
        for one in categories
    ]
    return table(("label", "id", *manifest.counts, "attributes"), rows)


def _files(folder: Path, manifest: Manifest) -> dict[str, str]:
    found = dict(_FILES)
    if not (folder / QUALITY).is_file():
        del found[QUALITY]
    if COCO_KEYPOINTS in manifest.formats:
        found[keypoints_path("SPLIT")] = "COCO: the annotations that have keypoints"
    if manifest.formats.keys() - {COCO_KEYPOINTS}:
        found["formats/NAME/"] = "the other formats: `labelyard fetch … --format NAME` lays one out in the folder NAME"
    return found


def _formats(manifest: Manifest) -> str:
    if not manifest.formats:
        return ""
    rows = []
    for name, entry in manifest.formats.items():
        held = sum(count for labels in entry.account["in_file"].values() for count in labels.values())
        reasons: Counter[str] = Counter()
        for one in entry.account["left_out"]:
            reasons[one["reason"]] += one["count"]
        why = "; ".join(f"{count:,}: {reason}" for reason, count in sorted(reasons.items()))
        rows.append((f"`{name}`", f"{held:,}", why or "nothing"))
    return "## Other formats\n\n" + table(("format", "objects in it", "left out"), rows)


def _left_out(manifest: Manifest) -> str:
    if not manifest.images_left_out:
        return ""
    rows = [(code(reason), f"{count:,}") for reason, count in sorted(manifest.images_left_out.items())]
    return table(("images of these batches that are not in it", "number"), rows)
