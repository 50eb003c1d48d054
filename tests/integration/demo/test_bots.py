"""Robots at a sandbox, over HTTP: they finish what is theirs, once, whatever comes between."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from cvat_sandbox import Serving, serve
from labelyard.cvat import Cvat
from labelyard.demo.bots import Annotator, Bot, draw, run_bots
from labelyard.domain.annotations import Annotations, Shape, ShapeType, Tag, Track
from labelyard.domain.tasks import JobStatus, Task
from tests.support.photograph_tasks import USERS, USERS_OF_2X, logged_in, task_of_photographs

ANNA = Bot("anna", SecretStr("annapass"), speed=0, care=0.8)
BEN = Bot("ben", SecretStr("benpass"), speed=0, care=0.3, seed=5)


Item = Shape | Track | Tag


def items(found: Annotations) -> list[Item]:
    """Return everything in annotations, without what a server of 2.x adds."""
    return [*map(_plain, found.shapes), *(replace(one, source=None) for one in (*found.tracks, *found.tags))]


def _plain(shape: Shape) -> Shape:
    return replace(shape, source=None, score=None, elements=tuple(sorted(map(_plain, shape.elements), key=repr)))


class BotSite:
    """A sandbox, its root, and everybody's ids."""

    def __init__(self, serving: Serving, dialect: str = "v1") -> None:
        self.serving, self.dialect = serving, dialect
        self.root = logged_in(serving.url, "root", dialect)
        self.ids = {user.username: user.id for user in self.root.users()}

    def task(self, count: int = 6, segment_size: int = 3, people: Sequence[str] = ("anna", "ben")) -> Task:
        return task_of_photographs(
            self.root, f"t{time.monotonic_ns()}", count, segment_size=segment_size, people=[self.ids[p] for p in people]
        )

    def at_work(self, bot: Bot, stop: threading.Event | None = None) -> Annotator:
        return Annotator(bot, self.cvat(bot.name), stop or threading.Event())

    def cvat(self, name: str) -> Cvat:
        return logged_in(self.serving.url, name, self.dialect)

    def drawn(self, bot: Bot, task: Task, job: range) -> Counter[Item]:
        """What a bot should have saved in a job, each once."""
        seen = self.root.frames(task.id)
        return Counter(one for n in job for one in items(draw(bot, seen, n, job, task.labels, self.dialect)))

    def saved(self, task: Task) -> Counter[Item]:
        return Counter(one for job in task.jobs for one in items(self.root.annotations(job.id)))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelyard.demo.bots.POLL_SECONDS", 0.05)


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with serve(USERS) as sandbox:
        yield sandbox


@pytest.fixture
def site(serving: Serving) -> Iterator[BotSite]:
    serving.faults.clear()
    yield BotSite(serving)
    serving.faults.clear()


def test_bots_finish_their_own_jobs_and_no_others(site: BotSite) -> None:
    task = site.task()
    assert site.at_work(ANNA).work() == 1
    assert [job.status for job in site.root.jobs(task.id)] == [JobStatus.COMPLETED, JobStatus.ANNOTATION]
    assert site.saved(task) == site.drawn(ANNA, task, range(3))
    assert site.at_work(BEN).work() == 1
    assert site.saved(task) == site.drawn(ANNA, task, range(3)) + site.drawn(BEN, task, range(3, 6))
    assert site.root.task(task.id).status is JobStatus.COMPLETED


@pytest.mark.parametrize("reads", [4, 100])
def test_on_2x_a_bot_draws_every_kind_once_although_it_is_ended_and_started_again(reads: int) -> None:
    with serve(USERS_OF_2X, version="2.73") as serving:
        site = BotSite(serving, "v2")
        task = site.task(count=5, segment_size=0, people=("anna",))
        done = site.at_work(ANNA, StopAfter(reads)).work()
        assert done + site.at_work(ANNA).work() == 1
        assert site.saved(task) == site.drawn(ANNA, task, range(5))
        found = site.root.annotations(task.jobs[0].id)
        assert {shape.type for shape in found.shapes} == set(ShapeType)
        assert (len(found.tracks), len(found.tags)) == (2, 5)


def test_a_bot_without_a_job_finds_nothing_to_do(site: BotSite) -> None:
    task = site.task(people=("ben",))
    assert site.at_work(ANNA).work() == 0
    assert site.saved(task) == Counter()


