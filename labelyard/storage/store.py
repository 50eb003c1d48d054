"""Object storage over boto3: whatever speaks S3 (AWS, MinIO, Ceph, …), with failures of labelyard's own tree.

Keys go to the store as they are and never become names on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NoReturn

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.utils import parse_timestamp
from urllib3.exceptions import HTTPError

from labelyard import __version__
from labelyard.domain.objects import StoredObject, s3_url, version_id
from labelyard.errors import ObjectArchived, ObjectChanged, ObjectDeleted, StoreError, StoreUnreachable
from labelyard.settings import StoreSettings
from labelyard.storage.spool import Spool, open_spool

CHUNK_BYTES = 1024 * 1024
LISTING_PAGE = 1000
"""Keys in a page of a listing: the most that S3 gives."""
CONFIG = Config(
    user_agent=f"labelyard/{__version__}",  # botocore's own is composed anew for each request, at a tenth of its cost
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    # Ceph and other stores that know no checksum trailers refuse what newer boto3 sends by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
"""How patient boto3 is; shared by every client that labelyard makes."""

ARCHIVED = "archived: "
"""How the reason begins that an object in an archive is set aside for."""
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"})  # 405: it is a delete marker
_LATER = frozenset(
    {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "RequestThrottled", "ThrottlingException"}
)
_LATER_STATUS = frozenset({429, 500, 502, 503, 504})
_KEYS = "set LABELYARD_STORE__ACCESS_KEY_ID and LABELYARD_STORE__SECRET_ACCESS_KEY, or AWS's own profile or role"
_NEXT_STEPS = {
    "403": "let this account read, list and write there (s3:GetObject, s3:ListBucket, s3:PutObject)",
    "AccessDenied": "let this account read, list and write there (s3:GetObject, s3:ListBucket, s3:PutObject)",
    "NoSuchBucket": "create the bucket, or correct its name in the dataset file and `labelyard apply` it",
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "ExpiredToken": "renew the credentials",
    "AuthorizationHeaderMalformed": "set LABELYARD_STORE__REGION to the bucket's region",
    "RequestTimeTooSkewed": "set this machine's clock",
}


def client(service: str, settings: StoreSettings, endpoint_url: str | None, config: Config = CONFIG) -> Any:
    """A boto3 client with the credentials of the settings; what they leave open comes from boto3's own sources."""
    secret = settings.secret_access_key
    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    session = boto3.session.Session(botocore_session=core, region_name=settings.region)
    # An endpoint of its own means a store that rarely cares for regions; boto3 wants one all the same.
    region = session.region_name or ("us-east-1" if endpoint_url else None)
    return session.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        config=config,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    )


