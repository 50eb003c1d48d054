"""Robots: annotators for the demo and for simulations. They log in and work like anybody else, over HTTP alone.

A robot knows the photographs of `labelyard.photographs` and draws their ground truth with its own errors, at its own
speed. On an image it has never seen it draws one box in the middle, so that there is something to export. What it
draws depends on its seed, its name and the frame's name alone, and before drawing it looks at what is there: killed at
any moment and started again, it draws nothing twice.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from pydantic import SecretStr

from labelyard.cvat import Cvat, connect, create_annotations
from labelyard.errors import CvatError, CvatNotFound, InputError
from labelyard.model import Annotations, Frame, Job, JobStatus, Label, Shape, ShapeType, Task
from labelyard.photographs import Photograph, photographs

log = logging.getLogger("labelyard.robots")

PIECE = 3
"""Frames between two savings: people save now and then, not at the end."""

POLL = 1.0
"""Seconds between two looks for new jobs."""

_LONGEST_END = 3.0  # seconds; a request that is cut off then is looked for at the next start
_LONGEST_PAUSE = 5.0  # seconds between two tries of a server that fails
_MOST_JITTER = 12.0  # pixels, at care 0
_MOST_MISSED = 0.3
_MOST_MISLABELLED = 0.15
_HASH = re.compile(r"-[0-9a-f]{8,64}$")  # what an upload name ends in where base names are equal (plan/naming.py)


@dataclass(frozen=True, slots=True)
class Robot:
    """An annotator: `speed` in seconds an image, `care` from 0 (careless) to 1 (perfect)."""

    name: str
    password: SecretStr
    speed: float = 1.0
    care: float = 0.9
    seed: int = 0


def parse_robot(text: str, *, seed: int = 0) -> Robot:
    """A robot from NAME:PASSWORD[:SPEED[:CARE]]. Raises InputError that says what is wrong, without the password."""
    name, *rest = text.strip().split(":")
    try:
        password, speed, care = (*rest, *("", "1.0", "0.9")[len(rest) :])
        robot = Robot(name, SecretStr(password), float(speed), float(care), seed)
    except ValueError:
        robot = Robot("", SecretStr(""))
    if not (robot.name and robot.password.get_secret_value() and robot.speed >= 0 and 0 <= robot.care <= 1):
        what = "write NAME:PASSWORD[:SPEED[:CARE]], SPEED in seconds an image, CARE from 0 to 1"
        raise InputError(what, where=f"robot {name!r}")
    return robot


# --- drawing: pure ----------------------------------------------------------------------------------------------------


def known_photograph(frame: Frame) -> Photograph | None:
    """The photograph that a frame shows: named like it (`cat-2`) or like what is on it (`cat`), and of its size."""
    stem = frame.name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    given = _HASH.sub("", stem)
    for name, photograph in photographs().items():
        same_size = (photograph.width, photograph.height) == (frame.width, frame.height)
        if same_size and given in (name, name.rpartition("-")[0]):
            return photograph
    return None


def draw(robot: Robot, frame: Frame, number: int, labels: Sequence[Label]) -> list[Shape]:
    """What a robot draws on the frame with this number: the same at each call. Objects without a label stay undrawn."""
    if not labels:
        return []
    chance = Random(f"{robot.seed}/{robot.name}/{frame.name}")  # noqa: S311 - errors to be repeated, not secrets
    photograph = known_photograph(frame)
    if photograph is None:
        middle = (frame.width * 0.25, frame.height * 0.25, frame.width * 0.75, frame.height * 0.75)
        return [_shape(chance.choice(labels), number, middle)]
    return list(_remembered(robot, photograph, number, labels, chance))


def _remembered(
    robot: Robot, photograph: Photograph, number: int, labels: Sequence[Label], chance: Random
) -> Iterator[Shape]:
    by_name = {label.name: label for label in labels}
    haste = 1 - robot.care
    for box in photograph.boxes:
        missed, mistaken = chance.random() < haste * _MOST_MISSED, chance.random() < haste * _MOST_MISLABELLED
        corners = [
            edge + chance.gauss(0, haste * _MOST_JITTER / 2) for edge in (box.left, box.top, box.right, box.bottom)
        ]
        label = chance.choice(labels) if mistaken else by_name.get(box.label)
        if label is not None and not missed:
            yield _shape(label, number, _inside(corners, photograph.width, photograph.height))


def _inside(corners: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    left, right = _side(corners[0], corners[2], width)
    top, bottom = _side(corners[1], corners[3], height)
    return left, top, right, bottom


def _side(start: float, stop: float, size: int) -> tuple[float, float]:
    """Both ends inside the image and a pixel or more apart."""
    start = min(max(start, 0.0), size - 1.0)
    return round(start, 2), round(max(min(stop, float(size)), start + 1.0), 2)


def _shape(label: Label, number: int, points: tuple[float, ...]) -> Shape:
    return Shape(ShapeType.RECTANGLE, number, label.id, points)


# --- working ----------------------------------------------------------------------------------------------------------


class Annotator:
    """A robot at its CVAT. `stop` ends it at the next frame; what is not saved by then is drawn again the next time."""

    def __init__(self, robot: Robot, cvat: Cvat, stop: threading.Event) -> None:
        self.robot, self._cvat, self._stop = robot, cvat, stop
        self._me: int | None = None

    def run(self) -> None:
        """Work until `stop` is set. A server that is away or says no is tried again; nothing is drawn twice."""
        pause = POLL
        while not self._stop.is_set():
            try:
                self.work()
                pause = POLL
            except CvatError as error:
                log.warning("%s: %s", self.robot.name, error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            self._stop.wait(pause)

    def work(self) -> int:
        """Finish every job that is mine now; answers how many. After a CvatError simply call it again."""
        return sum(self._label(task, job) for task, job in list(self._my_jobs()) if not self._stop.is_set())

    def _my_jobs(self) -> Iterator[tuple[Task, Job]]:
        if self._me is None:
            self._me = self._cvat.whoami().id
        for task in self._cvat.tasks(status=str(JobStatus.ANNOTATION)):
            yield from ((task, job) for job in task.jobs if self._is_mine(job))

    def _is_mine(self, job: Job) -> bool:
        return job.assignee == self._me and job.status is JobStatus.ANNOTATION

    def _label(self, task: Task, job: Job) -> bool:
        """Draw what the job lacks and close it; False where it was interrupted or given to somebody else."""
        frames = self._cvat.frames(task.id)
        there = self._cvat.annotations(job.id)
        drawn = {shape.frame for shape in there.shapes}
        todo = [n for n in range(job.start_frame, min(job.stop_frame + 1, len(frames))) if n not in drawn]
        log.info("%s: job %d of task %r, %d images", self.robot.name, job.id, task.name, len(todo))
        for piece in (todo[start : start + PIECE] for start in range(0, len(todo), PIECE)):
            shapes = [shape for n in piece for shape in self._look_at(frames[n], n, task.labels)]
            if self._stop.is_set() or not self._still_mine(job):
                return False
            create_annotations(self._cvat, job.id, Annotations(tuple(shapes)))
        if not self._still_mine(job):
            return False
        self._cvat.set_job_status(job.id, JobStatus.COMPLETED)
        log.info("%s: job %d completed", self.robot.name, job.id)
        return True

    def _look_at(self, frame: Frame, number: int, labels: Sequence[Label]) -> list[Shape]:
        self._stop.wait(self.robot.speed)
        return draw(self.robot, frame, number, labels)

    def _still_mine(self, job: Job) -> bool:
        # A lead may have given it to somebody else, or deleted the task, while the robot was drawing.
        try:
            return any(now.id == job.id and self._is_mine(now) for now in self._cvat.jobs(job.task_id))
        except CvatNotFound:
            return False


def run_robots(url: str, robots: Sequence[Robot], stop: threading.Event, *, dialect: str = "auto") -> None:
    """Let all `robots` work, a thread each, until `stop` is set. One that breaks ends all of them and is raised."""
    broken: list[BaseException] = []

    def live(robot: Robot) -> None:
        cvat = connect(url, username=robot.name, password=robot.password, dialect=dialect)
        try:
            Annotator(robot, cvat, stop).run()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            broken.append(error)
            stop.set()
        finally:
            cvat.close()

    threads = [
        threading.Thread(target=live, args=(robot,), name=f"robot-{robot.name}", daemon=True) for robot in robots
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    end = time.monotonic() + _LONGEST_END
    for thread in threads:
        thread.join(timeout=max(0.0, end - time.monotonic()))
    if broken:
        raise broken[0]