def test_work_is_saved_in_pieces_and_not_at_the_end(site: BotSite) -> None:
    task = site.task(count=7, segment_size=0, people=("anna",))
    site.at_work(ANNA).work()
    # The first version of a job is 0, and every saving counts one up.
    assert site.root.annotations(task.jobs[0].id).version >= 3


class StopAfter(threading.Event):
    """Is set after so many reads of an image, as if the process were ended there."""

    def __init__(self, reads: int) -> None:
        super().__init__()
        self.reads = reads

    def wait(self, timeout: float | None = None) -> bool:
        self.reads -= 1
        if self.reads < 0:
            self.set()
        return super().wait(timeout)


@pytest.mark.parametrize("reads", [0, 1, 4, 6])
def test_a_bot_ended_anywhere_and_started_again_draws_nothing_twice(site: BotSite, reads: int) -> None:
    task = site.task(count=7, segment_size=0, people=("anna",))
    assert site.at_work(ANNA, StopAfter(reads)).work() == 0
    assert site.root.jobs(task.id)[0].status is JobStatus.ANNOTATION
    assert site.at_work(ANNA).work() == 1
    assert site.saved(task) == site.drawn(ANNA, task, range(7))


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.slow), "after"])
@pytest.mark.parametrize("path", ["*/annotations", "/api/v1/jobs/*[0-9]"])
def test_an_answer_that_gets_lost_doubles_nothing(site: BotSite, when: str, path: str) -> None:
    task = site.task(people=("anna",))
    site.serving.faults.set([{"on": f"PATCH {path}", "cut": True, "when": when, "times": 1}])
    _until_completed(site, task, ANNA)
    assert site.saved(task) == site.drawn(ANNA, task, range(3)) + site.drawn(ANNA, task, range(3, 6))


def test_a_server_that_is_down_for_a_while_is_waited_for(site: BotSite) -> None:
    task = site.task(people=("anna",))
    site.serving.faults.set([{"on": "* /api/*", "status": 500, "times": 5}])
    _until_completed(site, task, ANNA)
    assert site.saved(task) == site.drawn(ANNA, task, range(3)) + site.drawn(ANNA, task, range(3, 6))


def test_a_job_reassigned_meanwhile_is_not_changed(site: BotSite) -> None:
    task = site.task(count=4, segment_size=0, people=("anna",))

    class GivenAway(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            site.root.assign(task.jobs[0].id, site.ids["ben"])
            return super().wait(timeout)

    assert site.at_work(ANNA, GivenAway()).work() == 0
    assert site.saved(task) == Counter()


def test_a_wrong_password_is_logged_and_stops_no_other_bot(site: BotSite, caplog: pytest.LogCaptureFixture) -> None:
    task = site.task(people=("ben",))
    stop = threading.Event()
    bots = [Bot("anna", SecretStr("wrong"), 0), BEN]
    thread = threading.Thread(target=run_bots, args=(site.serving.url, bots, stop))
    with caplog.at_level("INFO", "labelyard.demo.bots"):
        thread.start()
        _completed(site, task)
        _poll(lambda: "anna:" in caplog.text)
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert "wrong" not in caplog.text
    assert site.saved(task) == site.drawn(BEN, task, range(3)) + site.drawn(BEN, task, range(3, 6))


def test_the_process_labels_until_sigterm_and_ends_with_0(site: BotSite, tmp_path: Path) -> None:
    task = site.task()
    bots = tmp_path / "bots.txt"
    bots.write_text("# two of them\nben:benpass:0:0.3  # careless\n")
    command = Path(sys.executable).with_name("labelyard")
    process = subprocess.Popen(
        [command, "bots", "--cvat-url", site.serving.url, "--bot", "anna:annapass:0", "--file", bots],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        _completed(site, task)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert said.startswith(f"2 bots at {site.serving.url}: anna, ben\n")
    assert "completed" in said
    assert "pass" not in said


def _until_completed(site: BotSite, task: Task, bot: Bot) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=site.at_work(bot, stop).run)
    thread.start()
    try:
        _completed(site, task)
    finally:
        stop.set()
        thread.join(60)


def _completed(site: BotSite, task: Task) -> None:
    # Looked at from inside the server: its faults are for the bots.
    rows = """SELECT count(*) AS open FROM job JOIN segment ON segment.id = segment_id
              WHERE segment.task_id = ? AND job.status != 'completed'"""
    _poll(lambda: site.serving.sandbox.db.one(rows, task.id)["open"] == 0)


def _poll(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")
