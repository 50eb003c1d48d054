"""The watch loop over a real queue, its work written down instead of done."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from labelyard.errors import LedgerUnreachable, PrefectUnreachable, StoreError
from labelyard.sources import QueueDepth, watcher
from labelyard.sources.sqs import Queue
from labelyard.sources.watcher import Trouble, Watch
from tests.support.emulator import StoreServer
from tests.support.notification_recorder import Recorder
from tests.support.waiting import eventually


class Place:
    """A bucket that tells a queue, as a dataset's source does."""

    def __init__(self, server: StoreServer, visibility: int = 30) -> None:
        self.server = server
        self.bucket = server.new_bucket()
        url = server.new_queue(VisibilityTimeout=str(visibility))
        server.notify(self.bucket, url)
        self.queue = Queue(url, server.settings, server.url)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.server.store.write(self.bucket, key, b"x")

    def send(self, body: str) -> None:
        self.server.boto("sqs").send_message(QueueUrl=self.queue.url, MessageBody=body)

    def fill(self, *keys: str) -> None:
        """Messages of objects, as the bucket would send them, in few requests."""
        for n in range(0, len(keys), 10):
            entries = [{"Id": str(i), "MessageBody": json.dumps({"Records": [{
                "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.bucket}, "object": {"key": key}},
            }]})} for i, key in enumerate(keys[n : n + 10])]  # fmt: skip
            self.server.boto("sqs").send_message_batch(QueueUrl=self.queue.url, Entries=entries)

    def is_empty(self) -> bool:
        return self.queue.depth() == QueueDepth(0, 0)

    @contextmanager
    def watched(self, work: Recorder) -> Iterator[Watch]:
        loop = Watch(work, self.queue, wait_seconds=1)
        running = threading.Thread(target=loop.run)
        running.start()
        try:
            yield loop
        finally:
            work.slow.set()
            loop.stop()
            running.join(30)
            assert not running.is_alive()


@pytest.fixture
def context(store_server: StoreServer) -> Place:
    return Place(store_server)


@pytest.fixture
def hasty(store_server: StoreServer) -> Place:
    """What is not acknowledged comes again after a second."""
    return Place(store_server, visibility=1)


def test_what_lands_in_the_bucket_lands_in_the_ledger_and_leaves_the_queue(context: Place) -> None:
    work, keys = Recorder(), [f"dir/{n} +%.jpg" for n in range(25)]
    with context.watched(work):
        context.put(*keys)
        eventually(lambda: sorted(work.landed) == sorted(keys))
        eventually(context.is_empty)
    assert work.via == {"sqs"}
    assert work.letters == []


MANY = [f"{n:04d}.jpg" for n in range(900)]


def test_what_has_gathered_in_the_queue_lands_in_bursts(context: Place) -> None:
    work = Recorder()
    context.fill(*MANY)
    with context.watched(work):
        eventually(lambda: sorted(work.landed) == MANY)
        eventually(context.is_empty)
    assert 200 < max(work.together) <= 400
    assert len(work.together) < 20


def test_bursts_that_cannot_land_come_again_and_nothing_of_them_is_lost(hasty: Place) -> None:
    work = Recorder()
    work.fail("land", LedgerUnreachable("away"), times=3)
    hasty.fill(*MANY)
    with hasty.watched(work):
        eventually(lambda: set(work.landed) == set(MANY), seconds=60)
        eventually(hasty.is_empty)
    assert work.letters == []


def test_one_message_that_spoils_a_burst_holds_up_no_other_of_it(context: Place) -> None:
    work = Recorder()
    work.spoilt = {MANY[77]: StoreError("AccessDenied")}
    context.fill(*MANY[:200])
    with context.watched(work):
        eventually(lambda: sorted(work.landed) == sorted({*MANY[:200]} - {MANY[77]}))
        eventually(lambda: context.queue.depth() == QueueDepth(0, 1))


def test_bursts_in_hand_are_finished_before_the_end(context: Place) -> None:
    work = Recorder()
    work.slow.clear()
    context.fill(*MANY)
    with context.watched(work) as loop:
        eventually(lambda: context.queue.depth().in_flight > 400)
        loop.stop()
        assert work.landed == []
    assert 400 < len(work.landed) <= 800
    eventually(lambda: context.queue.depth() == QueueDepth(len(MANY) - len(work.landed), 0))


