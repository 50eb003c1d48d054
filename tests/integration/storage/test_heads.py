"""A look at the store: what is there now, in few requests where many keys lie close together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelyard.domain.objects import StoredObject
from labelyard.errors import StoreError
from labelyard.storage.heads import exist, head_objects
from labelyard.storage.store import Store
from tests.support.emulator import StoreServer


@dataclass
class Looked:
    """A bucket, and a store that counts its requests."""

    server: StoreServer
    bucket: str
    store: Store
    asked: Counter[str] = field(default_factory=Counter)

    def put(self, *keys: str, body: bytes = b"x") -> None:
        for key in keys:
            self.server.store.write(self.bucket, key, body)

    def told(self, *keys: str, etag: str = "", version: str | None = None) -> list[StoredObject]:
        return [StoredObject(self.bucket, key, etag, None, version) for key in keys]

    def look(self, *keys: str) -> list[str]:
        self.asked.clear()
        return sorted(obj.key for obj in head_objects(self.store, self.told(*keys)))


@pytest.fixture
def looked(store_server: StoreServer) -> Iterator[Looked]:
    made = Looked(store_server, store_server.new_bucket(), Store(store_server.settings))

    def count(request: Any, **_: Any) -> None:
        made.asked[request.method] += 1

    made.store._client.meta.events.register("before-send.s3", count)
    return made


NUMBERED = [f"in/{n:04d}.jpg" for n in range(60)]


def test_a_few_objects_are_asked_for_one_by_one(looked: Looked) -> None:
    looked.put(*NUMBERED[:3])
    assert looked.look(*NUMBERED[:4]) == NUMBERED[:3]
    assert looked.asked["HEAD"] == 5  # one more finds that the bucket itself is there
    assert looked.asked["GET"] == 0


def test_many_that_lie_close_together_are_listed(looked: Looked) -> None:
    looked.put(*NUMBERED)
    assert looked.look(*NUMBERED[10:50]) == NUMBERED[10:50]
    assert looked.asked == {"GET": 1}


def test_what_a_listing_does_not_show_is_asked_for(looked: Looked) -> None:
    looked.put(*NUMBERED[::2])
    assert looked.look(*NUMBERED) == NUMBERED[::2]
    assert looked.asked["GET"] >= 1
    assert looked.asked["HEAD"] >= len(NUMBERED[1::2])


def test_where_the_keys_lie_far_apart_the_listing_is_given_up(looked: Looked) -> None:
    far = [f"in/{letter}.jpg" for letter in "bcdefghijk"]
    looked.put(*far, *(f"in/a/{n:03d}.jpg" for n in range(80)), "in/a.jpg")
    assert looked.look("in/a.jpg", *far) == ["in/a.jpg", *far]
    assert looked.asked == {"GET": 1, "HEAD": 10}


def test_an_object_that_is_told_of_twice_is_looked_at_once(looked: Looked) -> None:
    looked.put("in/a.jpg")
    assert looked.look("in/a.jpg", "in/a.jpg", "in/a.jpg") == ["in/a.jpg"]
    assert looked.asked == {"HEAD": 1}


def test_listed_or_asked_for_an_object_is_the_same(looked: Looked) -> None:
    looked.put(*NUMBERED, body=b"some bytes")
    for listed, asked in zip(
        sorted(head_objects(looked.store, looked.told(*NUMBERED)), key=lambda obj: obj.key),
        [looked.store.head(looked.bucket, key) for key in NUMBERED],
        strict=True,
    ):
        assert (listed.key, listed.etag, listed.size) == (asked.key, asked.etag, asked.size)


def test_the_version_is_the_one_that_was_told_with_the_content_that_is_there(looked: Looked) -> None:
    looked.put(*NUMBERED)
    etag = looked.store.head(looked.bucket, NUMBERED[0]).etag
    told = [
        *looked.told(*NUMBERED[:30], etag=etag, version="v1"),
        *looked.told(*NUMBERED[30:], etag="old", version="v0"),
    ]
    versions = {obj.key: obj.version_id for obj in head_objects(looked.store, told)}
    assert [versions[key] for key in NUMBERED] == ["v1"] * 30 + [None] * 30


def test_a_bucket_that_is_missing_is_an_error_and_no_deletion(looked: Looked) -> None:
    for count in (1, 30):
        with pytest.raises(StoreError, match="ucket"):
            head_objects(looked.store, [StoredObject("no-such-bucket", key, "") for key in NUMBERED[:count]])


def test_whether_keys_are_still_there(looked: Looked) -> None:
    looked.put("in/a.jpg")
    assert exist(looked.store, looked.told("in/a.jpg", "in/b.jpg")) == [True, False]
    assert exist(looked.store, []) == []


keys = st.lists(st.text("ab/+% é\U0001f600", min_size=1, max_size=6).filter(lambda key: key.strip("/")), min_size=1)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(there=keys, told=keys)
def test_whatever_the_keys_what_is_there_is_found(looked: Looked, there: list[str], told: list[str]) -> None:
    looked.bucket = looked.server.new_bucket()
    looked.put(*there)
    assert looked.look(*told, *there) == sorted(set(there))
