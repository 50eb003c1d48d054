"""The API families of CVAT, for tests whose behaviour must be the same on each: accounts, and rules of faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from cvat_sandbox import Serving, serve

V1, V2 = "1.0.0", "2.73"
VERSIONS = (V1, V2)

DIALECTS = {V1: "v1", V2: "v2"}

each_cvat = pytest.mark.parametrize("cvat_version", VERSIONS)
"""Run a test that uses the fixture `cvat_version` on a CVAT of each family."""

_ROLES = {V1: {"annotator": "annotator"}, V2: {"annotator": "worker"}}
"""The role of one who only annotates."""
_V2_REQUESTS = {"GET /api/v1/tasks/*/annotations": "POST /api/tasks/*/dataset/export"}
"""Requests that 2.x has replaced, and by which."""


def serve_cvat(version: str, users: Iterable[str], **options: Any) -> AbstractContextManager[Serving]:
    """Serve a sandbox of a version; the `users` are written for 1.0.0."""
    return serve([_user(version, user) for user in users], version=version, **options)


def rules_for(version: str, rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rules of faults that are written for the API of 1.0.0, for a version."""
    return [{**rule, "on": _request(version, rule["on"])} for rule in rules]


def _request(version: str, on: str) -> str:
    return on if version == V1 else _V2_REQUESTS.get(on, on.replace("/api/v1/", "/api/"))


def _user(version: str, user: str) -> str:
    name, password, *roles = user.split(":")
    return ":".join([name, password, *(_ROLES[version].get(role, role) for role in roles)])
