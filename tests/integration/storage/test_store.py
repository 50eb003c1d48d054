"""The store over HTTP, against an emulator of S3."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from labelyard.domain.objects import StoredObject
from labelyard.errors import (
    ObjectArchived,
    ObjectChanged,
    ObjectDeleted,
    ObjectRefused,
    StoreError,
    StoreUnauthorized,
    StoreUnreachable,
)
from labelyard.server_settings import StoreSettings
from labelyard.sources.parsers import parse_message
from labelyard.storage import Store
from labelyard.storage.boto import parse_time
from labelyard.supervisor.stack import free_ports
from tests.support.emulator import StoreServer
from tests.support.paths import RECORDINGS

MESSAGES = RECORDINGS / "s3-events"


def recorded_keys() -> list[str]:
    """Every key in the recorded notifications, and some more."""
    messages = (
        parse_message(json.dumps(json.loads(f.read_text())["payload"]).encode()) for f in MESSAGES.glob("*.json")
    )
    return sorted(
        {one.object.key for message in messages for one in message.created} | {"..", "../x", "a/./b", "?x=1#y", " "}
    )


def content(store: Store, obj: StoredObject) -> bytes:
    return b"".join(store.read(obj))


def test_every_recorded_key_survives_a_round_trip(store_server: StoreServer, store: Store, bucket: str) -> None:
    keys = recorded_keys()
    assert len(keys) > 30
    assert max(len(key.encode()) for key in keys) == 1024
    for key in keys:
        etag = store.write(bucket, key, key.encode(), "image/jpeg")
        found = store.head(bucket, key)
        assert (found.key, found.etag, found.size) == (key, etag, len(key.encode()))
        assert content(store, found) == key.encode()
        assert httpx.get(store.presign(found, 60)).content == key.encode() or {".", ".."} & set(key.split("/"))
    listed = list(store.list(bucket))
    assert {obj.key for obj in listed} == set(keys)
    assert {obj.etag for obj in listed} == {hashlib.md5(key.encode()).hexdigest() for key in keys}
    for key in keys:
        store_server.delete(bucket, key)
    assert list(store.list(bucket)) == []


def test_notifications_contain_the_keys_that_were_written(store_server: StoreServer, store: Store, bucket: str) -> None:
    queue = store_server.new_queue()
    store_server.notify(bucket, queue)
    keys = {key for key in recorded_keys() if not key.endswith("/")}
    for key in keys:
        store.write(bucket, key, b"x")
    notified: dict[str, StoredObject] = {}
    sqs = store_server.boto("sqs")
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            notified |= {one.object.key: one.object for one in parse_message(message["Body"].encode()).created}
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert set(notified) == keys
    assert all(store.head(bucket, key) == obj for key, obj in notified.items())


def test_a_file_is_written_from_disk(store: Store, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"{}" * 1_000_000)
    etag = store.write(bucket, "a.json", file, "application/json")
    assert store.head(bucket, "a.json").etag == etag == hashlib.md5(file.read_bytes()).hexdigest()
    assert content(store, store.head(bucket, "a.json")) == file.read_bytes()


def test_an_object_is_read_in_pieces(store: Store, bucket: str) -> None:
    store.write(bucket, "big", bytes(3_500_000))
    assert [len(piece) for piece in store.read(store.head(bucket, "big"))] == [1048576] * 3 + [354272]


@pytest.mark.slow  # it writes more than a page; tests/integration/operations/test_backfill.py reads several too
def test_a_listing_has_the_keys_of_its_prefix_from_all_pages(store: Store, bucket: str) -> None:
    for n in range(1005):
        store.write(bucket, f"in/{n:04d}", b"")
    store.write(bucket, "out/1", b"")
    assert [obj.key for obj in store.list(bucket, "in/")] == [f"in/{n:04d}" for n in range(1005)]


def test_content_other_than_the_registered_one_is_not_read(store: Store, bucket: str) -> None:
    store.write(bucket, "a", b"one")
    registered = store.head(bucket, "a")
    store.write(bucket, "a", b"two")
    with pytest.raises(ObjectChanged, match="another content") as caught:
        content(store, registered)
    assert caught.value.where == f"s3://{bucket}/a"


def test_in_a_versioned_bucket_the_registered_version_is_read(store_server: StoreServer, store: Store) -> None:
    bucket = store_server.new_bucket(versioned=True)
    store.write(bucket, "a", b"one")
    registered = store.head(bucket, "a")
    assert registered.version_id
    store.write(bucket, "a", b"two")
    assert content(store, registered) == b"one"
    store_server.delete(bucket, "a")
    assert content(store, registered) == b"one"
    assert not store.exists(bucket, "a")


def test_a_deleted_object_does_not_exist(store_server: StoreServer, store: Store, bucket: str) -> None:
    store.write(bucket, "a", b"one")
    registered = store.head(bucket, "a")
    assert store.exists(bucket, "a")
    store_server.delete(bucket, "a")
    store_server.delete(bucket, "a")
    assert not store.exists(bucket, "a")
    with pytest.raises(ObjectDeleted, match="deleted"):
        store.head(bucket, "a")
    with pytest.raises(ObjectDeleted, match="deleted"):
        content(store, registered)


def test_a_missing_bucket_is_not_taken_for_a_deleted_object(store: Store) -> None:
    for act in (
        lambda: store.head("no-such-bucket", "a"),
        lambda: store.exists("no-such-bucket", "a"),
        lambda: content(store, StoredObject("no-such-bucket", "a", "e")),
        lambda: list(store.list("no-such-bucket")),
        lambda: store.write("no-such-bucket", "a", b""),
    ):
        with pytest.raises(StoreError) as caught:
            act()
        assert type(caught.value) is StoreError
        assert "s3://no-such-bucket" in str(caught.value)
        assert "create the bucket" in str(caught.value)


def test_an_unreachable_store_is_a_temporary_error() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    store = Store(StoreSettings(endpoint_url=url, access_key_id="a", secret_access_key=SecretStr("hush"), region="x"))
    with pytest.raises(StoreUnreachable) as caught:
        store.head("bucket", "key")
    assert caught.value.retry
    assert "hush" not in str(caught.value)
    assert "s3://bucket/key" in str(caught.value)


def test_the_error_for_missing_credentials_names_the_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match="no credentials") as caught:
        Store(StoreSettings(endpoint_url="http://127.0.0.1:1", region="x")).head("bucket", "key")
    assert "LABELYARD_STORE__ACCESS_KEY_ID" in caught.value.next_step


def test_an_incomplete_key_pair_and_an_invalid_endpoint_are_clear_errors() -> None:
    with pytest.raises(StoreError, match="no credentials"):
        Store(StoreSettings(endpoint_url="http://127.0.0.1:1", access_key_id="a"))
    with pytest.raises(StoreError, match="Invalid endpoint"):
        Store(StoreSettings(endpoint_url="not an address", access_key_id="a", secret_access_key=SecretStr("b")))


def test_an_invalid_bucket_name_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="bucket name"):
        store.head("No Bucket!", "a")


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (403, "AccessDenied", ObjectRefused, "s3:GetObject"),
        (403, "InvalidAccessKeyId", StoreUnauthorized, "LABELYARD_STORE__ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", ObjectRefused, "plainer key"),
        (403, "ExpiredToken", StoreUnauthorized, "renew"),
        (403, "RequestTimeTooSkewed", StoreUnauthorized, "clock"),
        (400, "AuthorizationHeaderMalformed", StoreError, "REGION"),
        (403, "InvalidObjectState", ObjectArchived, ""),
        (404, "NoSuchVersion", ObjectDeleted, ""),
        (405, "MethodNotAllowed", ObjectDeleted, ""),
        (418, "Teapot", StoreError, "labelyard doctor"),
        (503, "SlowDown", StoreUnreachable, ""),
        (500, "InternalError", StoreUnreachable, ""),
    ],
)
def test_an_error_code_becomes_an_error_with_a_next_step(status: int, code: str, kind: type, advice: str) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>because</Message></Error>".encode()
    answer = b"HTTP/1.1 %d X\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
    with raw_server(answer % (status, len(body), body)) as store, pytest.raises(StoreError) as caught:
        content(store, StoredObject("bucket", "a", "e"))
    assert type(caught.value) is kind
    assert advice in caught.value.next_step


@pytest.mark.parametrize("length", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_an_incomplete_body_is_a_temporary_error(length: bytes) -> None:
    answer = b'HTTP/1.1 200 OK\r\n%s\r\nETag: "e"\r\nConnection: close\r\n\r\n32\r\nhalf' % length
    with raw_server(answer) as store, pytest.raises(StoreUnreachable):
        content(store, StoredObject("bucket", "a", "e"))


@contextmanager
def raw_server(answer: bytes) -> Iterator[Store]:
    """A store whose every response is these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        yield Store(
            StoreSettings(
                endpoint_url=f"http://127.0.0.1:{port}",
                region="x",
                access_key_id="a",
                secret_access_key=SecretStr("b"),
                addressing_style="path",
            )
        )
        listener.shutdown(socket.SHUT_RDWR)


def test_a_presigned_url_expires_and_is_signed(store_server: StoreServer, store: Store, bucket: str) -> None:
    store.write(bucket, "a b+c.jpg", b"x")
    url = store.presign(store.head(bucket, "a b+c.jpg"), 77)
    assert re.search(r"X-Amz-Expires=77\b", url)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url


@pytest.mark.parametrize(
    "written", ["2026-11-26T15:28:12.000Z", "Thu, 26 Nov 2026 15:28:12 GMT", "2026-11-26 15:28:12Z", 1795706892]
)
def test_a_time_is_parsed_in_every_form_that_stores_use(written: object) -> None:
    assert parse_time(written) == datetime(2026, 11, 26, 15, 28, 12, tzinfo=UTC)
