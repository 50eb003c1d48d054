"""A release with pictures, for the tests of the report and for the picture in docs/report.md.

    python -m tests.support.report_sample FOLDER [--views 20]

Its images are parts of the photographs of the demo, with the boxes that are visible in them. Then come some mistakes of
people, their names and times, and a release before it.
"""

from __future__ import annotations

import argparse
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from labelyard.domain.splits import SplitRule
from labelyard.releases.lines import fields, items
from labelyard.releases.manifest import instances_path
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.report.people import PASSPORT
from labelyard.releases.sources import SourceFile
from tests.support.paths import ROOT

PHOTOGRAPHS = ROOT / "labelyard" / "demo" / "photographs"
PEOPLE = ("amira", "benoit", "chiara", "dmitri")
_START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def write_sample(folder: Path, views: int, seed: int = 7) -> Path:
    """Write the sample below a folder; return the folder of the release. Each photograph gives so many images."""
    chance = random.Random(seed)
    (folder / "pictures").mkdir(parents=True)
    document = _document(folder / "pictures", views, chance)
    _add_mistakes(document, chance)
    rule = SplitRule({"train": 0.7, "val": 0.15, "test": 0.15}, r"(\w+-\d)")
    info = {"dataset": "park cameras", "version": 2, "date_created": "2026-03-20"}
    before = _written(folder / "before.json", _earlier(document))
    merge([before], folder / "release-1", MergeOptions(rule, info={**info, "version": 1}))
    now = _written(folder / "now.json", document)
    release = folder / "release-2"
    merge([now], release, MergeOptions(None, folder / "release-1", info=info))
    return release


def write_passport(release: Path, seed: int = 7) -> None:
    """Add people and times to a release: batches of 12 images, each a job of one person."""
    chance = random.Random(seed)
    lines: list[dict[str, Any]] = []
    positions: dict[int, int] = {}
    time = dict.fromkeys(PEOPLE, _START)
    for split in ("train", "val", "test"):
        for part, item in items(release / instances_path(split)):
            if part == "annotations":
                found = json.loads(item)
                job = positions.setdefault(found["image_id"], len(positions)) // 12
                person = PEOPLE[min(job * 5 % 7, 3)]
                time[person] += timedelta(seconds=chance.expovariate(1 / (9 + 6 * PEOPLE.index(person))) + 2)
                at = time[person].isoformat()
                lines.append(
                    {"annotation": found["id"], "image": found["image_id"], "job": job, "annotator": person, "at": at}
                )
    (release / PASSPORT).write_text("".join(json.dumps(line) + "\n" for line in lines))


def _document(pictures: Path, views: int, chance: random.Random) -> dict[str, Any]:
    truth = json.loads((PHOTOGRAPHS / "ground_truth.json").read_text())
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for photograph in truth["images"]:
        own = [one for one in truth["annotations"] if one["image_id"] == photograph["id"]]
        with Image.open(PHOTOGRAPHS / photograph["file_name"]) as opened:
            picture = opened.convert("RGB")
        for view in range(views):
            part = _part(picture.size, chance)
            stem = Path(photograph["file_name"]).stem
            image = {"id": len(images) + 1, "file_name": f"{stem}-{view:02d}.jpg", "width": part[2] - part[0],
                     "height": part[3] - part[1], "date_captured": f"2026-02-{1 + view % 28:02d}T10:00:00"}  # fmt: skip
            picture.crop(part).save(pictures / str(image["file_name"]), quality=80)
            images.append(image)
            annotations += [found for one in own if (found := _visible(one, part, image, chance))]
    for number, one in enumerate(annotations, 1):
        one["id"] = number
    return {"info": {"year": 2026}, "licenses": [], "categories": truth["categories"], "images": images,
            "annotations": annotations}  # fmt: skip


def _part(size: tuple[int, int], chance: random.Random) -> tuple[int, int, int, int]:
    """Return a part of a picture: most have the usual proportions."""
    scale = chance.uniform(0.6, 1)
    width, height = int(size[0] * scale), int(size[1] * scale * chance.choice((1, 1, 0.9, 0.8)))
    left, top = chance.randint(0, size[0] - width), chance.randint(0, size[1] - height)
    return left, top, left + width, top + height