def test_what_is_deleted_in_the_bucket_is_told(context: Place) -> None:
    work = Recorder()
    with context.watched(work):
        context.put("a b+c.jpg")
        eventually(lambda: work.landed == ["a b+c.jpg"])
        context.server.store.delete(context.bucket, "a b+c.jpg")
        eventually(lambda: work.removed == ["a b+c.jpg"])
        eventually(context.is_empty)


def test_a_deletion_that_cannot_be_noted_stays_on_the_queue(hasty: Place) -> None:
    work = Recorder()
    work.fail("gone", LedgerUnreachable("away"), times=2)
    with hasty.watched(work):
        hasty.put("a.jpg")
        eventually(lambda: "a.jpg" in work.landed)
        hasty.server.store.delete(hasty.bucket, "a.jpg")
        eventually(lambda: "a.jpg" in work.removed)
        eventually(hasty.is_empty)


def test_nothing_is_acknowledged_before_it_is_committed(context: Place) -> None:
    work = Recorder()
    work.slow.clear()
    context.put("a.jpg")
    with context.watched(work):
        eventually(lambda: context.queue.depth().in_flight >= 1)
        assert work.landed == []
        assert not context.is_empty()
        work.slow.set()
        eventually(context.is_empty)
    assert work.landed == ["a.jpg"]


def test_while_the_ledger_is_away_messages_stay_and_it_is_told_once(
    hasty: Place, caplog: pytest.LogCaptureFixture
) -> None:
    work = Recorder()
    work.fail("land", LedgerUnreachable("the ledger does not answer"), times=3)
    with caplog.at_level(logging.INFO, "labelyard.sources"):
        hasty.put("a.jpg", "b.jpg")
        with hasty.watched(work) as loop:
            eventually(lambda: loop.health()["problems"])
            eventually(lambda: set(work.landed) == {"a.jpg", "b.jpg"})
            eventually(hasty.is_empty)
            eventually(lambda: not loop.health()["problems"])
    assert work.letters == []
    assert [r.message for r in caplog.records if "does not answer" in r.message] == [
        "taking notifications in: the ledger does not answer"
    ]
    assert len([r for r in caplog.records if "works again" in r.message]) == 1


def test_an_unreadable_message_is_kept_and_leaves_the_queue(context: Place) -> None:
    work = Recorder()
    with context.watched(work):
        context.send("hello")
        context.send(json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}))
        context.put("a.jpg")
        eventually(lambda: len(work.letters) == 2 and work.landed == ["a.jpg"])
        eventually(context.is_empty)
    assert {(body, via) for body, via, _ in work.letters} == {
        (b"hello", "sqs"),
        (b'{"eventName": "ObjectCreated:Put"}', "sqs"),
    }


def test_a_dead_letter_that_cannot_be_written_stays_on_the_queue(hasty: Place) -> None:
    work = Recorder()
    work.fail("dead_letter", LedgerUnreachable("away"), times=2)
    with hasty.watched(work):
        hasty.send("hello")
        eventually(lambda: work.letters)
        eventually(hasty.is_empty)


def test_a_message_that_cannot_be_landed_holds_up_no_other_and_ends_in_the_dead_letters(
    store_server: StoreServer,
) -> None:
    context, work = Place(store_server, visibility=0), Recorder()
    work.spoilt = {"bad.jpg": StoreError("AccessDenied")}
    context.put("a.jpg", "bad.jpg", "b.jpg")
    with context.watched(work):
        eventually(lambda: {"a.jpg", "b.jpg"} <= set(work.landed))
        eventually(lambda: work.letters, seconds=60)
        eventually(context.is_empty)
    assert "bad.jpg" not in work.landed
    ((body, _, reason),) = work.letters
    assert b"bad.jpg" in body
    assert "AccessDenied" in reason


def test_a_failure_that_nobody_foresaw_does_not_end_the_loop(hasty: Place) -> None:
    work = Recorder()
    work.fail("land", ZeroDivisionError(), times=2)
    work.fail("close_due", ZeroDivisionError(), times=1)
    with hasty.watched(work):
        hasty.put("a.jpg")
        eventually(lambda: work.landed == ["a.jpg"])
        eventually(lambda: work.closed)
    assert work.letters == []


