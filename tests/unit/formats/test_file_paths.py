"""Paths of the files of images: no path leaves its folder, and no file overwrites another one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.formats.file_paths import file_paths

HOSTILE = st.text("abA.é\u0301/\\:\n\0 x2-", max_size=12) | st.sampled_from(
    ["a.xml/b", "../a", "/a", "a" * 300, ".", ""]
)


@pytest.mark.parametrize(
    ("name", "path"),
    [("in/b/a.jpg", "in/b/a"), ("ü d.tar.gz", "ü d.tar"), (".hidden", ".hidden"), ("../../a.jpg", "_/_/a"),
     ("/etc//./a.jpg", "etc/a"), ("a\nb\\c:d.png", "a_b_c_d"), (" a .png", "a_"), ("", "_"), ("a/", "a")],
)  # fmt: skip
def test_a_path_differs_from_the_name_only_where_it_must(name: str, path: str) -> None:
    assert file_paths([name], ".xml") == [path]


def test_later_images_of_the_same_stem_get_a_number() -> None:
    assert file_paths(["a.jpg", "a.png", "A.gif", "a-2.png"], ".xml") == ["a", "a-2", "A-3", "a-2-2"]
    assert file_paths(["a.jpg", "a.png", "a.jpg"]) == ["a.jpg", "a.png", "a-2.jpg"]


def test_no_file_is_the_folder_of_another_one() -> None:
    assert file_paths(["a.jpg", "a.xml/b.jpg"], ".xml") == ["a", "a.xml_b"]
    assert file_paths(["a/b", "a"]) == ["a/b", "a-2"]


@given(names=st.lists(HOSTILE, max_size=8), ending=st.sampled_from(["", ".xml"]))
def test_any_names_become_different_files_in_the_folder(names: list[str], ending: str) -> None:
    paths = file_paths(names, ending)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "dataset"
        for path in paths:
            file = folder / f"{path}{ending}"
            assert file.resolve().is_relative_to(folder.resolve())
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(exist_ok=False)
    assert len({path.casefold() for path in paths}) == len(names)
    assert paths == file_paths(names, ending)