def _visible(
    one: dict[str, Any], part: tuple[int, ...], image: dict[str, Any], chance: random.Random
) -> dict[str, Any] | None:
    x, y, width, height = one["bbox"]
    left, top = max(x, part[0]), max(y, part[1])
    right, bottom = min(x + width, part[2]), min(y + height, part[3])
    if right - left < width / 3 or bottom - top < height / 3:
        return None
    box = [round(left - part[0] + chance.uniform(0, 1), 1), round(top - part[1] + chance.uniform(0, 1), 1)]
    box += [round(min(right - left, image["width"] - box[0]), 1), round(min(bottom - top, image["height"] - box[1]), 1)]
    occluded = chance.random() < 0.15
    light = chance.choices(("day", "dusk", "night"), (70, 25, 5))[0]
    return _annotation(
        image["id"], one["category_id"], box, {"occluded": occluded, "light": light, "age": chance.randint(1, 90)}
    )


def _annotation(image: int, category: int, box: list[float], attributes: dict[str, Any]) -> dict[str, Any]:
    return {"id": 0, "image_id": image, "category_id": category, "bbox": box, "area": round(box[2] * box[3], 2),
            "iscrowd": 0, "segmentation": [], "attributes": attributes}  # fmt: skip


def _add_mistakes(document: dict[str, Any], chance: random.Random) -> None:
    """Add what people do: double boxes, slips of the mouse, wrong labels, boxes that leave the image."""
    annotations, images = document["annotations"], {one["id"]: one for one in document["images"]}
    categories = [one["id"] for one in document["categories"]]
    chosen = chance.sample(annotations, min(len(annotations), 36))
    for number, one in enumerate(chosen):
        image = images[one["image_id"]]
        x, y, width, height = one["bbox"]
        category = one["category_id"]
        match number % 6:
            case 0:
                box = [x + 0.5, y, width, height]
            case 1:
                box, category = [x, y + 0.5, width, height], chance.choice([c for c in categories if c != category])
            case 2:
                box = [round(x), round(y), 2.0, 3.0]
            case 3:
                box = [image["width"] - width / 2, y, width, height]
            case 4:
                box = [1.0, round(y), image["width"] - 2.0, 6.0]
            case _:
                box = [0.0, 0.0, float(image["width"]), float(image["height"])]
        annotations.append(_annotation(image["id"], category, [round(value, 2) for value in box], {"occluded": False}))
    emptied = set(chance.sample(sorted(images), len(images) // 20))
    annotations[:] = [one for one in annotations if one["image_id"] not in emptied]
    for number, one in enumerate(annotations, 1):
        one["id"] = number


def _earlier(document: dict[str, Any]) -> dict[str, Any]:
    """Return the dataset as it was before: fewer images, and some boxes otherwise."""
    images = [one for one in document["images"] if one["id"] % 4]
    known = {one["id"] for one in images}
    annotations = []
    for one in document["annotations"]:
        if one["image_id"] in known:
            x, y, width, height = one["bbox"]
            box = [x, y, width - 1, height] if one["id"] % 9 == 0 and width > 9 else one["bbox"]
            annotations.append({**one, "bbox": box})
            if one["id"] % 23 == 0:
                annotations.append({**one, "id": one["id"] + 10**6, "bbox": [x, y, width / 2, height]})
    return {**document, "images": images, "annotations": annotations}


def _written(path: Path, document: dict[str, Any]) -> SourceFile:
    path.write_text(json.dumps(document))
    return SourceFile(path)


def main() -> None:
    """Write the sample, with people and times, beside the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--views", type=int, default=20)
    options = parser.parse_args()
    release = write_sample(options.folder, options.views)
    write_passport(release)
    print(release, fields(release / instances_path("train"))["info"])  # noqa: T201 - a script


if __name__ == "__main__":
    main()
