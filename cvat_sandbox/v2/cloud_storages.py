"""Endpoints for cloud storages. The bucket is asked at once, and errors of a creation are plain text."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import TYPE_CHECKING, Any

from flask import Response

from cvat_sandbox.errors import Rejected
from cvat_sandbox.rest.exceptions import ApiException, PermissionDenied, ValidationError
from cvat_sandbox.rest.fields import CharField, ChoiceField, Field, ListField, Serializer
from cvat_sandbox.rest.responses import ApiResponse, plain
from cvat_sandbox.state import cloud_storages
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import JSON, Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import people_json, rows_of
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.v2.rules import is_admin
from cvat_sandbox.workers.cloud_files import bucket_of

if TYPE_CHECKING:
    from cvat_sandbox.workers.buckets import Bucket

_OWNER = "(SELECT username FROM user WHERE id = t.owner)"
LISTING = Listing(
    "cloud_storage t", "t.id",
    {
        "id": Column("t.id", "number"), "provider_type": Column("t.provider_type"), "name": Column("t.display_name"),
        "resource": Column("t.resource"), "credentials_type": Column("t.credentials_type"), "owner": Column(_OWNER),
        "description": Column("t.description"),
    },
    simple=("provider_type", "name", "resource", "credentials_type", "owner"),
    search=("provider_type", "name", "resource", "credentials_type", "owner", "description"), order="-id",
)  # fmt: skip


class AttributesField(CharField):
    """Pairs like those of a query."""

    def to_internal_value(self, value: Any) -> str:
        """Return the text."""
        text = super().to_internal_value(value)
        if text and any(len(pair.split("=")) != 2 for pair in text.split("&")):
            raise ValidationError("Invalid specific attributes")
        return text


def _secret(length: int) -> CharField:
    return CharField(max_length=length, allow_blank=True, required=False)


STORAGE = Serializer({
    "provider_type": ChoiceField(*cloud_storages.PROVIDERS), "resource": CharField(max_length=222),
    "display_name": CharField(max_length=63), "credentials_type": ChoiceField(*cloud_storages.CREDENTIALS_TYPES),
    "session_token": _secret(440), "account_name": _secret(24), "key": _secret(40), "secret_key": _secret(64),
    "connection_string": _secret(440), "key_file": Field(required=False),
    "specific_attributes": AttributesField(max_length=1024, allow_blank=True, required=False),
    "description": CharField(allow_blank=True, required=False), "manifests": ListField(CharField(), required=False),
})  # fmt: skip


def list_storages(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the storages that the user sees, newest first."""
    if request.query.get("provider_type", cloud_storages.S3) not in cloud_storages.PROVIDERS:
        raise ValidationError(["Unsupported type of cloud provider"])
    return listed(request, LISTING, permissions.visible(request, "cloud_storage"), lambda ids: _shown(request, ids))


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    rows = rows_of(request.sandbox.db, "cloud_storage", ids)
    people = people_json(request.sandbox.db, [row["owner"] for row in rows], request.url(""))
    names = ("id", "created_date", "updated_date", "provider_type", "resource", "display_name", "credentials_type",
             "specific_attributes", "description")  # fmt: skip
    return [
        {**{name: row[name] for name in names}, "owner": people[row["owner"]],
         "manifests": json.loads(row["manifests"]), "organization": row["organization_id"]}
        for row in rows
    ]  # fmt: skip


def create_storage(request: OrganizationRequest) -> ApiResponse | Response:
    """Create a storage, unless its bucket cannot be read or a manifest is missing there."""
    permissions.check_creation(request, "cloud_storage")
    try:
        values = cloud_storages.columns(_validated(request))
    except ValidationError as error:
        return plain(_lines(error.detail), 400)
    except ValueError as error:  # what boto3 says about the address or the credentials
        return plain(str(error), 400)
    key = cloud_storages.create(
        request.sandbox.db, {**values, "owner": request.user.id, "organization_id": request.organization.id}
    )
    return ApiResponse(_shown(request, [key])[0], 201)


def _lines(detail: Any) -> str:
    """Return the errors of fields as lines of text, the first of each."""
    if not isinstance(detail, dict):
        return str(detail)
    return "".join(f"{name}: {text if isinstance(text, str) else text[0]}\n" for name, text in detail.items())


