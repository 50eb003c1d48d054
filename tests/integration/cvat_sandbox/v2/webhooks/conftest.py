"""A sandbox whose deliveries are sent again soon, a receiver and a project for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cvat_sandbox import Serving, serve
from tests.support.sandbox_client_v2 import LABELS, USERS
from tests.support.webhook_receiver import RETRIES, Receiver, receiver


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(USERS, version="2.73", webhook_retries=RETRIES) as serving:
        yield serving


@pytest.fixture
def target() -> Iterator[Receiver]:
    with receiver() as kept:
        yield kept


@pytest.fixture
def project(alex: httpx.Client) -> int:
    return int(alex.post("/projects", json={"name": "p", "labels": LABELS}).json()["id"])
