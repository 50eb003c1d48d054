"""`labelyard cvat dataset`: what its JSON says of a task, and its errors, on a server of each family."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cvat_sandbox import Serving
from labelyard.annotations.content import Kind
from labelyard.cli import labelyard
from labelyard.cvat import Cvat, connect
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.formats import DATASET_FORMATS
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import DataSpec, Task, TaskSpec
from labelyard.errors import LabelyardError
from tests.support.command_schemas import follow_schema
from tests.support.cvat_families import V1, VERSIONS, serve_cvat
from tests.support.cvat_tasks import wait_for_frames
from tests.support.labels_of_every_kind import BODY
from tests.support.upload_files import upload_file

Run = Callable[..., Result]

FRAMES = 5
LABELS = (Label("car", (AttributeSpec("parked", InputType.CHECKBOX, "false", ("false",)),)), Label("tree"))
CUBOID = (10, 10, 10, 30, 30, 10, 30, 30, 40, 5, 40, 25, 20, 5, 20, 25)
SHAPES: dict[str, tuple[float, ...]] = {
    "rectangle": (1, 2, 21, 22), "polygon": (1, 1, 30, 1, 30, 30), "polyline": (1, 1, 30, 1, 30, 30),
    "points": (5, 5, 9, 9), "ellipse": (30, 20, 40, 10), "cuboid": CUBOID,
    "mask": (1, 2, 3, 4, 5, 1, 10, 10, 13, 13), "skeleton": (),
}  # fmt: skip
OF_V1 = ("rectangle", "polygon", "polyline", "points", "cuboid")


@dataclass(frozen=True)
class Server:
    """A server of one family, and an account's client."""

    version: str
    serving: Serving
    cvat: Cvat

    def task(self, *, frames: int = FRAMES, **spec: Any) -> Task:
        """Create a task with images of 64 x 48 pixels."""
        labels = LABELS if self.version == V1 else (*LABELS, BODY)
        created = self.cvat.create_task(TaskSpec("a task", labels, **spec))
        if not frames:
            return created
        self.cvat.upload(created.id, [upload_file(f"{number}.jpg") for number in range(frames)], DataSpec())
        return wait_for_frames(self.cvat, created.id)

    def draw(self, task: Task, *drawn: Shape | Track | Tag, job: int = 0) -> None:
        """Add to what is drawn in one of the task's jobs."""
        kinds = {kind: tuple(one for one in drawn if isinstance(one, kind)) for kind in (Shape, Track, Tag)}
        given = Annotations(kinds[Shape], kinds[Track], kinds[Tag])  # type: ignore[arg-type]
        self.cvat.change_annotations(task.jobs[job].id, Change.CREATE, given)


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serve_cvat(request.param, ["root:rootpass:superuser"]) as serving:
        cvat = connect(serving.url, username="root", password="rootpass")
        yield Server(request.param, serving, cvat)
        cvat.close()


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `labelyard cvat dataset` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in {"URL": server.serving.url, "USERNAME": "root", "PASSWORD": "rootpass"}.items():
        monkeypatch.setenv(f"LABELYARD_CVAT__DEFAULT__{name}", value)

    def invoke(task: int, *words: str) -> Result:
        return CliRunner().invoke(labelyard, ["cvat", "dataset", str(task), *words])

    return invoke


def document(run: Run, task: Task, name: str = "coco") -> dict[str, Any]:
    result = run(task.id, "--format", name, "--to", f"out-{name}", "--json")
    assert result.exception is None, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    follow_schema("cvat dataset", found)
    check_account(found)
    return found


def check_account(found: dict[str, Any]) -> None:
    """Check what must be so for every document."""
    assert list(found) == ["task", "frames", "drawn", "in_file", "left_out", "files", "warnings"]
    assert list(found["drawn"]) == list(found["in_file"]) == [kind.value for kind in Kind]
    left_out = Counter(dict.fromkeys(found["drawn"], 0))
    for entry in found["left_out"]:
        assert list(entry) == ["kind", "count", "reason"]
        assert entry["count"] > 0
        left_out[entry["kind"]] += entry["count"]
    assert found["drawn"] == {kind: count + left_out[kind] for kind, count in found["in_file"].items()}


def counts(**of_kinds: int) -> dict[str, int]:
    return {kind.value: of_kinds.get(kind.value, 0) for kind in Kind}


def shape(task: Task, kind: str, frame: int = 0, points: tuple[float, ...] = ()) -> Shape:
    if kind == "skeleton":
        body = task.labels[-1]
        elements = tuple(
            Shape(ShapeType.POINTS, frame, point.id, (10.0 + number, 20)) for number, point in enumerate(body.sublabels)
        )
        return Shape(ShapeType.SKELETON, frame, body.id, (), elements=elements)
    return Shape(ShapeType(kind), frame, task.labels[0].id, points or SHAPES[kind])


def box_track(task: Task, *keys: tuple[int, bool], left: float = 1) -> Track:
    """A track with key frames: each a frame, and whether it is outside there."""
    shapes = tuple(
        TrackedShape(ShapeType.RECTANGLE, frame, (left, 2, left + 20 + frame, 22), outside=outside)
        for frame, outside in keys
    )
    return Track(keys[0][0], task.labels[0].id, shapes)


