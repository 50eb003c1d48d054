"""Whatever people draw comes back from a server whole, and CVAT's own export testifies that it is the same."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelyard.annotations.content import Image
from labelyard.annotations.objects import frame_objects
from labelyard.annotations.reading import read_annotation_set
from labelyard.annotations.selection import select
from labelyard.cvat import Cvat, connect
from labelyard.domain.annotations import Annotations, Change, Shape, Tag, Track
from labelyard.domain.tasks import DataSpec, Task, TaskSpec
from labelyard.pipeline.read_task import TaskReader
from tests.support.annotation_strategies import HEIGHT, SIZE, WIDTH, drawn_in, labels_of
from tests.support.cvat_families import VERSIONS, serve_cvat
from tests.support.cvat_tasks import wait_for_frames
from tests.support.examples import examples
from tests.support.pictures import jpeg
from tests.support.upload_files import upload_file

property_test = settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", params=VERSIONS)
def task(request: pytest.FixtureRequest) -> Iterator[tuple[str, Cvat, Task]]:
    """A task of one job on a server of each family."""
    with serve_cvat(request.param, ["root:rootpass:superuser"]) as serving:
        cvat = connect(serving.url, username="root", password="rootpass")
        created = cvat.create_task(
            TaskSpec("everything", labels_of(request.param), z_order=request.param == VERSIONS[0])
        )
        cvat.upload(created.id, [upload_file(f"{n}.jpg", jpeg(WIDTH, HEIGHT)) for n in range(SIZE)], DataSpec())
        yield request.param, cvat, wait_for_frames(cvat, created.id)
        cvat.close()


@contextmanager
def drawn(cvat: Cvat, task: Task, wanted: Annotations) -> Iterator[Task]:
    job = task.jobs[0].id
    saved = cvat.change_annotations(job, Change.CREATE, wanted)
    yield cvat.task(task.id)
    cvat.change_annotations(job, Change.DELETE, saved)


def bare(one: Shape | Track | Tag) -> Shape | Track | Tag:
    """Return an annotation without what a server adds to it."""
    attributes = tuple(sorted(one.attributes, key=lambda a: a.spec_id))
    if isinstance(one, Tag):
        return replace(one, source=None, attributes=attributes)
    elements: Any = tuple(map(bare, one.elements))
    if isinstance(one, Shape):
        return replace(one, source=None, score=None, attributes=attributes, elements=elements)
    return replace(one, source=None, attributes=attributes, elements=elements)


@property_test
@given(data=st.data())
def test_a_random_set_comes_back_whole(task: tuple[str, Cvat, Task], data: st.DataObject) -> None:
    version, cvat, empty = task
    wanted = data.draw(drawn_in(empty, version))
    with drawn(cvat, empty, wanted) as now:
        found = read_annotation_set(cvat, now, cvat.frames(now.id)).annotations
    for kind in ("shapes", "tracks", "tags"):
        assert Counter(map(bare, getattr(found, kind))) == Counter(map(bare, getattr(wanted, kind)))


@property_test
@given(data=st.data())
def test_cvats_own_export_of_a_random_set_shows_no_difference(
    task: tuple[str, Cvat, Task], data: st.DataObject
) -> None:
    version, cvat, empty = task
    with drawn(cvat, empty, data.draw(drawn_in(empty, version))) as now, tempfile.TemporaryDirectory() as folder:
        reading = TaskReader(cvat, partial(cvat.task, now.id), Path(folder), 60, {}).read()
    assert reading.warnings == ()
    images = [Image(frame.name, frame.width, frame.height, n) for n, frame in reading.annotations.data_frames()]
    selection = select(reading.annotations, reading.objects, images, {})
    assert {one.reason for one in selection.left_out} <= {"its area is zero"}  # a random polygon may be a line
    assert len(selection.drawn) == len(frame_objects(reading.annotations).objects)
