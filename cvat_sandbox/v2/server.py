"""Endpoints for the server: what it is, its health, its formats and plugins."""

from __future__ import annotations

from flask import Response

from cvat_sandbox.rest.responses import ApiResponse, to_json
from cvat_sandbox.state import media
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.formats import EXPORTERS, IMPORTERS
from cvat_sandbox.v2.request import OrganizationRequest

VERSION = "2.73.0"
DESCRIPTION = (
    "CVAT is completely re-designed and re-implemented version of Video Annotation Tool from Irvine, California tool. "
    "It is free, online, interactive video and image annotation tool for computer vision. It is being used by our team "
    "to annotate million of objects with different properties. Many UI and UX decisions are based on feedbacks from "
    "professional data annotation team."
)
HEALTH = ("Cache backend: default", "Cache backend: media", "DatabaseBackend", "DatabaseBackend[default]", "DiskUsage",
          "MemoryUsage", "OPAHealthCheck")  # fmt: skip


def about(request: OrganizationRequest) -> ApiResponse:
    """Return the name and the version of CVAT."""
    return ApiResponse({
        "name": "Computer Vision Annotation Tool", "description": DESCRIPTION, "version": VERSION,
        "logo_url": request.url("/static/logo.svg"), "subtitle": "Open Data Annotation Platform",
    })  # fmt: skip


def health(_request: OrganizationRequest) -> Response:
    """Say that all parts of the server work."""
    return Response(to_json(dict.fromkeys(HEALTH, "working")), 200, content_type="application/json")


def formats(_request: OrganizationRequest) -> ApiResponse:
    """Return the formats that CVAT 2.73 lists."""
    return ApiResponse({
        kind: [
            {"name": found.name, "ext": found.ext, "version": found.name.rsplit(" ", 1)[1], "enabled": True,
             "dimension": found.dimension}
            for found in listed
        ]
        for kind, listed in (("importers", IMPORTERS), ("exporters", EXPORTERS))
    })  # fmt: skip


def plugins(_request: OrganizationRequest) -> ApiResponse:
    """Say that there are no plugins."""
    return ApiResponse({"ANALYTICS": False, "MODELS": False})


def share(request: OrganizationRequest) -> ApiResponse:
    """Return the entries of a folder of the share."""
    folder, wanted = request.query.get("directory", "/").removeprefix("/"), request.query.get("search", "")
    entries = request.sandbox.share.entries(folder)
    if entries is None and folder:
        return ApiResponse(f"{folder} is an invalid directory", 400)
    return ApiResponse([
        {**entry, "mime_type": media.kind_of(entry["name"]) or "unknown" if entry["type"] == "REG" else "DIR"}
        for entry in entries or []
        if wanted in entry["name"]
    ])  # fmt: skip


ENDPOINTS = [
    Endpoint("/api/server/about", {"GET": about}, "About", is_public=True),
    Endpoint("/api/server/health", {"GET": health}, "Health", is_public=True, with_slash=True),
    Endpoint("/api/server/annotation/formats", {"GET": formats}, "Annotation Formats"),
    Endpoint("/api/server/share", {"GET": share}, "Share"),
    Endpoint("/api/server/plugins", {"GET": plugins}, "Plugins"),
]