def draw_everything(server: Server, task: Task) -> dict[str, int]:
    """Draw one shape of each kind of the server, and a tag; return the counts."""
    kinds = OF_V1 if server.version == V1 else tuple(SHAPES)
    server.draw(task, *(shape(task, kind) for kind in kinds), Tag(1, task.labels[1].id))
    return counts(tag=1, **dict.fromkeys(kinds, 1))


@pytest.mark.parametrize("name", DATASET_FORMATS)
def test_everything_that_was_drawn_is_in_the_files_or_left_out_for_a_reason(
    run: Run, server: Server, name: str
) -> None:
    task = server.task()
    drawn = draw_everything(server, task)
    found = document(run, task, name)
    assert (found["task"], found["frames"], found["drawn"]) == (task.id, FRAMES, drawn)
    assert found["files"]
    assert all(Path(file).is_file() for file in found["files"])
    assert not any("CVAT's export" in line for line in found["warnings"])
    if name == "coco":
        assert (found["in_file"], found["left_out"]) == (drawn, [])


def test_tracks_count_on_each_frame_where_they_are_not_outside(run: Run, server: Server) -> None:
    task = server.task()
    server.draw(task, box_track(task, (0, False), (3, True)), box_track(task, (1, False), left=30))
    found = document(run, task)
    assert found["in_file"] == counts(rectangle=3 + 4)
    assert found["warnings"] == []
    dataset = json.loads(Path(found["files"][0]).read_text())
    frames = {image["id"]: image["cvat_frame"] for image in dataset["images"]}
    at = Counter((one["attributes"]["track_id"], frames[one["image_id"]]) for one in dataset["annotations"])
    assert at == Counter([(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (1, 4)])


def test_shapes_of_several_jobs_with_overlap_count_once(run: Run, server: Server) -> None:
    task = server.task(segment_size=3, overlap=1)
    assert [(job.start_frame, job.stop_frame) for job in task.jobs][:2] == [(0, 2), (2, 4)]
    server.draw(task, shape(task, "rectangle", 0), shape(task, "polygon", 2), Tag(2, task.labels[1].id))
    server.draw(task, shape(task, "rectangle", 2, (40, 2, 60, 22)), shape(task, "points", 4), job=1)
    found = document(run, task)
    drawn = counts(rectangle=2, polygon=1, points=1, tag=1)
    assert (found["drawn"], found["in_file"], found["warnings"]) == (drawn, drawn, [])


def test_a_track_over_several_jobs_is_one(run: Run, server: Server) -> None:
    task = server.task(segment_size=3, overlap=1)
    server.draw(task, box_track(task, (0, False), (2, False)))
    server.draw(task, box_track(task, (2, False), (4, False)), job=1)
    found = document(run, task)
    assert (found["drawn"], found["warnings"]) == (counts(rectangle=FRAMES), [])


def test_a_task_in_which_nothing_is_drawn_is_a_dataset_of_images(run: Run, server: Server) -> None:
    found = document(run, server.task())
    assert (found["drawn"], found["left_out"], found["warnings"]) == (counts(), [], [])
    assert len(json.loads(Path(found["files"][0]).read_text())["images"]) == FRAMES


def test_the_table_names_each_kind_that_was_drawn(run: Run, server: Server) -> None:
    task = server.task()
    server.draw(task, shape(task, "rectangle"), Tag(1, task.labels[1].id))
    lines = run(task.id, "--format", "voc", "--to", "out").stdout.splitlines()
    rows = [line.strip("│").replace("│", " ").split() for line in lines]
    assert ["rectangle", "1", "1"] in rows
    assert ["tag", "1", "0"] in rows
    assert any(line.startswith("tag 'tree' is left out, ") for line in lines)


# --- errors -----------------------------------------------------------------------------------------------------------


def error_of(result: Result) -> LabelyardError:
    """Return an error of one line that says what to do."""
    error = result.exception
    assert isinstance(error, LabelyardError), result.output
    assert len(error.happened.splitlines()) == 1
    return error


def test_an_unknown_format_is_an_error_that_names_the_known_ones(run: Run, server: Server) -> None:
    error = error_of(run(server.task().id, "--format", "yolo-detct", "--to", "out"))
    assert str(error) == "--format: 'yolo-detct' is unknown: write yolo-detect"
    assert all(name in str(error_of(run(1, "--format", "?", "--to", "out"))) for name in DATASET_FORMATS)
    assert not Path("out").exists()


def test_a_folder_that_is_not_empty_is_an_error_and_stays_as_it_is(run: Run, server: Server) -> None:
    Path("out").mkdir()
    Path("out/mine.txt").write_text("mine")
    error = error_of(run(server.task().id, "--to", "out"))
    assert (error.what, error.where) == ("the folder is not empty", "out")
    assert error.next_step == "give another folder, or empty this one"
    assert [path.name for path in Path("out").iterdir()] == ["mine.txt"]


def test_an_unknown_task_is_an_error_that_says_where_tasks_are_listed(run: Run) -> None:
    error = error_of(run(4711, "--to", "out"))
    assert "there is no task 4711" in error.what
    assert error.next_step == "labelyard cvat tasks"
    assert not Path("out").exists()


def test_a_task_without_frames_is_an_error_that_says_what_to_do(run: Run, server: Server) -> None:
    task = server.task(frames=0)
    error = error_of(run(task.id, "--to", "out"))
    assert str(error) == (
        f"CVAT task {task.id}: has no frames, so there is no dataset\n  next: labelyard cvat upload {task.id} FILE …"
    )
    assert not Path("out").exists()
