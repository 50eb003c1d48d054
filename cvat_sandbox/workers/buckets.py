"""Buckets of S3, as CVAT's cloud storages use them. boto3 is slow to import: `cloud_files.bucket_of` imports this."""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cvat_sandbox.errors import ForbiddenObject, MissingObject
from cvat_sandbox.state import cloud_storages

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Status = Literal["AVAILABLE", "NOT_FOUND", "FORBIDDEN"]
ACTIONS = {"s3:GetObject": "read", "s3:PutObject": "write"}
TRANSFER = TransferConfig(use_threads=False)
OPTIONS = {
    "connect_timeout": 5, "read_timeout": 60, "retries": {"total_max_attempts": 1}, "max_pool_connections": 16,
    # Ceph and other stores without checksum trailers reject what newer boto3 sends by default.
    "request_checksum_calculation": "when_required", "response_checksum_validation": "when_required",
}  # fmt: skip
DEFAULT_REGION = "us-east-1"


class Page:
    """A part of a folder: the names of its files and folders, and the token of the next part."""

    def __init__(self, response: Mapping[str, Any]) -> None:
        self.files = [item["Key"] for item in response.get("Contents", []) if not item["Key"].endswith("/")]
        self.folders = [item["Prefix"] for item in response.get("CommonPrefixes", [])]
        self.next: str | None = response.get("NextContinuationToken")


class Bucket:
    """The bucket of a cloud storage. Its methods raise MissingObject, ForbiddenObject and what boto3 raises."""

    def __init__(self, name: str, client: Any, *, prefix: str = "") -> None:
        self.name, self._client, self.prefix = name, client, prefix

    def status(self) -> Status:
        """Return whether the bucket can be read."""
        try:
            self._client.head_bucket(Bucket=self.name)
        except ClientError as error:
            return _status_of(error)
        except (BotoCoreError, ValueError):
            return "NOT_FOUND"
        return "AVAILABLE"

    def file_status(self, key: str) -> Status:
        """Return whether a file can be read."""
        try:
            self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            return _status_of(error)
        return "AVAILABLE"

    def actions(self) -> list[str]:
        """Return what the policy of the bucket allows; without a policy everything."""
        try:
            policy = json.loads(self._client.get_bucket_policy(Bucket=self.name)["Policy"])
        except ClientError as error:
            if "NoSuchBucketPolicy" in str(error):
                return ["read", "write"]
            raise
        allowed: set[str] = set()
        for statement in policy["Statement"]:
            if statement.get("Effect") == "Allow":
                named = statement.get("Action", [])
                allowed |= {named} if isinstance(named, str) else set(named)
        return [word for action, word in ACTIONS.items() if action in allowed]

    def page(self, prefix: str, *, token: str, size: int) -> Page:
        """Return a page of the files and folders whose names begin with `prefix`."""
        wanted: dict[str, Any] = {"Bucket": self.name, "MaxKeys": size, "Delimiter": "/"}
        if prefix:
            wanted["Prefix"] = prefix
        if token:
            wanted["ContinuationToken"] = token
        return Page(self._client.list_objects_v2(**wanted))

    def files(self, prefix: str = "") -> Iterator[str]:
        """Yield the names of all files below a folder."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for response in pages:
            yield from Page(response).files

    def read(self, key: str, *, first: int | None = None) -> bytes:
        """Return a file, or its first bytes."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        try:
            content: bytes = self._client.get_object(Bucket=self.name, Key=key, **part)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in {"InvalidRange", "416"}:
                return b""
            raise self._explained(error, key) from None
        return content

    def download(self, key: str, file: Path) -> None:
        """Write a file of the bucket to a place here."""
        file.write_bytes(self.read(key))

    def upload(self, file: Path, key: str) -> None:
        """Write a file into the bucket."""
        self._client.upload_file(str(file), self.name, key, Config=TRANSFER)

    def _explained(self, error: Exception, key: str) -> Exception:
        """Return the error that CVAT has for a file that cannot be read."""
        match self.status():
            case "FORBIDDEN":
                return ForbiddenObject(f"The resource {self.name} is no longer available. Access forbidden.")
            case "NOT_FOUND":
                return MissingObject(f"The resource {self.name} not found. It may have been deleted.")
        match self.file_status(key):
            case "FORBIDDEN":
                return ForbiddenObject(f"Access to the file '{key}' on the '{self.name}' cloud storage is denied")
            case "NOT_FOUND":
                return MissingObject(f"The file '{key}' not found on the cloud storage '{self.name}'")
        return error


def _status_of(error: ClientError) -> Status:
    return "FORBIDDEN" if error.response["Error"]["Code"] == "403" else "NOT_FOUND"


def bucket_of(storage: sqlite3.Row | Mapping[str, Any]) -> Bucket:
    """Return the bucket of a storage, a row of its table or the columns of one.

    Raises ValueError for an address that is none, and for half of the credentials.
    """
    attributes = cloud_storages.attributes_of(storage)
    client = _client(attributes.get("endpoint_url", ""), attributes.get("region", ""), storage["credentials"])
    return Bucket(storage["resource"], client, prefix=attributes.get("prefix", ""))


@lru_cache
def _client(endpoint_url: str, region: str, credentials: str) -> Any:
    """Return a client; to create one takes long, and it may be used by all threads."""
    known = json.loads(credentials)
    if len([name for name in ("key", "secret_key", "session_token") if known.get(name)]) == 1:
        raise ValueError("Insufficient data for authentication")
    options = dict(OPTIONS) if known.get("key") else {**OPTIONS, "signature_version": UNSIGNED}
    with _creating:
        return _session().client(
            "s3", endpoint_url=endpoint_url or None, region_name=region or DEFAULT_REGION,
            aws_access_key_id=known.get("key") or None, aws_secret_access_key=known.get("secret_key") or None,
            aws_session_token=known.get("session_token") or None, config=Config(**options),
        )  # fmt: skip


_creating = threading.Lock()
"""A session of boto3 creates one client at a time."""


@lru_cache
def _session() -> Any:
    return boto3.Session()
