from __future__ import annotations

import string
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.frame_matching import match_frames
from labelyard.domain.naming import (
    attempt_name,
    batch_id,
    digest_in,
    digest_of,
    frame_order,
    task_name,
    upload_identity,
    upload_names,
)
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


def test_equal_base_names_of_two_folders_get_numbers_and_the_hash_of_their_keys_and_keep_stem_and_suffix() -> None:
    names = upload_names(["cam1/0001.jpg", "cam1/0002.jpg", "cam2/0001.jpg", "cam2/0002.jpg"])
    digests = [digest_of(key) for key in ("cam1/0001.jpg", "cam1/0002.jpg", "cam2/0001.jpg", "cam2/0002.jpg")]
    stems = ("1-0001", "2-0002", "3-0001", "4-0002")
    assert names == [f"{stem}-{digest}.jpg" for stem, digest in zip(stems, digests, strict=True)]
    assert [digest_in(name) for name in names] == digests


def test_base_names_whose_text_order_is_not_that_of_their_numbers_get_numbers() -> None:
    names = upload_names([f"in/frame{number}.jpg" for number in range(1, 12)])
    assert [name[:10] for name in names[:2]] == ["01-frame1-", "02-frame2-"]
    assert names == sorted(names)


def test_long_names_with_the_same_beginning_stay_in_order() -> None:
    names = upload_names([f"in/{'x' * 130}{number:03d}.jpg" for number in range(200)])
    assert names == sorted(names)


@given(st.one_of(keys, ugly))
def test_names_sort_as_text_in_the_order_of_frames(keys: list[str]) -> None:
    ordered = sorted(keys, key=lambda key: frame_order(StoredObject("bucket", key, "e")))
    names = upload_names(ordered)
    assert names == sorted(names)


folders = st.sampled_from(["drive_2", "drive_10", "drive_1", "a/drive_1", "a"])
sequences = st.lists(st.builds("{}/{}.jpg".format, folders, st.integers(0, 120)), unique=True, max_size=60)


@given(sequences)
def test_frames_are_in_order_folder_by_folder_and_by_number_in_a_folder(keys: list[str]) -> None:
    ordered = sorted(keys, key=lambda key: frame_order(StoredObject("bucket", key, "e")))
    of_folders = [folder for folder, _ in groupby(ordered, lambda key: key.rpartition("/")[0])]
    assert len(of_folders) == len(set(of_folders))
    for _, members in groupby(ordered, lambda key: key.rpartition("/")[0]):
        numbers = [int(key.rpartition("/")[2].removesuffix(".jpg")) for key in members]
        assert numbers == sorted(numbers)
    wanted = ["drive_1", "drive_2", "drive_10"]
    assert [folder for folder in of_folders if folder in wanted] == [one for one in wanted if one in of_folders]


@given(st.one_of(keys, ugly, sequences))
def test_every_name_leads_back_to_its_object(keys: list[str]) -> None:
    """As after the loss of the ledger: the bucket also has objects that are not in the task."""
    objects = sorted((StoredObject("bucket", key, f"etag of {key}") for key in keys), key=frame_order)
    names = upload_names([obj.key for obj in objects], [upload_identity(obj) for obj in objects])
    for name, obj in zip(names, objects, strict=True):
        others = [other for other in objects if other.key.rsplit("/", 1)[-1] != name or other == obj]
        assert match_frames([name], others, {}) == {name: obj}


def test_a_numbered_name_is_not_mistaken_for_a_content_put_later() -> None:
    old, new = (StoredObject("bucket", "in/cam1/1.jpg", etag) for etag in ("old", "new"))
    name, _ = upload_names(["in/cam1/1.jpg", "in/cam2/1.jpg"], [upload_identity(old), "another"])
    assert match_frames([name], [new], {}) == {}
    assert match_frames([name], [new, old], {}) == {name: old}


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
