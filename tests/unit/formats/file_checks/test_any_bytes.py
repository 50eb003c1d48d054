"""Files with anything in them: the check names a fault or says why it cannot read them, and never crashes or hangs."""

from __future__ import annotations

import contextlib
import io
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelyard.errors import InputError
from labelyard.formats.file_checks.checking import check_file
from labelyard.formats.file_checks.report import Report
from tests.support.coco_documents import compressed
from tests.support.coco_faults import MASK, recorded

CLEAN = json.dumps(recorded())
LONGEST = 5.0
"""Seconds for a small file, on a busy machine."""


def rules(content: str | bytes, folder: Path) -> set[str]:
    path = folder / "f.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return set(check_file(path).report.tallies)


def with_value(field: str, text: str) -> str:
    """The document whose first annotation has this JSON text in a field."""
    document = recorded()
    document["annotations"][0][field] = "HERE"
    return json.dumps(document).replace('"HERE"', text)


@pytest.mark.parametrize(
    ("field", "text", "rule"),
    [
        ("area", "1e400", "area"),
        ("area", "9" * 10_000, "area"),
        ("area", "-" + "9" * 10_000, "area"),
        ("id", "9" * 10_000, "annotation-id"),
        ("id", "9" * 4_000, "large-annotation-id"),
        ("image_id", "1e400", "annotation-image"),
        ("category_id", "9" * 10_000, "annotation-category"),
        ("bbox", "[1, 2, -Infinity, 4]", "bbox"),
        ("bbox", "[[[[]]]]", "bbox"),
        ("bbox", '"' + "x" * 50_000 + '"', "bbox"),
        ("segmentation", "[[NaN, 1, 2, 3, 4, 5]]", "outline"),
        ("segmentation", '{"size": [1e400, 2], "counts": []}', "run-lengths"),
        ("segmentation", '{"size": [768, 1024], "counts": "' + "o" * 50_000 + '"}', "run-lengths"),
        ("segmentation", '"' + "x" * 50_000 + '"', "segmentation"),
        ("attributes", "NaN", "non-finite"),
        ("attributes", '{"\\ud83d": 1}', "lone-surrogate"),
        ("iscrowd", '"\\ud800"', "iscrowd"),
        ("score", "{}", "score"),
    ],
)
def test_an_extreme_value_is_a_fault_of_its_rule_alone(field: str, text: str, rule: str, tmp_path: Path) -> None:
    assert rules(with_value(field, text), tmp_path) == {rule}


