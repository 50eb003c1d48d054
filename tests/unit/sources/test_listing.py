"""The order in which listed objects are registered."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.objects import StoredObject, folder_of
from labelyard.sources.listing import markers_last, pages

MARKER = "_SUCCESS"


def listed(*keys: str) -> list[StoredObject]:
    return [StoredObject("pictures", key, "e") for key in keys]


def is_marker(obj: StoredObject) -> bool:
    return obj.key.rsplit("/", 1)[-1] == MARKER


def ordered(*keys: str) -> list[str]:
    return [obj.key for obj in markers_last(listed(*keys), is_marker)]


def test_a_marker_comes_after_the_objects_of_its_folder_and_before_the_next_folder() -> None:
    assert ordered("in/1/_SUCCESS", "in/1/a.jpg", "in/1/b.jpg", "in/2/a.jpg") == [
        "in/1/a.jpg", "in/1/b.jpg", "in/1/_SUCCESS", "in/2/a.jpg",
    ]  # fmt: skip


def test_a_marker_comes_after_the_markers_of_folders_inside_its_own() -> None:
    assert ordered("in/_SUCCESS", "in/a/_SUCCESS", "in/a/x.jpg", "in/b.jpg") == [
        "in/a/x.jpg", "in/a/_SUCCESS", "in/b.jpg", "in/_SUCCESS",
    ]  # fmt: skip


keys = st.lists(st.lists(st.sampled_from(["a", "b", MARKER]), min_size=1, max_size=4).map("/".join), unique=True)


@given(keys)
def test_no_object_is_lost_and_every_marker_follows_its_folder(names: list[str]) -> None:
    result = ordered(*sorted(names))
    assert sorted(result) == sorted(names)
    for position, key in enumerate(result):
        if key.endswith(MARKER):
            assert not [
                later for later in result[position + 1 :] if later.startswith(folder_of(key)) and folder_of(key)
            ]


def test_pages_are_read_as_they_are_needed() -> None:
    read = 0

    def objects() -> Iterator[StoredObject]:
        nonlocal read
        for obj in listed(*map(str, range(2500))):
            read += 1
            yield obj

    found = pages(objects())
    assert len(next(found)) == read == 1000
    assert [len(page) for page in found] == [1000, 500]