def _validated(request: OrganizationRequest, known: sqlite3.Row | None = None) -> dict[str, Any]:
    """Return the values of the body once the bucket has been asked. known: the row to change.

    Raises ValidationError, and ApiException for a bucket that is not one of S3.
    """
    values = STORAGE.run_validation(request.body, partial=known is not None)
    row = {**(dict(known) if known else {"specific_attributes": ""}), **cloud_storages.columns(values, known)}
    if row["provider_type"] != cloud_storages.S3:
        raise ApiException(501, {"detail": f"The sandbox does not serve storages of {row['provider_type']}."})
    _check_bucket(bucket_of(row), values.get("manifests", []), "update" if known else "create")
    return values


def _check_bucket(bucket: Bucket, manifests: list[str], verb: str) -> None:
    """Raise ValidationError for a bucket or a manifest that cannot be read."""
    match bucket.status():
        case "FORBIDDEN":
            text = f"Cannot {verb} resource {bucket.name} with specified credentials. Access forbidden."
            raise ValidationError({"credentials": [text]})
        case "NOT_FOUND":
            text = f"The resource {bucket.name} not found. It may have been deleted."
            raise ValidationError({"resource": [text]})
    for name in manifests:
        match bucket.file_status(name):
            case "FORBIDDEN":
                text = f"The '{name}' file does not available on '{bucket.name}' cloud storage. Access denied"
                raise ValidationError({"manifests": [text]})
            case "NOT_FOUND":
                raise ValidationError({
                    "manifests": [f"The '{name}' file does not exist on '{bucket.name}' cloud storage"]
                })  # fmt: skip


def get_storage(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a storage."""
    return ApiResponse(_shown(request, [permitted(request, pk, "view")["id"]])[0])


def update_storage(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change a storage, unless its bucket cannot be read."""
    storage = permitted(request, pk, "update")
    values = cloud_storages.columns(_validated(request, storage), storage)
    cloud_storages.change(request.sandbox.db, storage["id"], values)
    return ApiResponse(_shown(request, [storage["id"]])[0])


def delete_storage(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a storage. The tasks that use it remain."""
    cloud_storages.delete(request.sandbox.db, permitted(request, pk, "delete")["id"])
    return ApiResponse(status=204)


def permitted(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    """Return the storage of a path; raises NotFound, or PermissionDenied if the user may not `action` it."""
    storage = request.find("cloud_storage", pk)
    permissions.check(request, "cloud_storage", action, storage)
    return storage


# -- storages that other requests name


def check_body(request: OrganizationRequest, body: Any, organization_id: int | None) -> None:
    """Raise Rejected or PermissionDenied for a storage in a body that the user may not read.

    organization_id: the organization to which the storage must belong.
    """
    key = body.get("cloud_storage_id") if isinstance(body, dict) else None
    if key is not None and key != "":
        named_storage(request, key, organization_id)


def named_storage(request: OrganizationRequest, key: Any, organization_id: int | None) -> sqlite3.Row:
    """Return the storage with an id that the user may read; raises Rejected, PermissionDenied."""
    storage = request.sandbox.db.one("SELECT * FROM cloud_storage WHERE id = ?", _number(key))
    if storage is None:
        raise Rejected("CloudStorage matching query does not exist.")
    permissions.check(request, "cloud_storage", "view", storage)
    if storage["organization_id"] != organization_id and not is_admin(request.user):
        raise PermissionDenied
    return storage


def _number(key: Any) -> int:
    return int(key) if re.fullmatch(r"\d{1,18}", str(key)) else 0


ENDPOINTS = [
    Endpoint(
        "/api/cloudstorages",
        {"GET": list_storages, "POST": create_storage},
        "Cloud Storage List",
        parsers=(*JSON, "multipart/form-data"),
    ),
    Endpoint(
        "/api/cloudstorages/<pk>",
        {"GET": get_storage, "PATCH": update_storage, "DELETE": delete_storage},
        "Cloud Storage Instance",
        parsers=(*JSON, "multipart/form-data"),
    ),
]
