from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.naming import attempt_name, batch_id, task_name, upload_names
from labelyard.domain.objects import StoredObject

keys = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200), min_size=1, max_size=60, unique=True)
ugly = st.lists(
    st.builds(
        "{}/{}{}".format,
        st.sampled_from(["cam1", "a/b"]),
        st.sampled_from(["0001", "ABC", "abc", "ü", "a b", "x+y", ".."]),
        st.sampled_from([".jpg", ".JPG", ".png", ""]),
    ),
    unique=True,
    min_size=1,
    max_size=40,
)
SAFE = set(string.ascii_letters + string.digits + "._ ()=@,+-")


@given(st.one_of(keys, ugly))
def test_upload_names_are_unique_safe_and_without_folders(keys: list[str]) -> None:
    names = upload_names(keys)
    assert len(names) == len(keys)
    assert len({name.rpartition(".")[0].lower() or name.lower() for name in names}) == len(names)
    for name in names:
        assert set(name) <= SAFE, name
        assert 0 < len(name) <= 140
        assert name not in (".", "..")


def test_a_base_name_that_is_unique_and_plain_is_kept() -> None:
    assert upload_names(["a/1.jpg", "b/2.jpg"]) == ["1.jpg", "2.jpg"]


def test_equal_base_names_of_two_folders_get_the_hash_of_their_keys_and_keep_stem_and_suffix() -> None:
    one, two = upload_names(["cam1/0001.jpg", "cam2/0001.jpg"])
    assert one != two
    assert one.startswith("0001-")
    assert one.endswith(".jpg")
    assert len(one) == len("0001-12345678.jpg")


def test_a_name_does_not_depend_on_what_else_is_unique_in_the_batch() -> None:
    assert (
        upload_names(["cam1/0001.jpg", "cam2/0001.jpg"])[0] == upload_names(["cam1/0001.jpg", "x/0001.jpg", "y.jpg"])[0]
    )


def test_two_contents_of_one_key_get_two_names() -> None:
    names = upload_names(["a.jpg", "a.jpg"], ["a.jpg\0etag1", "a.jpg\0etag2"])
    assert len(set(names)) == 2


members = st.lists(st.builds(StoredObject, st.just("bucket"), st.text(max_size=20), st.text(max_size=8)), max_size=8)


@given(members, st.randoms())
def test_a_task_name_does_not_depend_on_the_order_of_its_members(objects: list[StoredObject], random: object) -> None:
    shuffled = list(objects)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert task_name("ledger", "b-00001", objects) == task_name("ledger", "b-00001", shuffled)


def test_two_ledgers_or_two_sets_of_members_never_share_a_name() -> None:
    one, two = StoredObject("b", "k", "1"), StoredObject("b", "k", "2")
    names = {task_name(ledger, "d-00001", given) for ledger in ("x", "y") for given in ([one], [two], [one, two])}
    assert len(names) == 6


def test_a_later_attempt_has_a_name_of_its_own_that_the_first_is_part_of() -> None:
    first = task_name("ledger", batch_id("street", 7), [])
    assert first.startswith("street-00007 ")
    assert attempt_name(first, 1) == first
    assert attempt_name(first, 2) == f"{first} #2"
