"""One sandbox for the tests of a module; those that need another start it themselves."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.support.sandbox_client import USERS, login

from cvat_sandbox import Serving, serve


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(USERS, control_token="open sesame") as serving:
        yield serving


@pytest.fixture(autouse=True)
def well_behaved(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "sandbox" in request.fixturenames:
        request.getfixturevalue("sandbox").faults.clear()


@pytest.fixture
def alex(sandbox: Serving) -> Iterator[httpx.Client]:
    """A user of the group `user`."""
    with login(sandbox.url) as http:
        yield http


@pytest.fixture
def root(sandbox: Serving) -> Iterator[httpx.Client]:
    with login(sandbox.url, "root") as http:
        yield http
