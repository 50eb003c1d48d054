"""Responses of what 2.73 has removed (410): the texts name the endpoints to use instead."""

from __future__ import annotations

from typing import Literal

from flask import Response

from cvat_sandbox.rest.responses import plain


def export(kind: Literal["task", "job", "project"], *, save_images: bool) -> Response:
    """Return the response to a GET that asks for an export."""
    path = f"/api/{kind}s/id/dataset/export?save_images={save_images}"
    return plain(
        f"This endpoint is no longer supported.\nTo initiate the export process, use POST {path}.\n"
        "To check the process status, use GET /api/requests/rq_id,\n"
        "where rq_id is obtained from the response of the previous request.\n"
        "To download the prepared file, use the result_url obtained from the response of the previous request.\n", 410,
    )  # fmt: skip


def import_status() -> Response:
    """Return the response to a PUT that asks for the state of an import."""
    return plain(
        "This endpoint no longer supports checking the status of the import process.\n"
        "The common requests API should be used instead: GET /api/requests/rq_id,\n"
        "where rq_id is obtained from the response of the initializing request.\n", 410,
    )  # fmt: skip
