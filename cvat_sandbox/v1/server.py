"""Endpoints of the server itself: about, formats and share, and the lists that are always empty."""

from __future__ import annotations

from cvat_sandbox.formats.registry import EXPORTERS, IMPORTERS
from cvat_sandbox.rest.exceptions import PermissionDenied
from cvat_sandbox.rest.paging import paged
from cvat_sandbox.rest.permissions import allow_any
from cvat_sandbox.rest.request import ApiRequest
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.v1.dispatch import Endpoint

ABOUT = {
    "name": "Computer Vision Annotation Tool",
    "description": (
        "CVAT is completely re-designed and re-implemented version of Video Annotation Tool from Irvine, California "
        "tool. It is free, online, interactive video and image annotation tool for computer vision. It is being used "
        "by our team to annotate million of objects with different properties. Many UI and UX decisions are based on "
        "feedbacks from professional data annotation team."
    ),
    "version": "1.0",
}
READ = "GET, HEAD, OPTIONS"


def api_root(request: ApiRequest) -> ApiResponse:
    """Return the URLs of the lists."""
    return ApiResponse({name: request.url(f"/api/v1/{name}") for name in ("projects", "tasks", "users", "plugins")})


def about(_request: ApiRequest) -> ApiResponse:
    """Return the name and the version of CVAT."""
    return ApiResponse(ABOUT)


def formats(_request: ApiRequest) -> ApiResponse:
    """Return the formats that CVAT 1.0.0 lists."""
    exported = dict.fromkeys(EXPORTERS, "ZIP")
    return ApiResponse({
        kind: [{"name": name, "ext": ext, "version": name.rsplit(" ", 1)[1]} for name, ext in names.items()]
        for kind, names in (("importers", IMPORTERS), ("exporters", exported))
    })  # fmt: skip


def share(request: ApiRequest) -> ApiResponse:
    """Return the entries of a folder of the share."""
    folder = request.query.get("directory", "/").removeprefix("/")
    entries = request.sandbox.share.entries(folder)
    return ApiResponse(f"{folder} is an invalid directory", 400) if entries is None else ApiResponse(entries)


def receive_logs(request: ApiRequest) -> ApiResponse:
    """Accept and drop the logs and exceptions of clients."""
    return ApiResponse(request.body, 201)


def empty_list(request: ApiRequest) -> ApiResponse:
    """Return an empty list."""
    return paged(request, 0, [])


def user_agreements(_request: ApiRequest) -> ApiResponse:
    """Return the agreements that registration requires: none."""
    return ApiResponse([])


def reject(_request: ApiRequest) -> ApiResponse:
    """Reject the creation of an object that the sandbox does not have."""
    raise PermissionDenied


ENDPOINTS = [
    Endpoint("/api/v1/", {"GET": api_root}, READ, name="Api Root"),
    Endpoint("/api/v1/server/about", {"GET": about}, READ, name="About"),
    Endpoint("/api/v1/server/annotation/formats", {"GET": formats}, READ, name="Annotation Formats"),
    Endpoint("/api/v1/server/share", {"GET": share}, READ, name="Share"),
    Endpoint("/api/v1/server/logs", {"POST": receive_logs}, "POST, OPTIONS", name="Logs"),
    Endpoint("/api/v1/server/exception", {"POST": receive_logs}, "POST, OPTIONS", name="Exception"),
    Endpoint("/api/v1/projects", {"GET": empty_list, "POST": reject}, "GET, POST, HEAD", name="Project List"),
    Endpoint("/api/v1/plugins", {"GET": empty_list, "POST": reject}, "GET, POST, HEAD, OPTIONS", name="Plugin List"),
    Endpoint("/api/v1/restrictions/user-agreements", {"GET": user_agreements}, READ, allow_any, "User Agreements"),
]
