"""Merging COCO files into a release: labelyard, what one would use instead, and the time to load the result.

    python benchmarks/release.py                     # 10,000 images, 100,000 annotations, 2 turns
    python benchmarks/release.py --images 100000     # 1,000,000 annotations; then --rounds 1 is enough
    python benchmarks/release.py --json release.json

The sources are files of 500 images and 5,000 annotations: nine outlines and one mask of run lengths on each image, with
attributes; the ids begin at 1 in each file. Each way is a process of its own, and the ways take turns:

    load        json and pycocotools load the result: the unit
    labelyard   what `labelyard merge` does: checks, stable ids, two splits' files, hashes, manifest; a second process
                takes half of it
    one process the same without the second process
    orjson      a script: everything in memory, ids in a row, json replaced by orjson
    json        the same script with json
    hotcoco     hotcoco's COCO.merge

Ways whose package is missing are left out. At the end every field of every annotation and image of the release is
compared with the sources.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports only what it needs, in a process of its own
import argparse
import hashlib
import importlib
import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from process_memory import peak_with_children
from turns import turns

IMAGES_IN_A_FILE = 500
ON_AN_IMAGE = 10
LABELS = [f"label {number}" for number in range(20)]
SIDE = 640


# --- the sources ------------------------------------------------------------------------------------------------------


def write_sources(folder: Path, images: int) -> list[Path]:
    """Write the sources; return their paths."""
    folder.mkdir()
    paths = []
    for number in range(max(1, images // IMAGES_IN_A_FILE)):
        path = folder / f"batch-{number:05d}.json"
        path.write_text(json.dumps(_document(number), separators=(",", ":")))
        paths.append(path)
    return paths


def _document(number: int) -> dict[str, Any]:
    chance = random.Random(number)
    images = [
        {"id": n + 1, "file_name": f"cam{number % 7}/{number:05d}-{n:04d}.jpg", "width": SIDE, "height": SIDE,
         "license": 1, "date_captured": "2026-01-01"}
        for n in range(min(IMAGES_IN_A_FILE, 500))
    ]  # fmt: skip
    annotations = [
        {"id": n + 1, "image_id": n // ON_AN_IMAGE + 1, "category_id": chance.randint(1, len(LABELS)),
         **(_mask(chance) if n % ON_AN_IMAGE == 0 else _outline(chance)),
         "attributes": {"occluded": chance.random() < 0.2, "colour": chance.choice(["red", "blue"]), "age": n % 90}}
        for n in range(len(images) * ON_AN_IMAGE)
    ]  # fmt: skip
    return {
        "info": {"description": f"batch {number}", "year": 2026},
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}],
        "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in enumerate(LABELS, 1)],
        "images": images,
        "annotations": annotations,
    }


def _outline(chance: random.Random) -> dict[str, Any]:
    x, y = chance.uniform(0, SIDE / 2), chance.uniform(0, SIDE / 2)
    width, height = chance.uniform(20, SIDE / 2), chance.uniform(20, SIDE / 2)
    inside = [
        round(value, 2)
        for _ in range(chance.randint(4, 24))
        for value in (x + width * chance.random(), y + height * chance.random())
    ]
    bbox = [round(value, 2) for value in (x, y, width, height)]
    return {"segmentation": [inside], "bbox": bbox, "area": round(width * height / 2, 2), "iscrowd": 0}


def _mask(chance: random.Random) -> dict[str, Any]:
    left, width, top, height = (chance.randint(10, 40) for _ in range(4))
    counts = [left * SIDE + top]
    for _ in range(width):
        counts += [height, SIDE - height]
    counts[-1] += SIDE * SIDE - sum(counts)
    return {
        "segmentation": {"counts": counts, "size": [SIDE, SIDE]},
        "bbox": [left, top, width, height], "area": width * height, "iscrowd": 0,
    }  # fmt: skip


# --- the ways ---------------------------------------------------------------------------------------------------------


def load(_sources: list[Path], to: Path) -> None:
    """Load the result as a training run does."""
    from pycocotools.coco import COCO

    with Path(os.devnull).open("w") as silent:
        sys.stdout = silent
        for path in sorted((to.parent / "labelyard" / "annotations").glob("*.json")):
            COCO(str(path))
        sys.stdout = sys.__stdout__


def labelyard(sources: list[Path], to: Path) -> None:
    """Merge them as `labelyard merge` does."""
    from labelyard.domain.splits import SplitRule
    from labelyard.releases.merging import MergeOptions, merge
    from labelyard.releases.sources import SourceFile

    merge(list(map(SourceFile, sources)), to, MergeOptions(SplitRule({"train": 0.9, "val": 0.1})))


def one_process(sources: list[Path], to: Path) -> None:
    """Merge them without a second process."""
    from labelyard.releases import second_process

    vars(second_process)["AT_LEAST"] = float("inf")
    labelyard(sources, to)


def json_script(sources: list[Path], to: Path) -> None:
    """Do what many do: load all files, number the ids, write one."""
    _script(sources, to, json.loads, lambda document: json.dumps(document).encode())


def orjson_script(sources: list[Path], to: Path) -> None:
    """Do the same with orjson."""
    orjson = importlib.import_module("orjson")
    _script(sources, to, orjson.loads, orjson.dumps)


def _script(sources: list[Path], to: Path, loads: Callable[[bytes], Any], dumps: Callable[[Any], bytes]) -> None:
    images: list[Any] = []
    annotations: list[Any] = []
    categories: list[Any] = []
    for path in sources:
        document = loads(path.read_bytes())
        categories, new = document["categories"], {}
        for image in document["images"]:
            new[image["id"]] = image["id"] = len(images) + 1
            images.append(image)
        for annotation in document["annotations"]:
            annotation["id"], annotation["image_id"] = len(annotations) + 1, new[annotation["image_id"]]
            annotations.append(annotation)
    to.mkdir()
    content = dumps({"categories": categories, "images": images, "annotations": annotations})
    (to / "instances.json").write_bytes(content)


def hotcoco_merge(sources: list[Path], to: Path) -> None:
    """Merge them with hotcoco."""
    hotcoco = importlib.import_module("hotcoco")  # in no environment of `make lint`
    to.mkdir()
    hotcoco.COCO.merge([hotcoco.COCO(str(path)) for path in sources]).save(str(to / "instances.json"))


WAYS: dict[str, tuple[Callable[[list[Path], Path], None], str]] = {
    "labelyard": (labelyard, "labelyard"),
    "load": (load, "pycocotools"),
    "one process": (one_process, "labelyard"),
    "orjson": (orjson_script, "orjson"),
    "json": (json_script, "json"),
    "hotcoco": (hotcoco_merge, "hotcoco"),
}
"""Name -> function, and the package that it needs."""


# --- the comparison ---------------------------------------------------------------------------------------------------


def compare(sources: list[Path], release: Path) -> tuple[int, int]:
    """Compare all fields of all images and annotations; return how many there are. Raises AssertionError."""
    found = sorted((release / "annotations").glob("*.json"))
    here, there = (array("Q", sorted(_hashes(paths))) for paths in (sources, found))
    assert here == there, "the release does not have what the sources have"
    ids = [one["id"] for path in found for one in json.loads(path.read_bytes())["annotations"]]
    assert len(set(ids)) == len(ids)
    return len(here) - len(ids), len(ids)


def _hashes(paths: list[Path]) -> Iterator[int]:
    """Yield a hash of each image and annotation with names instead of ids."""
    for path in paths:
        document = json.loads(path.read_bytes())
        names = {one["id"]: one["file_name"] for one in document["images"]}
        labels = {one["id"]: one["name"] for one in document["categories"]}
        for image in document["images"]:
            yield _hash({**image, "id": 0})
        for one in document["annotations"]:
            image, label = names[one["image_id"]], labels[one["category_id"]]
            yield _hash({**one, "id": 0, "image_id": image, "category_id": label})


def _hash(item: dict[str, Any]) -> int:
    text = json.dumps(item, sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


# --- the turns --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, or run one way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="images; each has ten annotations")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each way")
    parser.add_argument("--ways", default=",".join(WAYS), help="some of them, by commas")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=tuple(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        _run(given.run, given.folder)
        return
    asked = given.ways.split(",")
    ways = [way for way, (_, package) in WAYS.items() if way in asked and importlib.util.find_spec(package)]
    figures: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as name:
        folder = Path(name)
        sources = write_sources(folder / "sources", given.images)
        size = sum(path.stat().st_size for path in sources) / 1e6
        print(f"{len(sources)} files, {size:.0f} MB, load {os.getloadavg()[0]:.1f}", flush=True)
        _in_own_process("labelyard", folder)  # `load` needs a result in every turn, and reads files that are cached
        for _, way in turns(ways, given.rounds):
            figures[way].append(_in_own_process(way, folder))
        images, annotations = compare(sources, folder / "labelyard")
    print(f"compared: every field of {images} images and {annotations} annotations is the same")
    _print(figures)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def _run(way: str, folder: Path) -> None:
    sources, to = sorted((folder / "sources").iterdir()), folder / way
    if way != "load":
        shutil.rmtree(to, ignore_errors=True)
    began, cpu = time.perf_counter(), _cpu()
    WAYS[way][0](sources, to)
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": _cpu() - cpu}))


def _cpu() -> float:
    """Return the seconds of a processor that this process and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _in_own_process(way: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--run", way, "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        memory = peak_with_children(process)
        found: dict[str, float] = json.loads((process.stdout or sys.stdin).read().splitlines()[-1])
    return {**found, "memory": memory}


def _print(figures: dict[str, list[dict[str, float]]]) -> None:
    print(f"{'way':>11}  {'seconds':>8}  {'of load':>8}  {'CPU':>8}  {'of load':>8}  {'peak MiB':>8}")
    for way, found in figures.items():
        cells = []
        for what in ("seconds", "cpu"):
            median, unit = (statistics.median(one[what] for one in of) for of in (found, figures.get("load", found)))
            cells += [f"{median:>8.2f}", f"{median / unit:>8.2f}"]
        memory = max(one["memory"] for one in found) / 2**20
        print("  ".join([f"{way:>11}", *cells, f"{memory:>8.0f}"]))


if __name__ == "__main__":
    main()
