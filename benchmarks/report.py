"""The report of a large release: seconds, memory, and the size of the page.

    python benchmarks/report.py                    # 100,000 images, 1,000,000 annotations, without image files
    python benchmarks/report.py --images 300000    # ten annotations on each

The release is written as `labelyard merge` writes one: random boxes of 20 labels with attributes, in three splits and
1,000 folders, by 12 people. Some boxes are doubtful. The report runs in a process of its own; its memory is the peak of
that process.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from process_memory import peak

from labelyard.domain.splits import SplitRule
from labelyard.releases.lines import items
from labelyard.releases.manifest import instances_path
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.report import write_report
from labelyard.releases.sources import SourceFile

IMAGES_IN_A_FILE = 5000
ON_AN_IMAGE = 10
LABELS = [f"label {number}" for number in range(20)]
SIZES = ((1920, 1080), (1280, 720), (1080, 1920))
PEOPLE = 12
START = datetime(2026, 1, 1, tzinfo=UTC)


def write_release(folder: Path, images: int) -> Path:
    """Write sources, and the release of them; return its folder."""
    sources = []
    for number in range(-(-images // IMAGES_IN_A_FILE)):
        path = folder / f"batch-{number:04d}.json"
        path.write_text(json.dumps(_document(number, min(IMAGES_IN_A_FILE, images - number * IMAGES_IN_A_FILE))))
        sources.append(SourceFile(path))
    release = folder / "release"
    merge(sources, release, MergeOptions(SplitRule({"train": 0.8, "val": 0.1, "test": 0.1}, "folder")))
    for source in sources:
        source.path.unlink()
    _write_passport(release)
    return release


def _document(number: int, count: int) -> dict[str, object]:
    chance = random.Random(number)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for at in range(count):
        width, height = chance.choices(SIZES, (80, 15, 5))[0]
        name = f"cam{chance.randrange(1000):04d}/{number:04d}-{at:05d}.jpg"
        images.append(
            {"id": at + 1, "file_name": name, "width": width, "height": height, "date_captured": "2026-01-01"}
        )
        for _ in range(ON_AN_IMAGE):
            label = min(int(chance.expovariate(0.25)), len(LABELS) - 1)
            w, h = (min(chance.lognormvariate(3.8 + label / 12, 0.8), side / 2) for side in (width, height))
            box = [round(value, 2) for value in (chance.uniform(0, width - w), chance.uniform(0, height - h), w, h)]
            attributes = {"occluded": chance.random() < 0.2, "light": chance.choice(["day", "night"]), "job": at // 50}
            annotations.append({
                "id": len(annotations) + 1, "image_id": at + 1, "category_id": label + 1, "bbox": box, "area": w * h,
                "iscrowd": 0, "segmentation": [], "attributes": attributes,
            })  # fmt: skip
    categories = [{"id": at, "name": name} for at, name in enumerate(LABELS, 1)]
    return {"info": {"dataset": "benchmark"}, "licenses": [], "categories": categories, "images": images,
            "annotations": annotations}  # fmt: skip


def _write_passport(release: Path) -> None:
    """Write a line for each annotation: 12 people, each with a minute for ten annotations."""
    with (release / "passport.jsonl").open("w") as file:
        second = 0
        for split in ("train", "val", "test"):
            for part, item in items(release / instances_path(split)):
                if part == "annotations":
                    found = json.loads(item)
                    second += 6
                    at = (START + timedelta(seconds=second)).isoformat()
                    line = {"annotation": found["id"], "image": found["image_id"], "job": found["attributes"]["job"],
                            "annotator": found["image_id"] % PEOPLE, "at": at}  # fmt: skip
                    file.write(json.dumps(line) + "\n")


def main() -> None:
    """Write a release, and its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--release", type=Path, help="measure the report of this release alone, in this process")
    options = parser.parse_args()
    if options.release:
        started = time.perf_counter()
        page = options.release.parent / "report.html"
        found = write_report(options.release, page)
        seconds = time.perf_counter() - started
        print(f"{found['images']:,} images, {found['annotations']:,} annotations: {seconds:.1f} s "
              f"({time.process_time():.1f} s of the processor), "
              f"{peak() / 2**20:,.0f} MiB, page of {page.stat().st_size / 1e6:.2f} MB")  # fmt: skip
        return
    with tempfile.TemporaryDirectory() as folder:
        release = write_release(Path(folder), options.images)
        subprocess.run([sys.executable, __file__, "--release", str(release)], check=True)


if __name__ == "__main__":
    main()
