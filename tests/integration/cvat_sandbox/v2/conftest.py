"""A sandbox of 2.73 for each test module."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cvat_sandbox import Serving, serve
from tests.support.ground_truth import Checked
from tests.support.sandbox_client_v2 import USERS, login


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(USERS, version="2.73") as serving:
        yield serving


@pytest.fixture
def alex(sandbox: Serving) -> Iterator[httpx.Client]:
    """A client of a plain user."""
    with login(sandbox.url) as http:
        yield http


@pytest.fixture
def dabai(sandbox: Serving) -> Iterator[httpx.Client]:
    """A client of another plain user."""
    with login(sandbox.url, "dabai") as http:
        yield http


@pytest.fixture
def root(sandbox: Serving) -> Iterator[httpx.Client]:
    with login(sandbox.url, "root") as http:
        yield http


@pytest.fixture
def checked(alex: httpx.Client) -> Checked:
    """A task of one job with ground truth on its first two frames."""
    return Checked(alex)