class Store:
    """The object storage of the settings; safe to share between threads.

    Every method raises StoreUnreachable where waiting may help, else StoreError with the s3:// address and what to do.
    """

    def __init__(self, settings: StoreSettings) -> None:
        own = {"read_timeout": settings.timeout_seconds, "s3": {"addressing_style": settings.addressing_style}}
        config = CONFIG.merge(Config(signature_version="s3v4", **own))
        with failures(settings.endpoint_url or "object storage"):
            self._client = client("s3", settings, settings.endpoint_url, config)

    def head(self, bucket: str, key: str) -> StoredObject:
        """The object as it is now, with ETag, size, version. Raises ObjectDeleted."""
        where = s3_url(bucket, key)
        try:
            with failures(where):
                found = self._client.head_object(Bucket=bucket, Key=key)
        except ObjectDeleted:
            self._require_bucket(bucket)
            raise
        return StoredObject(
            bucket=bucket,
            key=key,
            etag=found["ETag"].strip('"'),
            size=found["ContentLength"],
            version_id=version_id(found.get("VersionId")),
        )

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object now."""
        try:
            self.head(bucket, key)
        except ObjectDeleted:
            return False
        return True

    def read(self, obj: StoredObject) -> Iterator[bytes]:
        """The object's bytes in pieces, only of the content that its ETag names.

        Raises ObjectDeleted, ObjectChanged, ObjectArchived; after some pieces StoreUnreachable, where it breaks off.
        """
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        condition = {"IfMatch": f'"{obj.etag}"'} if obj.etag else {}
        with failures(obj.url):
            answer = self._client.get_object(Bucket=obj.bucket, Key=obj.key, **version, **condition)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(CHUNK_BYTES)

    def spool(self, objects: Iterable[StoredObject], folder: Path, max_bytes: int) -> AbstractContextManager[Spool]:
        """Fetch many objects in their order, several ahead, into `folder`; at most `max_bytes` of them at once."""
        return open_spool(self, objects, folder, max_bytes)

    def write(self, bucket: str, key: str, source: bytes | Path, content_type: str = "application/octet-stream") -> str:
        """Store bytes or a file in one request (at most 5 GB); returns the unquoted ETag."""
        where = s3_url(bucket, key)
        if isinstance(source, bytes):
            return self._put(bucket, key, source, content_type, where)
        with source.open("rb") as file:
            return self._put(bucket, key, file, content_type, where)

    def _put(self, bucket: str, key: str, body: Any, content_type: str, where: str) -> str:
        with failures(where):
            answer = self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
        etag: str = answer["ETag"].strip('"')
        return etag

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object; that there is none is fine."""
        with failures(s3_url(bucket, key)):
            self._client.delete_object(Bucket=bucket, Key=key)

    def list(
        self, bucket: str, prefix: str = "", *, after: str = "", page_size: int = LISTING_PAGE
    ) -> Iterator[StoredObject]:
        """Every object below a prefix (with keys greater than `after`), in the store's order, a page at a time.

        A listing knows no version ids.
        """
        where = s3_url(bucket, prefix)
        start = {"StartAfter": after} if after else {}
        with failures(where):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": page_size}, **start
            ):
                for found in page.get("Contents", ()):
                    yield StoredObject(
                        bucket=bucket,
                        key=found["Key"],
                        etag=found["ETag"].strip('"'),
                        size=found["Size"],
                    )

    def presign(self, obj: StoredObject, seconds: int) -> str:
        """An address from which anybody may read the object for so long (no longer than the credentials live)."""
        version = {"VersionId": obj.version_id} if obj.version_id else {}
        with failures(obj.url):
            url: str = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": obj.bucket, "Key": obj.key, **version}, ExpiresIn=seconds
            )
        return url

    def _require_bucket(self, bucket: str) -> None:
        """HEAD answers 404 for a missing bucket too, and that does not mean that an object was deleted."""
        try:
            with failures(f"s3://{bucket}"):
                self._client.head_bucket(Bucket=bucket)
        except ObjectDeleted as error:
            raise StoreError("no such bucket", where=f"s3://{bucket}", next_step=_NEXT_STEPS["NoSuchBucket"]) from error


def _time(value: Any) -> Any:
    """A time of an answer. botocore's parser guesses the form, which is half of what a page of a listing costs."""
    if isinstance(value, str):
        for parse in (datetime.fromisoformat, parsedate_to_datetime):  # of a body, of a header
            with suppress(ValueError):
                return parse(value)
    return parse_timestamp(value)


@contextmanager
def failures(where: str, next_steps: Mapping[str, str] = _NEXT_STEPS) -> Iterator[None]:
    """Turn boto3's failures into labelyard's; `next_steps` says what to do about an error code of the service."""
    try:
        yield
    except ClientError as error:
        _refused(error, where, next_steps)
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreError("no credentials", where=where, next_step=_KEYS) from error
    except NoRegionError as error:
        raise StoreError("no region", where=where, next_step="set LABELYARD_STORE__REGION") from error
    except SSLError as error:
        raise StoreError(_line(error), where=where, next_step="check the endpoint's address and certificate") from error
    except (NoConnection, HTTPClientError, IncompleteReadError, HTTPError, TimeoutError, ConnectionError) as error:
        raise StoreUnreachable(_line(error), where=where, next_step="labelyard doctor") from error
    except (BotoCoreError, ValueError) as error:
        raise StoreError(_line(error), where=where, next_step="labelyard doctor") from error


def _refused(error: ClientError, where: str, next_steps: Mapping[str, str]) -> NoReturn:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    what = f"{code} {answer.get('Message', '')}".strip()
    if code in _GONE:
        raise ObjectDeleted("the object was deleted", where=where) from error
    if code == "InvalidObjectState":
        raise ObjectArchived(f"{ARCHIVED}{answer.get('Message', code)}", where=where) from error
    if status == 412:
        raise ObjectChanged("another content was written since it landed", where=where) from error
    if code in _LATER or status in _LATER_STATUS:
        raise StoreUnreachable(what, where=where, next_step="labelyard doctor") from error
    raise StoreError(what, where=where, next_step=next_steps.get(code, "labelyard doctor")) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
