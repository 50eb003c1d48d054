"""A sandbox that the tests of a module share; each makes tasks of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina
from pictures import image
from ready_tasks import LABELS, ready

from cvat_sandbox import Serving, serve
from labelyard.cvat import Cvat, connect
from labelyard.model import DataSpec, Task, TaskSpec


@pytest.fixture(autouse=True)
def fast_retries() -> Iterator[None]:
    """Repeat as often as for real, and do not wait between."""
    stamina.set_testing(True, attempts=4)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    """root is 1, alex 2 (staff), dabai 3, carol 4."""
    people = ["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!", "carol:pass12345!"]
    with serve(people) as serving:
        yield serving


@pytest.fixture
def cvat(sandbox: Serving) -> Iterator[Cvat]:
    """alex's client; the sandbox behaves again afterwards."""
    client = connect(sandbox.url, username="alex", password="pass12345!")
    yield client
    sandbox.faults.clear()
    client.close()


@pytest.fixture
def task(cvat: Cvat) -> Task:
    """A task of five frames in three jobs."""
    made = cvat.create_task(TaskSpec("a task", LABELS, segment_size=2))
    cvat.upload(made.id, [image(f"{n}.jpg") for n in range(5)], DataSpec())
    return ready(cvat, made.id)
