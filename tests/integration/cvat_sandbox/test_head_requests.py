"""HEAD on every GET route answers as GET does, without a body."""

from __future__ import annotations

import re

import httpx
import pytest

from cvat_sandbox.v1.routes import ENDPOINTS
from tests.support.sandbox_client import create

ROUTES = sorted(endpoint.path for endpoint in ENDPOINTS if "GET" in endpoint.handlers)


@pytest.mark.parametrize("route", ROUTES)
def test_head_answers_as_get_does_without_a_body(root: httpx.Client, route: str) -> None:
    task = create(root, name="t", labels=[{"name": "car"}])
    path = re.sub(r"<[^>]*>", str(task), route)
    got, head = root.get(url := f"{root.base_url.copy_with(path='/')}{path[1:]}"), root.head(url)
    assert head.status_code == got.status_code
    assert head.headers.get("Content-Type") == got.headers.get("Content-Type")
    assert head.content == b""


def test_head_on_tasks_is_200(root: httpx.Client) -> None:
    task = create(root, name="t", labels=[{"name": "car"}])
    assert [root.head(path).status_code for path in ("/tasks", f"/tasks/{task}")] == [200, 200]
