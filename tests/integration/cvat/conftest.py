"""A sandbox that the tests of a module share; each test creates its own tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cvat_sandbox import Serving, serve
from labelyard.cvat import Cvat, connect
from labelyard.domain.tasks import DataSpec, Task, TaskSpec
from tests.support.cvat_tasks import LABELS, wait_for_frames
from tests.support.upload_files import upload_file


@pytest.fixture(autouse=True)
def no_waits(fast_retries: None) -> None:
    """No test here waits between two attempts."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    """A sandbox with the users root (1), alex (2, staff), dabai (3) and carol (4)."""
    people = ["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!", "carol:pass12345!"]
    with serve(people) as serving:
        yield serving


@pytest.fixture
def cvat(sandbox: Serving) -> Iterator[Cvat]:
    """alex's client; the sandbox's faults are cleared afterwards."""
    client = connect(sandbox.url, username="alex", password="pass12345!")
    yield client
    sandbox.faults.clear()
    client.close()


@pytest.fixture
def task(cvat: Cvat) -> Task:
    """A task of five frames in three jobs."""
    created = cvat.create_task(TaskSpec("a task", LABELS, segment_size=2))
    cvat.upload(created.id, [upload_file(f"{n}.jpg") for n in range(5)], DataSpec())
    return wait_for_frames(cvat, created.id)
