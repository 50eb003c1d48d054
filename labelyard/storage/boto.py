"""boto3: clients from the settings, and its errors as labelyard's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

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
from labelyard.domain.quarantine import ARCHIVED, REFUSED
from labelyard.errors import (
    ObjectArchived,
    ObjectChanged,
    ObjectDeleted,
    ObjectRefused,
    SettingsError,
    StoreError,
    StoreUnauthorized,
    StoreUnreachable,
)
from labelyard.metrics import count_store_response
from labelyard.server_settings import StoreSettings

CONFIG = Config(
    user_agent=f"labelyard/{__version__}",  # botocore builds its own for each request, at a tenth of its cost
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    # Ceph and other stores without checksum trailers reject what newer boto3 sends by default.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
"""Timeouts and retries of every boto3 client."""

_DELETED = frozenset({"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"})  # 405: a delete marker
_TEMPORARY = frozenset(
    {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "RequestThrottled", "ThrottlingException"}
)
_TEMPORARY_STATUS = frozenset({429, 500, 502, 503, 504})
_OF_ACCOUNT = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
     "RequestTimeTooSkewed", "NotSignedUp", "AccountProblem", "AllAccessDisabled",
     "InvalidSecurity", "InvalidClientTokenId", "UnrecognizedClientException"}
)  # fmt: skip
"""Codes that refuse whatever is asked."""
_OF_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName", "AuthorizationHeaderMalformed"})
_REFUSED_STATUS = frozenset({400, 403})  # 400: SSE-C without its key, or a KMS key that is disabled or deleted
_SET_KEYS = "set LABELYARD_STORE__ACCESS_KEY_ID and LABELYARD_STORE__SECRET_ACCESS_KEY, or AWS's own profile or role"
_ALLOW = "let this account read, list and write there (s3:GetObject, s3:ListBucket, s3:PutObject)"
S3_NEXT_STEPS = {
    "403": _ALLOW,
    "AccessDenied": _ALLOW,
    "NoSuchBucket": "create the bucket, or correct its name in the dataset file and `labelyard apply` it",
    "InvalidAccessKeyId": _SET_KEYS,
    "SignatureDoesNotMatch": _SET_KEYS,
    "ExpiredToken": "renew the credentials",
    "InvalidToken": "renew the credentials",
    "AuthorizationHeaderMalformed": "set LABELYARD_STORE__REGION to the bucket's region",
    "RequestTimeTooSkewed": "set this machine's clock",
}
"""What to do about S3's error codes."""


def boto_client(service: str, settings: StoreSettings, endpoint_url: str | None, config: Config = CONFIG) -> Any:
    """Return a boto3 client with the credentials of the settings; boto3's own sources supply what they lack.

    Raises SettingsError if they are in a block that was not read.
    """
    if settings.block:
        raise SettingsError(f"the block {settings.block} was not read", where="LABELYARD_STORE__BLOCK")
    secret = settings.secret_access_key
    core = botocore.session.get_session()
    core.register_component("data_loader", _loader())
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
    session = boto3.session.Session(botocore_session=core, region_name=settings.region)
    # boto3 requires a region, and stores with their own endpoint rarely use one.
    region = session.region_name or ("us-east-1" if endpoint_url else None)
    client = session.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        config=config,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
    )

    def count(parsed_response: dict[str, Any] | None, **_: object) -> None:  # of each attempt, retried ones too
        status = (parsed_response or {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
        count_store_response(service, status)

    client.meta.events.register("response-received", count)
    return client


@cache
def _loader() -> Any:
    """Return botocore's loader of service descriptions, which keeps what it has read for every later client."""
    return botocore.session.get_session().get_component("data_loader")


def parse_time(value: Any) -> Any:
    """Return a time of a response. botocore's parser guesses the form, which is half the cost of a listing's page."""
    if isinstance(value, str):
        for parse in (datetime.fromisoformat, parsedate_to_datetime):  # of a body, of a header
            with suppress(ValueError):
                return parse(value)
    return parse_timestamp(value)


@contextmanager
def boto_errors(
    where: str,
    next_steps: Mapping[str, str] = S3_NEXT_STEPS,
    *,
    of_object: bool = False,
    otherwise: str = "labelyard doctor",
) -> Iterator[None]:
    """Raise boto3's errors as labelyard's; `next_steps` says what to do about an error code of the service.

    `otherwise` says what to do about all others, such as no answer.

    With `of_object` the request reads one object: a refusal is then raised as ObjectRefused, unless it says that it
    concerns the account or the bucket.
    """
    try:
        yield
    except ClientError as error:
        raise _service_error(error, where, next_steps, otherwise, of_object=of_object) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreError("no credentials", where=where, next_step=_SET_KEYS) from error
    except NoRegionError as error:
        raise StoreError("no region", where=where, next_step="set LABELYARD_STORE__REGION") from error
    except SSLError as error:
        next_step = "check the endpoint's address and certificate"
        raise StoreError(_one_line(error), where=where, next_step=next_step) from error
    except (NoConnection, HTTPClientError, IncompleteReadError, HTTPError, TimeoutError, ConnectionError) as error:
        raise StoreUnreachable(_one_line(error), where=where, next_step=otherwise) from error
    except (BotoCoreError, ValueError) as error:
        raise StoreError(_one_line(error), where=where, next_step=otherwise) from error


def _service_error(
    error: ClientError, where: str, next_steps: Mapping[str, str], otherwise: str, *, of_object: bool
) -> StoreError:
    found = error.response.get("Error", {})
    code = str(found.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    what = f"{code} {found.get('Message', '')}".strip()
    if code in _DELETED:
        return ObjectDeleted("the object was deleted", where=where)
    if code == "InvalidObjectState":
        return ObjectArchived(f"{ARCHIVED}{found.get('Message', code)}", where=where)
    if status == 412:
        return ObjectChanged("another content was written since it was registered", where=where)
    if code in _TEMPORARY or status in _TEMPORARY_STATUS:
        return StoreUnreachable(what, where=where, next_step=otherwise)
    # A proxy may change the path of single odd keys, whose signature is wrong then.
    wider = (_OF_ACCOUNT | _OF_BUCKET) - {"SignatureDoesNotMatch"}
    if of_object and status in _REFUSED_STATUS and code not in wider:
        return ObjectRefused(f"{REFUSED}{what}", where=where, next_step=_how_to_allow(what, status))
    kind = StoreUnauthorized if code in _OF_ACCOUNT else StoreError
    return kind(what, where=where, next_step=next_steps.get(code, otherwise))


def _how_to_allow(what: str, status: int) -> str:
    """Return what would let this account read an object that the store refuses with these words."""
    if "kms" in what.lower():
        return "let this account use the object's KMS key (kms:Decrypt), or encrypt it with another key"
    if what.startswith("SignatureDoesNotMatch"):
        return "put it under a plainer key: what is between here and the store changes this one"
    if status == 400:
        return "if it is encrypted with a customer's key (SSE-C), which labelyard does not have: put it without one"
    return "let this account read it (s3:GetObject, kms:Decrypt), or put it as an object of the bucket's owner"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
