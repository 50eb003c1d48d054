"""Endpoints for what is in the bucket of a cloud storage. Their errors are JSON texts, or plain ones."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Response
from PIL import Image

from cvat_sandbox.errors import ForbiddenObject, MissingObject, WorkerValidationError
from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.rest.responses import ApiResponse, plain, to_json
from cvat_sandbox.state import media, pillow12
from cvat_sandbox.v2.cloud_storages import permitted
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.request import OrganizationRequest
from cvat_sandbox.workers.cloud_files import Manifest, bucket_of

if TYPE_CHECKING:
    from cvat_sandbox.workers.buckets import Bucket

MAX_PAGE_SIZE = 500
PREVIEW_SIZE = (256, 256)


def _asked(answer: Callable[[OrganizationRequest, sqlite3.Row], ApiResponse | Response]) -> Any:
    """Return a handler that asks the bucket of a storage; all errors are texts."""

    def handle(request: OrganizationRequest, pk: str) -> ApiResponse | Response:
        try:
            return answer(request, permitted(request, pk, "view"))
        except Exception as error:  # noqa: BLE001 - the real server catches all, too
            return _refusal(error)

    handle.__doc__ = answer.__doc__
    return handle


def _refusal(error: Exception) -> ApiResponse:
    """Return the text of an error; also a storage that does not exist is an internal error, as on the real server."""
    match error:
        case PermissionDenied(detail=detail):
            return ApiResponse(detail["detail"], 403)
        case WorkerValidationError(args=(text, *_)):
            return ApiResponse(text, 400)
        case ForbiddenObject():
            return ApiResponse(str(error), 403)
        case MissingObject():
            return ApiResponse(str(error), 404)
        case _:
            return ApiResponse("An internal error has occurred", 500)


def get_status(_request: OrganizationRequest, storage: sqlite3.Row) -> ApiResponse:
    """Return whether the bucket can be read."""
    return ApiResponse(bucket_of(storage).status())


def get_actions(_request: OrganizationRequest, storage: sqlite3.Row) -> Response:
    """Return what the bucket allows."""
    return Response(to_json(bucket_of(storage).actions()), content_type="text/plain")


def get_content(request: OrganizationRequest, storage: sqlite3.Row) -> ApiResponse | Response:
    """Return a page of a folder, of the bucket or of one of its manifests."""
    query = request.query
    prefix, token = query.get("prefix", "").removeprefix("/"), query.get("next_token", "")
    wanted = query.get("page_size", str(MAX_PAGE_SIZE))
    if not wanted.isdigit():
        return plain("Wrong value for page_size was found", 400)
    size = min(int(wanted), MAX_PAGE_SIZE)
    if query.get("manifest_path"):
        if token and not token.isdigit():
            return plain("Wrong value for the next_token parameter was found.", 400)
        return ApiResponse(_in_manifest(bucket_of(storage), query["manifest_path"], prefix, int(token or 0), size))
    bucket = bucket_of(storage)
    return ApiResponse(_in_bucket(bucket, prefix, token, size))


def _in_bucket(bucket: Bucket, prefix: str, token: str, size: int) -> dict[str, Any]:
    if not (bucket.prefix.startswith(prefix) or prefix.startswith(bucket.prefix)):
        return {"next": None, "content": []}
    searched = max(prefix, bucket.prefix, key=len)
    page = bucket.page(searched, token=token, size=size)
    names = [(name.strip("/"), "DIR") for name in page.folders] + [(name, "REG") for name in page.files]
    start = searched.rfind("/") + 1
    return {"next": page.next, "content": [_entry(name[start:], kind) for name, kind in names]}


def _in_manifest(bucket: Bucket, name: str, prefix: str, start: int, size: int) -> dict[str, Any]:
    """Return a page of the folders and files that a manifest names."""
    names = [key[prefix.rfind("/") + 1 :] for key in _manifest(bucket, name).names if key.startswith(prefix)]
    folders = sorted({key.split("/")[0] for key in names if "/" in key}, key=media.natural_key)
    files = sorted((key for key in names if "/" not in key), key=media.natural_key)
    entries = [*(_entry(key, "DIR") for key in folders), *(_entry(key, "REG") for key in files)]
    is_last = start + size >= len(entries)
    return {"next": None if is_last else str(start + size), "content": entries[start : start + size]}


def _entry(name: str, kind: str) -> dict[str, str]:
    found = media.kind_of(name)
    mime = "DIR" if kind == "DIR" else "archive" if found == "zip" else found or "unknown"
    return {"name": name, "type": kind, "mime_type": mime}


def _manifest(bucket: Bucket, name: str) -> Manifest:
    return Manifest(name, bucket.read(name))


def get_preview(_request: OrganizationRequest, storage: sqlite3.Row) -> Response:
    """Return the first image of a manifest, made small; 404 without a manifest."""
    bucket = bucket_of(storage)
    for name in json.loads(storage["manifests"]):
        images = _manifest(bucket, name).names
        if images:
            return Response(_small(bucket.read(images[0])), content_type="image/jpeg")
    return plain("Cloud storage preview not found", 404)


def _small(content: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        pillow12.load(image)
        small = pillow12.to_rgb(image)
    small.thumbnail(PREVIEW_SIZE)
    small.save(out, "JPEG")
    return out.getvalue()


ENDPOINTS = [
    Endpoint("/api/cloudstorages/<pk>/status", {"GET": _asked(get_status)}, "Status"),
    Endpoint("/api/cloudstorages/<pk>/actions", {"GET": _asked(get_actions)}, "Actions"),
    Endpoint("/api/cloudstorages/<pk>/content-v2", {"GET": _asked(get_content)}, "Content V2"),
    Endpoint("/api/cloudstorages/<pk>/preview", {"GET": _asked(get_preview)}, "Preview"),
]
