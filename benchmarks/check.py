"""All checks of a COCO file, and loading it as trainings do.

    python benchmarks/check.py                             # 40,000 annotations, about 25 MiB
    python benchmarks/check.py --annotations 400000        # 246 MiB
    python benchmarks/check.py --json check.json

A file is made: ten annotations per image, nine of them outlines, one a mask; no faults, or with --faults one annotation
of a hundred has one. Each way is a process of its own, and the ways take turns:

    check       labelyard.formats.file_checks: every rule that needs nothing but the file
    json        json.load alone
    load        json and pycocotools.COCO, as every training begins: nothing is checked

Measured are the seconds, without the imports, and the most memory of the process, with them.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - each way imports only what it needs, in a process of its own
import argparse
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from process_memory import peak
from turns import turns

PER_IMAGE = 10
WIDTH, HEIGHT = 640, 480
FAULTS: list[dict[str, Any]] = [{"iscrowd": None}, {"bbox": [1, 2, 0, 4]}, {"area": 1e9}, {"category_id": 99}]


@dataclass(frozen=True)
class Figures:
    """Seconds, bytes at the peak, and what was found: images, annotations, faults."""

    seconds: float
    memory: int
    images: int
    annotations: int
    faults: int = 0


# --- the ways ---------------------------------------------------------------------------------------------------------


def check(path: Path) -> Figures:
    """Every rule that needs nothing but the file."""
    from labelyard.formats.file_checks.checking import check_file

    began = time.perf_counter()
    report = check_file(path).report
    seconds = time.perf_counter() - began
    return Figures(
        seconds, peak(), report.images, report.annotations, sum(one.count for one in report.tallies.values())
    )


def load_json(path: Path) -> Figures:
    """Read the file as JSON."""
    began = time.perf_counter()
    with path.open(encoding="utf-8") as file:
        document = json.load(file)
    return Figures(time.perf_counter() - began, peak(), len(document["images"]), len(document["annotations"]))


def load(path: Path) -> Figures:
    """Read the file as JSON, and index it."""
    from pycocotools.coco import COCO

    began = time.perf_counter()
    coco = COCO(str(path))
    return Figures(time.perf_counter() - began, peak(), len(coco.imgs), len(coco.anns))


WAYS: dict[str, Callable[[Path], Figures]] = {"check": check, "json": load_json, "load": load}


# --- the file ---------------------------------------------------------------------------------------------------------


def write_file(path: Path, annotations: int, *, faults: bool) -> None:
    """Write a COCO file; the same numbers give the same file."""
    numbers = random.Random(7)
    with path.open("w", encoding="ascii") as file:
        file.write('{"info":{},"licenses":[],"categories":')
        json.dump([{"id": number, "name": f"class {number}"} for number in range(1, 81)], file)
        _write_list(file, "images", annotations // PER_IMAGE, _image)
        _write_list(file, "annotations", annotations, lambda number: _annotation(number, numbers, faults=faults))
        file.write("}")


def _write_list(file: TextIO, part: str, count: int, item: Callable[[int], dict[str, Any]]) -> None:
    file.write(f',"{part}":[')
    file.writelines("," * (number > 1) + json.dumps(item(number)) for number in range(1, count + 1))
    file.write("]")


def _image(number: int) -> dict[str, Any]:
    name = f"camera-{number % 7}/{number:09d}.jpg"
    return {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, "coco_url": f"s3://street/{name}"}


def _annotation(number: int, numbers: random.Random, *, faults: bool) -> dict[str, Any]:
    shape = _mask(numbers) if number % 10 == 0 else _outline(numbers)
    ids = {"id": number, "image_id": (number - 1) // PER_IMAGE + 1, "category_id": numbers.randint(1, 80)}
    found = ids | shape | {"attributes": {"occluded": False}}
    return found | (numbers.choice(FAULTS) if faults and number % 100 == 1 else {})


def _mask(numbers: random.Random) -> dict[str, Any]:
    edges = [0, *sorted(numbers.sample(range(1, WIDTH * HEIGHT), 110)), WIDTH * HEIGHT]
    counts = [end - begin for begin, end in itertools.pairwise(edges)]
    return {"bbox": [0, 0, WIDTH, HEIGHT], "area": sum(counts[1::2]), "iscrowd": 1,
            "segmentation": {"counts": counts, "size": [HEIGHT, WIDTH]}}  # fmt: skip


def _outline(numbers: random.Random) -> dict[str, Any]:
    width, height = numbers.uniform(20, 200), numbers.uniform(20, 200)
    x, y = numbers.uniform(0, WIDTH - width), numbers.uniform(0, HEIGHT - height)
    points, count = [], numbers.randint(15, 46)
    for position in range(count):
        angle, radius = 2 * math.pi * position / count, numbers.uniform(0.3, 0.5)
        points += [x + width * (0.5 + radius * math.cos(angle)), y + height * (0.5 + radius * math.sin(angle))]
    points = [round(value, 2) for value in points]
    xs, ys = points[::2], points[1::2]
    area = abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(count))) / 2
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {"bbox": [round(value, 2) for value in box], "area": round(area, 4), "iscrowd": 0, "segmentation": [points]}


# --- the turns --------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, or run one way in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=40_000)
    parser.add_argument("--faults", action="store_true", help="one annotation of a hundred has a fault")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--run", choices=tuple(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(f"\n{json.dumps(asdict(WAYS[given.run](given.file)))}")
        return
    figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="labelyard-benchmark-") as folder:
        path = Path(folder) / "instances.json"
        write_file(path, given.annotations, faults=given.faults)
        size = path.stat().st_size
        for _, way in turns(list(WAYS), given.rounds):
            command = [sys.executable, __file__, "--run", way, "--file", str(path)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            figures[way].append(Figures(**json.loads(done.stdout.splitlines()[-1])))
    print(f"{size / 2**20:.0f} MiB, {given.annotations} annotations, load {os.getloadavg()[0]:.1f}")
    _print(figures)
    if given.json:
        given.json.write_text(json.dumps({way: [asdict(one) for one in found] for way, found in figures.items()}))


def _print(figures: dict[str, list[Figures]]) -> None:
    """Print the medians of the turns, and the median of the ratios in each round."""
    print("  ".join(f"{head:>9}" for head in ("way", "seconds", "of load", "MiB", "faults")))
    for way, found in figures.items():
        ratio = statistics.median(one.seconds / by.seconds for one, by in zip(found, figures["load"], strict=True))
        seconds, memory = statistics.median(one.seconds for one in found), max(one.memory for one in found) / 2**20
        values = (way, f"{seconds:.2f}", f"{ratio:.2f}", f"{memory:.0f}", found[0].faults if way == "check" else "")
        print("  ".join(f"{value:>9}" for value in values))


if __name__ == "__main__":
    main()
