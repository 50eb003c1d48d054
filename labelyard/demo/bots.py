"""Annotator bots for the demo and for simulations. They log in and work over HTTP, as people do.

A bot draws the ground truth of `labelyard.demo.photographs`, with its own errors and at its own speed, and beside it
every other kind of object that the server has (`labelyard.demo.drawing`). On any other image it draws one box in the
middle, so that there is something to export. What it draws depends only on its seed, its name, the names of the frames
and the limits of its job. It reads the saved annotations before it draws: a bot that is killed and started again draws
nothing twice. A job that it has to review it compares with the ground truth, and rejects it, with an issue for each
object without a box that is right; a job that comes back to its annotator gets these boxes.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from pydantic import SecretStr

from labelyard.cvat import Cvat, connect, create_annotations
from labelyard.demo.drawing import attribute_values, draw_every_kind, draw_tracks, drawable
from labelyard.demo.flaws import flaws, repair
from labelyard.demo.photographs import Photograph, TrueBox, photographs
from labelyard.domain.annotations import Annotations, Change, Shape, ShapeType
from labelyard.domain.labels import Label
from labelyard.domain.tasks import Frame, Job, JobStatus, Task
from labelyard.errors import CvatError, CvatNotFound, InputError

log = logging.getLogger("labelyard.demo.bots")

FRAMES_PER_SAVE = 3
"""Frames drawn between two saves: people save now and then, not only at the end."""

POLL_SECONDS = 1.0
"""Time between two requests for new jobs."""

_STOP_SECONDS = 3.0  # what a request that is cut off then has done is read at the next start
_LONGEST_PAUSE = 5.0  # seconds between two attempts while the server fails
_MOST_JITTER = 12.0  # pixels, at care 0
_MOST_MISSED = 0.3
_OCCLUDED = 0.2
_MOST_MISLABELLED = 0.15
_HASH = re.compile(r"-[0-9a-f]{8,64}$")  # end of an upload name where base names are equal (domain/naming.py)
_NUMBER = re.compile(r"^[0-9]+-")  # its start where base names are not in the order of the keys


@dataclass(frozen=True, slots=True)
class Bot:
    """An annotator: `speed` in seconds an image, `care` from 0 (careless) to 1 (perfect)."""

    name: str
    password: SecretStr
    speed: float = 1.0
    care: float = 0.9
    seed: int = 0


def parse_bot(text: str, *, seed: int = 0) -> Bot:
    """Parse NAME:PASSWORD[:SPEED[:CARE]]. Raises InputError, which does not repeat the password."""
    name, *rest = text.strip().split(":")
    try:
        password, speed, care = (*rest, *("", "1.0", "0.9")[len(rest) :])
        bot = Bot(name, SecretStr(password), float(speed), float(care), seed)
    except ValueError:
        bot = Bot("", SecretStr(""))
    if not (bot.name and bot.password.get_secret_value() and bot.speed >= 0 and 0 <= bot.care <= 1):
        what = "write NAME:PASSWORD[:SPEED[:CARE]], SPEED in seconds an image, CARE from 0 to 1"
        raise InputError(what, where=f"bot {name!r}")
    return bot


def known_photograph(frame: Frame) -> Photograph | None:
    """Return the photograph of a frame: same size, named like the frame (`cat-2`) or like its subject (`cat`)."""
    stem = frame.name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    given = _HASH.sub("", stem)
    if given != stem:
        given = _NUMBER.sub("", given)
    for name, photograph in photographs().items():
        same_size = (photograph.width, photograph.height) == (frame.width, frame.height)
        if same_size and given in (name, name.rpartition("-")[0]):
            return photograph
    return None


def draw(
    bot: Bot, frames: Sequence[Frame], number: int, span: range, labels: Sequence[Label], family: str
) -> Annotations:
    """Return what a bot draws on frame `number` of a job with the frames `span`, the same for each call.

    Tracks begin on the first frame of the job. `family` is the server's dialect.
    """
    frame = frames[number]
    found = Annotations(tuple(draw_boxes(bot, frame, number, labels)))
    if known_photograph(frame) is not None:
        others = draw_every_kind(frame, number, labels, family, _random(bot, frame, "/kinds"))
        found = replace(others, shapes=(*found.shapes, *others.shapes))
    if number == span[0] and all(known_photograph(frames[n]) is not None for n in span):
        found = replace(found, tracks=draw_tracks(frames, span, labels, _random(bot, frame, "/tracks")))
    return found


def _random(bot: Bot, frame: Frame, purpose: str = "") -> Random:
    return Random(f"{bot.seed}/{bot.name}/{frame.name}{purpose}")  # noqa: S311 - errors to be repeated, not secrets


def draw_boxes(bot: Bot, frame: Frame, number: int, labels: Sequence[Label]) -> list[Shape]:
    """Return the boxes that a bot draws on frame `number`. Objects without a label are skipped."""
    usable = drawable(labels)
    if not usable:
        return []
    random = _random(bot, frame)
    photograph = known_photograph(frame)
    if photograph is None:
        middle = (frame.width * 0.25, frame.height * 0.25, frame.width * 0.75, frame.height * 0.75)
        return [_shape(random.choice(usable), number, middle, _random(bot, frame, "/attributes"))]
    return list(_ground_truth_with_errors(bot, photograph, number, usable, random))


def _ground_truth_with_errors(
    bot: Bot, photograph: Photograph, number: int, labels: Sequence[Label], random: Random
) -> Iterator[Shape]:
    by_name = {label.name: label for label in labels}
    carelessness, of_attributes = 1 - bot.care, Random(random.random())  # noqa: S311 - see `_random`
    for box in photograph.boxes:
        missed = random.random() < carelessness * _MOST_MISSED
        mistaken = random.random() < carelessness * _MOST_MISLABELLED
        corners = [
            edge + random.gauss(0, carelessness * _MOST_JITTER / 2)
            for edge in (box.left, box.top, box.right, box.bottom)
        ]
        label = random.choice(labels) if mistaken else by_name.get(box.label)
        if label is not None and not missed:
            yield _shape(label, number, _inside(corners, photograph.width, photograph.height), of_attributes)


def _inside(corners: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    left, right = _side(corners[0], corners[2], width)
    top, bottom = _side(corners[1], corners[3], height)
    return left, top, right, bottom


def _side(start: float, stop: float, size: int) -> tuple[float, float]:
    """Return both ends inside the image, at least one pixel apart."""
    start = min(max(start, 0.0), size - 1.0)
    return round(start, 2), round(max(min(stop, float(size)), start + 1.0), 2)


def _shape(label: Label, number: int, points: tuple[float, ...], random: Random) -> Shape:
    hidden, values = random.random() < _OCCLUDED, attribute_values(label, random)
    return Shape(ShapeType.RECTANGLE, number, label.id, points, occluded=hidden, attributes=values)


class Annotator:
    """A bot at work on a CVAT. `stop` ends it before the next frame; unsaved frames are drawn again later."""

    def __init__(self, bot: Bot, cvat: Cvat, stop: threading.Event) -> None:
        self.bot, self._cvat, self._stop = bot, cvat, stop
        self._me: int | None = None
        self._completed: set[int] = set()
        self._rejected: set[int] = set()

    def run(self) -> None:
        """Work until `stop` is set. A server that fails is asked again later."""
        pause = POLL_SECONDS
        while not self._stop.is_set():
            try:
                self.work()
                pause = POLL_SECONDS
            except CvatError as error:
                log.warning("%s: %s", self.bot.name, error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            self._stop.wait(pause)

    def work(self) -> int:
        """Finish all jobs assigned to this bot and return their number. After a CvatError, call it again."""
        return sum(self._do(task, job) for task, job in list(self._my_jobs()) if not self._stop.is_set())

    def _do(self, task: Task, job: Job) -> bool:
        return self._review(task, job) if job.status is JobStatus.VALIDATION else self._label(task, job)

    def _my_jobs(self) -> Iterator[tuple[Task, Job]]:
        if self._me is None:
            self._me = self._cvat.whoami().id
        for status in (JobStatus.ANNOTATION, JobStatus.VALIDATION):
            for task in self._cvat.tasks(status=str(status)):
                yield from ((task, job) for job in task.jobs if self._is_mine(job))

    def _is_mine(self, job: Job) -> bool:
        """Whether the bot has to label or to review the job; one that it has rejected waits for its annotator."""
        if job.assignee != self._me or job.status is JobStatus.COMPLETED:
            return False
        if job.status is JobStatus.VALIDATION:
            return job.state != "rejected"
        return job.id not in self._rejected

    def _label(self, task: Task, job: Job) -> bool:
        """Draw on the frames on which nothing is or begins, and complete the job.

        Return False when the bot was stopped or the job was assigned to somebody else.
        """
        frames = self._cvat.frames(task.id)
        saved = self._cvat.annotations(job.id)
        # A track counts where it begins: it is saved together with everything else on that frame.
        drawn = {one.frame for one in saved.shapes} | {one.frame for one in saved.tracks}
        drawn |= {one.frame for one in saved.tags}
        span = range(job.start_frame, min(job.stop_frame + 1, len(frames)))
        todo = [n for n in span if n not in drawn]
        log.info("%s: job %d of task %r, %d images", self.bot.name, job.id, task.name, len(todo))
        for piece in (todo[start : start + FRAMES_PER_SAVE] for start in range(0, len(todo), FRAMES_PER_SAVE)):
            found = [self._draw_slowly(frames, n, span, task.labels) for n in piece]
            if self._stop.is_set() or not self._is_still_mine(job):
                return False
            create_annotations(self._cvat, job.id, _together(found))
        if job.id in self._completed or job.state == "rejected":
            self._repair(frames, job, span, task.labels)
        if not self._is_still_mine(job):
            return False
        self._cvat.set_job_status(job.id, JobStatus.COMPLETED)
        self._completed.add(job.id)
        log.info("%s: job %d completed", self.bot.name, job.id)
        return True

    def _repair(self, frames: Sequence[Frame], job: Job, span: range, labels: Sequence[Label]) -> None:
        """Draw the boxes that are missing on each photograph, or loose; only then delete those that they replace."""
        for number, photograph, shapes in self._photographs(frames, job, span):
            found = repair(photograph, number, shapes, labels)
            if found.drawn:
                create_annotations(self._cvat, job.id, Annotations(shapes=found.drawn))
            if found.replaced:
                self._cvat.change_annotations(job.id, Change.DELETE, Annotations(shapes=found.replaced))

    def _review(self, task: Task, job: Job) -> bool:
        """Accept or reject a job, with an issue for each flaw. Return False if somebody else has it by now."""
        frames = self._cvat.frames(task.id)
        span = range(job.start_frame, min(job.stop_frame + 1, len(frames)))
        found = []
        for number, photograph, shapes in self._photographs(frames, job, span):
            self._stop.wait(self.bot.speed)
            found += [(number, flaw) for flaw in flaws(photograph, shapes, task.labels)]
        if self._stop.is_set() or not self._is_still_mine(job):
            return False
        if found:
            self._reject(job, found)
        else:
            self._rejected.discard(job.id)
            self._cvat.set_job_status(job.id, JobStatus.COMPLETED)
        log.info("%s: job %d reviewed, %d flaws", self.bot.name, job.id, len(found))
        return True

    def _reject(self, job: Job, found: Sequence[tuple[int, TrueBox]]) -> None:
        self._rejected.add(job.id)
        if job.stage:  # CVAT 1.0.0 has no issues
            written = {(issue.frame, issue.messages) for issue in self._cvat.issues(job.id)}
            for number, flaw in found:
                message, corners = f"no right box of this {flaw.label}", (flaw.left, flaw.top, flaw.right, flaw.bottom)
                if (number, (message,)) not in written:
                    self._cvat.create_issue(job.id, number, corners, message)
        self._cvat.reject_job(job.id)

    def _photographs(
        self, frames: Sequence[Frame], job: Job, span: range
    ) -> Iterator[tuple[int, Photograph, Sequence[Shape]]]:
        """Yield each frame of a job that is a photograph, with what is saved on it."""
        saved = self._cvat.annotations(job.id).shapes
        for number in span:
            photograph = known_photograph(frames[number])
            if photograph is not None:
                yield number, photograph, [shape for shape in saved if shape.frame == number]

    def _draw_slowly(self, frames: Sequence[Frame], number: int, span: range, labels: Sequence[Label]) -> Annotations:
        self._stop.wait(self.bot.speed)
        return draw(self.bot, frames, number, span, labels, self._cvat.family)

    def _is_still_mine(self, job: Job) -> bool:
        # A lead may have assigned it to somebody else, or deleted the task, while the bot was drawing.
        try:
            return any(now.id == job.id and self._is_mine(now) for now in self._cvat.jobs(job.task_id))
        except CvatNotFound:
            return False


def _together(found: Sequence[Annotations]) -> Annotations:
    """Return annotations of several frames as one write: the server does it completely or not at all."""
    return Annotations(
        tuple(shape for one in found for shape in one.shapes),
        tuple(track for one in found for track in one.tracks),
        tuple(tag for one in found for tag in one.tags),
    )


def run_bots(
    url: str, bots: Sequence[Bot], stop: threading.Event, *, dialect: str = "auto", organization: str = ""
) -> None:
    """Run all bots, each in a thread, until `stop` is set. An unexpected exception of one stops all and is raised.

    With an `organization` of CVAT 2.x they label its jobs.
    """
    failures: list[BaseException] = []

    def work(bot: Bot) -> None:
        cvat = connect(url, username=bot.name, password=bot.password, dialect=dialect, organization=organization)
        try:
            Annotator(bot, cvat, stop).run()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            failures.append(error)
            stop.set()
        finally:
            cvat.close()

    threads = [threading.Thread(target=work, args=(bot,), name=f"bot-{bot.name}", daemon=True) for bot in bots]
    for thread in threads:
        thread.start()
    stop.wait()
    end = time.monotonic() + _STOP_SECONDS
    for thread in threads:
        thread.join(timeout=max(0.0, end - time.monotonic()))
    if failures:
        raise failures[0]
