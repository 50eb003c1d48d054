"""A large merge has a second process: the release is the same, and nothing of the process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labelyard.domain.splits import SplitRule
from labelyard.errors import InputError, ProcessFailed
from labelyard.releases import second_process
from labelyard.releases.manifest import read_manifest
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.second_process import AT_LEAST, first_share
from labelyard.releases.sources import Placement, SourceFile, Splitter, read_sources
from labelyard.releases.verification import verify
from tests.support.coco_files import content_of, document, write

RULE = SplitRule({"train": 0.5, "val": 0.5})

BUSY = """
import os, sys
from pathlib import Path
from labelyard.releases import second_process
from labelyard.releases.merging import merge
from labelyard.releases.sources import SourceFile
from labelyard.releases.writing import ItemWriter

second_process.AT_LEAST = 0
folder = Path(sys.argv[1])
add_images = ItemWriter.add_images

def add_images_then_block(writer, *given):
    add_images(writer, *given)
    print("begun", flush=True)
    sys.stdin.read()

ItemWriter.add_images = add_images_then_block
begin = second_process.SecondProcess.begin

def begin_and_block(second, job):
    os.mkfifo(job.folder / "keys.spool")
    begin(second, job)

second_process.SecondProcess.begin = begin_and_block
merge([SourceFile(path) for path in sorted(folder.glob("?.json"))], folder / "release")
"""
"""A merge whose second process waits for a pipe without an end, and which itself waits too."""


@pytest.fixture
def always_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_process, "AT_LEAST", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def sources(folder: Path, count: int = 5) -> list[SourceFile]:
    def without_every_third(image: Any) -> Placement:
        return Placement(image["file_name"], left_out="blurred" if image["file_name"].endswith("3.jpg") else "")

    found = []
    for number in range(count):
        content = document([f"{number}-{n}.jpg" for n in range(5)], labels=("car", "bus"))
        content["annotations"].append(content["annotations"][0] | {"id": 99})  # equal to the first
        path = write(folder / f"{number}.json", content)
        tag = {"id": 1, "image_id": 0, "category_id": 1}
        write(path.with_suffix(".extra.json"), content | {"annotations": [], "tags": [tag]})
        found.append(SourceFile(path, without_every_third))
    return found


@pytest.mark.usefixtures("always_two")
def test_two_processes_write_the_same_bytes_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sources(tmp_path)
    merge(files, tmp_path / "two", MergeOptions(RULE))
    monkeypatch.setattr(second_process, "AT_LEAST", AT_LEAST)
    merge(files, tmp_path / "one", MergeOptions(RULE))
    assert content_of(tmp_path / "two") == content_of(tmp_path / "one")
    manifest = read_manifest(tmp_path / "two")
    assert manifest.annotations.left_out == {"blurred": 10}
    assert [one.annotations for one in manifest.sources] == [11] * 5
    assert verify(tmp_path / "two").faults == ()


@pytest.mark.usefixtures("always_two")
def test_an_error_in_the_second_process_names_the_file(tmp_path: Path) -> None:
    content = document(["a.jpg"])
    content["annotations"][0]["image_id"] = 7
    bad, good = write(tmp_path / "bad.json", content), write(tmp_path / "good.json", document(["b.jpg"]))
    with pytest.raises(InputError, match="image 7 is not among") as caught:
        merge([SourceFile(bad), SourceFile(good)], tmp_path / "release")
    assert f"labelyard check {bad}" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "good.json"]


@pytest.mark.usefixtures("always_two")
def test_a_second_process_that_was_killed_is_an_error(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{number}.json", document(["a.jpg"])) for number in range(2)]
    with second_process.second_process(paths) as second:
        assert second is not None
        os.kill(second.pid, signal.SIGKILL)
        with pytest.raises(ProcessFailed, match="ended with status -9"):
            second.result()


@pytest.mark.usefixtures("always_two")
def test_one_process_merges_where_no_second_one_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    paths = [write(tmp_path / f"{number}.json", document([f"{number}.jpg"])) for number in range(2)]
    assert merge(list(map(SourceFile, paths)), tmp_path / "release").manifest.counts


def test_the_second_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    sources(tmp_path, 2)
    command = [sys.executable, "-c", BUSY, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        parent.kill()
        # Both have it: it ends when both have ended.
        assert parent.communicate(timeout=30)[1] == b""


def test_small_files_and_a_single_one_are_merged_by_one_process(tmp_path: Path) -> None:
    small, large = (write(tmp_path / f"{name}.json", document(["a.jpg"])) for name in ("small", "large"))
    os.truncate(large, AT_LEAST)
    for paths in ([small, small], [large]):
        with second_process.second_process(paths) as second:
            assert second is None


def test_the_first_process_writes_a_little_less_than_half(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.json", document([f"{n}.jpg"]) | {"info": {"n": n}}) for n in range(10)]
    found = read_sources(list(map(SourceFile, paths)), Splitter(RULE, ["train", "val"], {}, {}))
    assert first_share(found) == 4
    assert first_share(found[:2]) == 0