@pytest.mark.parametrize("text", ["1e400", "9" * 10_000, '"' + "x" * 50_000 + '"', "[" * 200 + "]" * 200])
def test_an_extreme_value_that_no_reader_looks_at_is_no_fault(text: str, tmp_path: Path) -> None:
    assert rules(with_value("attributes", text), tmp_path) == set()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"no JSON at line 1, column 1 \(character 0\)"),
        (b"\x00\xff\xfe\x01", "no text at byte|no JSON at"),
        (CLEAN.encode()[:-100], r"no JSON at line 1, column \d+"),
        (CLEAN.encode() + b"x", r"no JSON at line 1, column \d+"),
        (CLEAN.replace("car", "c\u00e4r").encode("latin-1"), r"no text at byte \d+"),
        (CLEAN.replace("car", "\u8857\u9053").encode("gbk"), r"no text at byte \d+"),
        (b'{"images":' + b"[" * 100_000, "nested too deeply"),
        (b'{"images":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_what_is_no_json_is_unreadable_and_says_where(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        rules(content, tmp_path)


@pytest.mark.parametrize(
    "content",
    ["[]", "7", "null", '"x"', "{}", '{"images": {}}', '{"images": [], "annotations": 1, "categories": []}',
     '{"images": [], "annotations": [1], "categories": []}', '{"images": [[]], "annotations": [], "categories": []}',
     '{"images": [], "annotations": [], "categories": [null]}'],
)  # fmt: skip
def test_json_that_is_no_coco_document_has_faulty_parts(content: str, tmp_path: Path) -> None:
    assert rules(content, tmp_path) == {"parts"}


@given(content=st.binary(max_size=200))
def test_random_bytes_are_unreadable_or_faulty(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    with contextlib.suppress(InputError):
        assert rules(content, tmp_path_factory.getbasetemp())


# --- mutated files, judged by pycocotools -----------------------------------------------------------------------------

PIECES = [b"null", b"-1", b"0", b"1e9", b"NaN",
          b"[]", b"[[]]", b"{}", b'""', b"true", b"1e400", b"\xff", b'"a"', b"9" * 30,
          b"[1,2]", b"\\ud800", b"2", b"1", b",", b'"id":1,']  # fmt: skip


def a_document(numbers: random.Random) -> bytes:
    document: dict[str, Any] = recorded()
    for annotation in document["annotations"]:
        match numbers.randrange(5):
            case 0:
                annotation |= {"iscrowd": 1, "image_id": 0, "segmentation": MASK}
            case 1:
                text = compressed([3843, 7, 761, 7, 761, 7, 781046])
                annotation |= {"image_id": 0, "segmentation": {"size": [768, 1024], "counts": text}}
            case 2:
                annotation.pop("segmentation")
    return json.dumps(document).encode()


def mutated(content: bytes, numbers: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(numbers.choice([1, 1, 1, 2, 5])):
        position = numbers.randrange(len(found))
        match numbers.randrange(6):
            case 0:
                found[position] = numbers.randrange(256)
            case 1:
                del found[position : position + numbers.randrange(1, 9)]
            case 2:
                found[position:position] = numbers.choice(PIECES)
            case 3:
                end = position + numbers.randrange(1, 80)
                found[position:position] = found[position:end]
            case _:  # a value: most of these files are still JSON
                values = [one for one in range(position, len(found)) if found[one] in b":,"]
                if values:
                    start = values[0] + 1
                    end = next((one for one in range(start, len(found)) if found[one] in b",]}"), len(found))
                    found[start:end] = numbers.choice(PIECES)
    return bytes(found)


def use(path: Path) -> None:
    """Load, rasterise and evaluate a file with pycocotools, which fails or crashes on what it cannot use."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
        assert len(coco.anns) == len(coco.dataset["annotations"])
        for annotation in coco.anns.values():
            if annotation.get("segmentation"):
                coco.annToRLE(annotation)
        if coco.anns:
            found = [one | {"score": 1.0} for one in coco.dataset["annotations"]]
            boxes = [{key: one[key] for key in ("image_id", "category_id", "bbox", "score")} for one in found]
            evaluation = COCOeval(coco, coco.loadRes(boxes), "bbox")
            evaluation.evaluate()


def fuzz(seed: int, files: int, path: Path) -> dict[str, int]:
    """Check mutated files; those that are called fit must be usable by pycocotools. Return how many ended how."""
    numbers, ends = random.Random(seed), {"unreadable": 0, "unfit": 0, "fit": 0}
    for _ in range(files):
        path.write_bytes(mutated(a_document(numbers), numbers))
        began = time.monotonic()
        try:
            report: Report = check_file(path).report
        except InputError:
            ends["unreadable"] += 1
            continue
        assert time.monotonic() - began < LONGEST
        ends["fit" if report.fit else "unfit"] += 1
        if report.fit:
            use(path)
    return ends


@pytest.mark.parametrize("files", [60, pytest.param(6_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_mutated_file_is_unreadable_or_faulty_or_of_use_to_pycocotools(files: int, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}: {tmp_path / 'f.json'}")  # noqa: T201 - a failure shows it
    ends = fuzz(seed, files, tmp_path / "f.json")
    print(ends)  # noqa: T201
    assert min(ends.values()) > 0, f"seed {seed}"