def test_what_is_held_is_finished_before_the_end(context: Place) -> None:
    work = Recorder()
    work.slow.clear()
    context.put("a.jpg")
    with context.watched(work) as loop:
        eventually(lambda: context.queue.depth().in_flight >= 1)
        time.sleep(0.2)
        loop.stop()
        time.sleep(0.2)
        assert work.landed == []
    assert work.landed == ["a.jpg"]
    eventually(context.is_empty)


def test_what_a_stopped_watch_still_receives_is_given_back(context: Place) -> None:
    context.put("a.jpg")
    loop = Watch(Recorder(), context.queue)
    loop.stop()
    loop._receive(None)  # type: ignore[arg-type] # nothing is landed any more
    assert context.queue.depth().waiting >= 1


def test_a_long_landing_keeps_its_messages_from_others(hasty: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_EXTEND_AFTER", 0.2)
    work = Recorder()
    work.slow.clear()
    hasty.put("a.jpg")
    with hasty.watched(work):
        eventually(lambda: hasty.queue.depth().in_flight >= 1)
        time.sleep(1.5)
        assert hasty.queue.receive(0) == []
        work.slow.set()
        eventually(hasty.is_empty)
    assert work.landed == ["a.jpg"]


def test_batches_close_in_time_though_nothing_arrives(context: Place) -> None:
    work = Recorder()
    work.next_close = timedelta(milliseconds=150)
    with context.watched(work):
        eventually(lambda: work.closed > 4)
    assert work.announced > 3


def test_what_landed_is_announced_at_once(context: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "LOOK_SECONDS", 1000.0)
    work = Recorder()
    with context.watched(work):
        eventually(lambda: work.announced)
        before = work.announced
        context.put("a.jpg")
        eventually(lambda: work.announced > before)


def test_while_prefect_is_away_batches_close_and_health_tells_it(
    context: Place, caplog: pytest.LogCaptureFixture
) -> None:
    work = Recorder()
    work.next_close = timedelta(milliseconds=100)
    work.fail("announce", PrefectUnreachable("no answer", next_step="labelyard doctor"), times=10_000)
    with caplog.at_level(logging.INFO, "labelyard.sources"), context.watched(work) as loop:
        eventually(lambda: work.closed > 5)
        seen = loop.health()
    assert seen["alive"]
    assert "no answer" in seen["problems"]["announcing batches"]
    assert seen["unannounced"] == 3
    assert len([r for r in caplog.records if "no answer" in r.message]) == 1


def test_health_tells_how_far_it_lags(context: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "_DEPTH_SECONDS", 0.0)
    work = Recorder()
    work.next_close = timedelta(hours=1)
    with context.watched(work) as loop:
        context.put("a.jpg")
        eventually(lambda: work.landed and context.is_empty())
        eventually(lambda: (loop.health()["queue"] or {}).get("waiting") == 0)
        seen = loop.health()
    assert seen["alive"] is True
    assert seen["last_receive"] >= seen["since"]
    assert seen["last_commit"] >= seen["since"]
    assert seen["next_close"] > seen["last_commit"]


def test_a_loop_that_gives_no_sign_is_not_alive(context: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Watch(Recorder(), context.queue)
    assert loop.health()["alive"] is False
    with context.watched(Recorder()) as running:
        eventually(lambda: running.health()["alive"])
        monkeypatch.setattr(watcher, "ALIVE_SECONDS", 0.0)
        assert running.health()["alive"] is False


def test_trouble_is_told_again_when_it_changes_and_pauses_grow_to_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    trouble, pauses = Trouble("doing"), []
    with caplog.at_level(logging.INFO, "labelyard.sources"):
        for n in range(12):
            trouble.met(LedgerUnreachable("one" if n < 6 else "two"))
            pauses.append(trouble.pause)
        trouble.over()
    assert [r.message for r in caplog.records] == ["doing: one", "doing: two", "doing: works again"]
    assert pauses[0] < pauses[1] < pauses[2] < pauses[-1] <= 30
    assert trouble.pause == 0
