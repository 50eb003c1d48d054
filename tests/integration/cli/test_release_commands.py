"""`labelyard merge`, `verify` and `diff` from the shell: what they print, their exit status, and kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labelyard.cli import labelyard
from labelyard.errors import LabelyardError
from tests.support.coco_files import content_of, document, splits_of, write

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with two COCO files of two images each."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("one", "two"):
        write(tmp_path / f"{name}.json", document([f"{name}/a.jpg", f"{name}/b.jpg"], labels=("car", "person")))
    return lambda *words: CliRunner().invoke(labelyard, [str(word) for word in words])


def test_a_merge_says_what_it_wrote_and_what_comes_next(run: Run) -> None:
    result = run("merge", "one.json", "two.json", "--to", "release")
    assert result.exit_code == 0, result.output
    assert "8 annotations read, 8 written to release" in result.output
    assert "next: labelyard verify release" in result.output
    verified = run("verify", "release")
    assert (verified.exit_code, verified.output) == (0, "intact: 3 files, 4 images, 8 annotations\n")


def test_a_merge_as_json(run: Run) -> None:
    result = run("merge", "one.json", "two.json", "--to", "release", "--splits", "train=0.9, val=0.1", "--json")
    found = json.loads(result.output)
    assert sorted(found["counts"]) == ["train", "val"]
    assert sum(one["images"] for one in found["counts"].values()) == 4
    assert found["annotations"] == {"read": 8, "written": 8, "duplicates": 0, "left_out": {}}
    assert found["changes"]["annotations"] == {"added": 8, "removed": 0, "changed": 0}


def test_the_previous_release_decides_what_is_not_given(run: Run, tmp_path: Path) -> None:
    run("merge", "one.json", "--to", "first", "--splits", "train=0.5,val=0.5", "--by", r"([ab])\.jpg")
    result = run("merge", "one.json", "two.json", "--to", "second", "--previous", "first")
    assert result.exit_code == 0, result.output
    found = splits_of(tmp_path / "second")
    assert sorted(found) == ["train", "val"]
    for content in found.values():
        assert len({image["file_name"][-5] for image in content["images"]}) <= 1
    different = run("diff", "first", "second")
    assert different.exit_code == 1
    assert "images added: two/a.jpg, two/b.jpg" in different.output
    assert json.loads(run("diff", "first", "second", "--json").output)["images"]["added"] == 2
    same = run("diff", "first", "first")
    assert (same.exit_code, same.output) == (0, "no difference in images, annotations and labels\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing argument 'FILE…'"),
        (["one.json"], "Missing option '--to'"),
        (["one.json", "--to", "two.json"], "is a file"),
        (["one.json", "--to", "release", "--splits", "train"], "'train' is not NAME=FRACTION"),
        (["one.json", "--to", "release", "--splits", "train=x"], "'train=x' is not NAME=FRACTION"),
        (["one.json", "--to", "release", "--splits", ""], "add up to 0"),
        (["one.json", "--to", "release", "--splits", "train=1,train=1"], "train has two fractions"),
        (["one.json", "--to", "release", "--splits", "train=0.5"], "add up to 0.5"),
        (["one.json", "--to", "release", "--splits", "train=1", "--by", "("], "nor a regular expression"),
        (["one.json", "--to", "release", "--by", "folder"], "--by needs --splits"),
    ],
)
def test_nonsense_is_a_usage_error(words: list[str], message: str, run: Run, tmp_path: Path) -> None:
    result = run("merge", *words)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "release").exists()


def test_a_file_that_cannot_be_merged_is_an_error(run: Run, tmp_path: Path) -> None:
    result = run("merge", "one.json", "absent.json", "--to", "release")
    assert isinstance(result.exception, LabelyardError)
    assert str(result.exception).startswith("absent.json: the file cannot be read: No such file or directory")
    assert not (tmp_path / "release").exists()


def test_verify_names_each_fault(run: Run, tmp_path: Path) -> None:
    run("merge", "one.json", "--to", "release")
    (tmp_path / "release" / "images.jsonl").unlink()
    (tmp_path / "release" / "new\x1b[31m.txt").write_text("")
    result = run("verify", "release")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "removed     images.jsonl: the file is missing",
        "added       new\\x1b[31m.txt: the manifest does not list the file",
    ]
    found = json.loads(run("verify", "release", "--json").output)
    assert (found["intact"], len(found["faults"])) == (False, 2)
    assert found["faults"][0] == {"kind": "removed", "where": "images.jsonl", "message": "the file is missing"}


@pytest.mark.parametrize("words", [["verify", "."], ["verify", "absent"], ["verify", "one.json"], ["diff", ".", "."]])
def test_a_folder_that_is_no_release_ends_with_2(words: list[str], run: Run) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "next: name the folder of a release" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["*.unfinished", "*.unfinished/*.spool"])
def test_a_killed_merge_leaves_nothing_that_looks_like_a_release(moment: str, tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{n}.json", document([f"{n}/{image}.jpg" for image in range(300)], boxes_on_each=10))
        for n in range(4)
    ]
    command = [sys.executable, "-m", "labelyard", "merge", *map(str, paths), "--to"]
    process = subprocess.Popen([*command, str(tmp_path / "release")], stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob(moment)):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "release").exists()
    for name in ("release", "other"):
        subprocess.run([*command, str(tmp_path / name)], check=True, stdout=subprocess.DEVNULL)
    assert content_of(tmp_path / "release") == content_of(tmp_path / "other")
    assert not list(tmp_path.glob(".*"))
