"""The current state of many objects, in few requests if many keys share a folder."""

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
from labelyard.storage import Store, head_objects, missing_objects
from tests.support.emulator import StoreServer
from tests.support.examples import examples


@dataclass
class CountedBucket:
    """A bucket, and a store that counts its requests."""

    server: StoreServer
    bucket: str
    store: Store
    requests: Counter[str] = field(default_factory=Counter)

    def put(self, *keys: str, body: bytes = b"x") -> None:
        for key in keys:
            self.server.store.write(self.bucket, key, body)

    def notified(self, *keys: str, etag: str = "", version: str | None = None) -> list[StoredObject]:
        return [StoredObject(self.bucket, key, etag, None, version) for key in keys]

    def heads(self, *keys: str) -> list[str]:
        self.requests.clear()
        return sorted(obj.key for obj in head_objects(self.store, self.notified(*keys)))


@pytest.fixture
def counted(store_server: StoreServer) -> Iterator[CountedBucket]:
    made = CountedBucket(store_server, store_server.new_bucket(), Store(store_server.settings))

    def count(request: Any, **_: Any) -> None:
        made.requests[request.method] += 1

    made.store._client.meta.events.register("before-send.s3", count)
    return made


NUMBERED = [f"in/{n:04d}.jpg" for n in range(60)]


def test_a_few_objects_are_headed_one_by_one(counted: CountedBucket) -> None:
    counted.put(*NUMBERED[:3])
    assert counted.heads(*NUMBERED[:4]) == NUMBERED[:3]
    assert counted.requests["HEAD"] == 5  # one more finds that the bucket itself is there
    assert counted.requests["GET"] == 0


def test_many_objects_of_one_folder_are_listed(counted: CountedBucket) -> None:
    counted.put(*NUMBERED)
    assert counted.heads(*NUMBERED[10:50]) == NUMBERED[10:50]
    assert counted.requests == {"GET": 1}


def test_objects_that_a_listing_lacks_are_headed(counted: CountedBucket) -> None:
    counted.put(*NUMBERED[::2])
    assert counted.heads(*NUMBERED) == NUMBERED[::2]
    assert counted.requests["GET"] >= 1
    assert counted.requests["HEAD"] >= len(NUMBERED[1::2])


def test_a_listing_that_finds_too_few_keys_ends_early(counted: CountedBucket) -> None:
    far = [f"in/{letter}.jpg" for letter in "bcdefghijk"]
    counted.put(*far, *(f"in/a/{n:03d}.jpg" for n in range(80)), "in/a.jpg")
    assert counted.heads("in/a.jpg", *far) == ["in/a.jpg", *far]
    assert counted.requests == {"GET": 1, "HEAD": 10}


def test_an_object_notified_twice_is_headed_once(counted: CountedBucket) -> None:
    counted.put("in/a.jpg")
    assert counted.heads("in/a.jpg", "in/a.jpg", "in/a.jpg") == ["in/a.jpg"]
    assert counted.requests == {"HEAD": 1}


def test_a_listed_and_a_headed_object_are_equal(counted: CountedBucket) -> None:
    counted.put(*NUMBERED, body=b"some bytes")
    for listed, headed in zip(
        sorted(head_objects(counted.store, counted.notified(*NUMBERED)), key=lambda obj: obj.key),
        [counted.store.head(counted.bucket, key) for key in NUMBERED],
        strict=True,
    ):
        assert (listed.key, listed.etag, listed.size) == (headed.key, headed.etag, headed.size)


def test_an_object_keeps_the_version_that_was_notified_with_its_etag(counted: CountedBucket) -> None:
    counted.put(*NUMBERED)
    etag = counted.store.head(counted.bucket, NUMBERED[0]).etag
    notified = [
        *counted.notified(*NUMBERED[:30], etag=etag, version="v1"),
        *counted.notified(*NUMBERED[30:], etag="old", version="v0"),
    ]
    versions = {obj.key: obj.version_id for obj in head_objects(counted.store, notified)}
    assert [versions[key] for key in NUMBERED] == ["v1"] * 30 + [None] * 30


def test_a_missing_bucket_is_an_error_and_no_deletion(counted: CountedBucket) -> None:
    for count in (1, 30):
        with pytest.raises(StoreError, match="ucket"):
            head_objects(counted.store, [StoredObject("no-such-bucket", key, "") for key in NUMBERED[:count]])


def test_objects_whose_keys_do_not_exist_are_missing(counted: CountedBucket) -> None:
    counted.put("in/a.jpg")
    assert missing_objects(counted.store, counted.notified("in/a.jpg", "in/b.jpg")) == counted.notified("in/b.jpg")
    assert missing_objects(counted.store, []) == []


keys = st.lists(st.text("ab/+% é\U0001f600", min_size=1, max_size=6).filter(lambda key: key.strip("/")), min_size=1)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(existing=keys, notified=keys)
def test_existing_objects_are_found_for_any_keys(
    counted: CountedBucket, existing: list[str], notified: list[str]
) -> None:
    counted.bucket = counted.server.new_bucket()
    counted.put(*existing)
    assert counted.heads(*notified, *existing) == sorted(set(existing))
