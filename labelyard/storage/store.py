"""Object storage over S3 (AWS, MinIO, Ceph, …). Keys are passed as they are and never become file names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.config import Config

from labelyard.domain.objects import StoredObject, s3_url, version_id
from labelyard.errors import STORE_UNAVAILABLE, ObjectDeleted, ObjectRefused, StoreError
from labelyard.server_settings import StoreSettings
from labelyard.storage.boto import CONFIG, S3_NEXT_STEPS, boto_client, boto_errors
from labelyard.storage.spool import Spool, open_spool

__all__ = ["CHUNK_BYTES", "LISTING_PAGE", "Store"]

CHUNK_BYTES = 1024 * 1024
LISTING_PAGE = 1000
"""Keys in a page of a listing: S3's limit."""


class Store:
    """The object storage of the settings; threads may share it.

    Every method raises StoreUnreachable if a later attempt may succeed, else StoreError with the s3:// address and the
    next command.
    """

    def __init__(self, settings: StoreSettings) -> None:
        own = {"read_timeout": settings.timeout_seconds, "s3": {"addressing_style": settings.addressing_style}}
        config = CONFIG.merge(Config(signature_version="s3v4", **own))
        with boto_errors(settings.endpoint_url or "object storage"):
            self._client = boto_client("s3", settings, settings.endpoint_url, config)

    def head(self, bucket: str, key: str) -> StoredObject:
        """Return the object as it is now, with ETag, size, version. Raises ObjectDeleted, ObjectRefused.

        An object that the store refuses is returned as a listing has it.
        """
        where = s3_url(bucket, key)
        try:
            with boto_errors(where, of_object=True):
                found = self._client.head_object(Bucket=bucket, Key=key)
        except ObjectDeleted:
            self._require_bucket(bucket)
            raise
        except ObjectRefused as refusal:
            return self._listed(bucket, key, refusal)
        return StoredObject(
            bucket=bucket,
            key=key,
            etag=found["ETag"].strip('"'),
            size=found["ContentLength"],
            version_id=version_id(found.get("VersionId")),
        )

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether the key exists now."""
        try:
            self.head(bucket, key)
        except ObjectDeleted:
            return False
        except ObjectRefused:
            pass  # of a key that does not exist a store says so
        return True

    def read(self, obj: StoredObject) -> Iterator[bytes]:
        """Yield the object's bytes, only of the content that its ETag names.

        Raises ObjectDeleted, ObjectChanged, ObjectArchived, ObjectRefused; StoreUnreachable, also if the body ends
        early.
        """
        with boto_errors(obj.url, of_object=True), closing(self._body(obj)) as body:
            yield from body.iter_chunks(CHUNK_BYTES)

    def is_readable(self, obj: StoredObject) -> bool:
        """Return whether the store lets the object be read now; its first byte is read.

        Raises ObjectDeleted, ObjectChanged, ObjectArchived.
        """
        now = replace(obj, version_id=None)  # a former version could be read, too
        first = {"Range": "bytes=0-0"} if obj.size else {}  # an empty object has no first byte: 416
        try:
            with boto_errors(obj.url, of_object=True), closing(self._body(now, **first)) as body:
                body.read(1)
        except ObjectRefused:
            return False
        return True

    def _body(self, obj: StoredObject, **options: str) -> Any:
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        condition = {"IfMatch": f'"{obj.etag}"'} if obj.etag else {}
        return self._client.get_object(Bucket=obj.bucket, Key=obj.key, **version, **condition, **options)["Body"]

    def _listed(self, bucket: str, key: str, refusal: ObjectRefused) -> StoredObject:
        """Return an object whose HEAD the store refuses from a listing. Raises the refusal if that is refused, too."""
        try:
            first = next(self.list(bucket, key, page_size=1), None)
        except STORE_UNAVAILABLE:
            raise
        except StoreError:
            raise refusal from None
        if first is None or first.key != key:
            raise ObjectDeleted("the object was deleted", where=s3_url(bucket, key))
        return first

    def spool(self, objects: Iterable[StoredObject], folder: Path, max_bytes: int) -> AbstractContextManager[Spool]:
        """Fetch many objects in order, several ahead, into `folder`; at most `max_bytes` of them at once."""
        return open_spool(self, objects, folder, max_bytes)

    def write(self, bucket: str, key: str, source: bytes | Path, content_type: str = "application/octet-stream") -> str:
        """Write bytes or a file in one request (at most 5 GB); return the unquoted ETag."""
        where = s3_url(bucket, key)
        if isinstance(source, bytes):
            return self._put(bucket, key, source, content_type, where)
        with source.open("rb") as file:
            return self._put(bucket, key, file, content_type, where)

    def _put(self, bucket: str, key: str, body: Any, content_type: str, where: str) -> str:
        with boto_errors(where):
            response = self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
        etag: str = response["ETag"].strip('"')
        return etag

    def copy(self, obj: StoredObject, bucket: str, key: str) -> StoredObject:
        """Copy the content that the object's ETag names, within the store (at most 5 GB); return the copy.

        Raises ObjectDeleted, ObjectChanged, ObjectArchived, ObjectRefused.
        """
        source = {"Bucket": obj.bucket, "Key": obj.key} | ({"VersionId": obj.version_id} if obj.version_id else {})
        condition = {"CopySourceIfMatch": f'"{obj.etag}"'} if obj.etag else {}
        with boto_errors(obj.url, of_object=True):
            self._client.copy_object(Bucket=bucket, Key=key, CopySource=source, **condition)
        return self.head(bucket, key)

    def list(
        self,
        bucket: str,
        prefix: str = "",
        *,
        after: str = "",
        page_size: int = LISTING_PAGE,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[StoredObject]:
        """Yield the objects below a prefix with keys greater than `after`, in the store's order; one request a page.

        Only those last written at or after `since` and before `until`, times with a time zone. A listing has no version
        ids.
        """
        where = s3_url(bucket, prefix)
        start = {"StartAfter": after} if after else {}
        with boto_errors(where):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": page_size}, **start
            ):
                for found in page.get("Contents", ()):
                    written = found["LastModified"]
                    if (since is not None and written < since) or (until is not None and written >= until):
                        continue
                    yield StoredObject(
                        bucket=bucket,
                        key=found["Key"],
                        etag=found["ETag"].strip('"'),
                        size=found["Size"],
                        modified=written,
                    )

    def presign(self, obj: StoredObject, seconds: int) -> str:
        """Return a URL from which anyone may read the object for `seconds`, if the credentials live that long."""
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        with boto_errors(obj.url):
            url: str = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": obj.bucket, "Key": obj.key, **version}, ExpiresIn=seconds
            )
        return url

    def _require_bucket(self, bucket: str) -> None:
        """Raise StoreError if the bucket is missing: HEAD returns 404 for that too, and no object was deleted then."""
        try:
            with boto_errors(f"s3://{bucket}"):
                self._client.head_bucket(Bucket=bucket)
        except ObjectDeleted as error:
            next_step = S3_NEXT_STEPS["NoSuchBucket"]
            raise StoreError("no such bucket", where=f"s3://{bucket}", next_step=next_step) from error
