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
from emulator import StoreServer
from recorder import Recorder
from waiting import eventually

from labelyard.errors import LedgerUnreachable, PrefectUnreachable, StoreError
from labelyard.intake import QueueDepth, watch
from labelyard.intake.sqs import Queue
from labelyard.intake.watch import Trouble, Watch


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
def place(store_server: StoreServer) -> Place:
    return Place(store_server)


@pytest.fixture
def hasty(store_server: StoreServer) -> Place:
    """What is not acknowledged comes again after a second."""
    return Place(store_server, visibility=1)


def test_what_lands_in_the_bucket_lands_in_the_ledger_and_leaves_the_queue(place: Place) -> None:
    work, keys = Recorder(), [f"dir/{n} +%.jpg" for n in range(25)]
    with place.watched(work):
        place.put(*keys)
        eventually(lambda: sorted(work.landed) == sorted(keys))
        eventually(place.is_empty)
    assert work.via == {"sqs"}
    assert work.letters == []


MANY = [f"{n:04d}.jpg" for n in range(900)]


def test_what_has_gathered_in_the_queue_lands_in_bursts(place: Place) -> None:
    work = Recorder()
    place.fill(*MANY)
    with place.watched(work):
        eventually(lambda: sorted(work.landed) == MANY)
        eventually(place.is_empty)
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


def test_one_message_that_spoils_a_burst_holds_up_no_other_of_it(place: Place) -> None:
    work = Recorder()
    work.spoilt = {MANY[77]: StoreError("AccessDenied")}
    place.fill(*MANY[:200])
    with place.watched(work):
        eventually(lambda: sorted(work.landed) == sorted({*MANY[:200]} - {MANY[77]}))
        eventually(lambda: place.queue.depth() == QueueDepth(0, 1))


def test_bursts_in_hand_are_finished_before_the_end(place: Place) -> None:
    work = Recorder()
    work.slow.clear()
    place.fill(*MANY)
    with place.watched(work) as loop:
        eventually(lambda: place.queue.depth().in_flight > 400)
        loop.stop()
        assert work.landed == []
    assert 400 < len(work.landed) <= 800
    eventually(lambda: place.queue.depth() == QueueDepth(len(MANY) - len(work.landed), 0))


def test_what_is_deleted_in_the_bucket_is_told(place: Place) -> None:
    work = Recorder()
    with place.watched(work):
        place.put("a b+c.jpg")
        eventually(lambda: work.landed == ["a b+c.jpg"])
        place.server.store.delete(place.bucket, "a b+c.jpg")
        eventually(lambda: work.removed == ["a b+c.jpg"])
        eventually(place.is_empty)


def test_a_deletion_that_cannot_be_noted_stays_on_the_queue(hasty: Place) -> None:
    work = Recorder()
    work.fail("gone", LedgerUnreachable("away"), times=2)
    with hasty.watched(work):
        hasty.put("a.jpg")
        eventually(lambda: "a.jpg" in work.landed)
        hasty.server.store.delete(hasty.bucket, "a.jpg")
        eventually(lambda: "a.jpg" in work.removed)
        eventually(hasty.is_empty)


def test_nothing_is_acknowledged_before_it_is_committed(place: Place) -> None:
    work = Recorder()
    work.slow.clear()
    place.put("a.jpg")
    with place.watched(work):
        eventually(lambda: place.queue.depth().in_flight >= 1)
        assert work.landed == []
        assert not place.is_empty()
        work.slow.set()
        eventually(place.is_empty)
    assert work.landed == ["a.jpg"]


def test_while_the_ledger_is_away_messages_stay_and_it_is_told_once(
    hasty: Place, caplog: pytest.LogCaptureFixture
) -> None:
    work = Recorder()
    work.fail("land", LedgerUnreachable("the ledger does not answer"), times=3)
    with caplog.at_level(logging.INFO, "labelyard.intake"):
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


def test_an_unreadable_message_is_kept_and_leaves_the_queue(place: Place) -> None:
    work = Recorder()
    with place.watched(work):
        place.send("hello")
        place.send(json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}))
        place.put("a.jpg")
        eventually(lambda: len(work.letters) == 2 and work.landed == ["a.jpg"])
        eventually(place.is_empty)
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
    place, work = Place(store_server, visibility=0), Recorder()
    work.spoilt = {"bad.jpg": StoreError("AccessDenied")}
    place.put("a.jpg", "bad.jpg", "b.jpg")
    with place.watched(work):
        eventually(lambda: {"a.jpg", "b.jpg"} <= set(work.landed))
        eventually(lambda: work.letters, seconds=60)
        eventually(place.is_empty)
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


def test_what_is_held_is_finished_before_the_end(place: Place) -> None:
    work = Recorder()
    work.slow.clear()
    place.put("a.jpg")
    with place.watched(work) as loop:
        eventually(lambda: place.queue.depth().in_flight >= 1)
        time.sleep(0.2)
        loop.stop()
        time.sleep(0.2)
        assert work.landed == []
    assert work.landed == ["a.jpg"]
    eventually(place.is_empty)


def test_what_a_stopped_watch_still_receives_is_given_back(place: Place) -> None:
    place.put("a.jpg")
    loop = Watch(Recorder(), place.queue)
    loop.stop()
    loop._receive(None)  # type: ignore[arg-type] # nothing is landed any more
    assert place.queue.depth().waiting >= 1


def test_a_long_landing_keeps_its_messages_from_others(hasty: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_EXTEND_AFTER", 0.2)
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


def test_batches_close_in_time_though_nothing_arrives(place: Place) -> None:
    work = Recorder()
    work.next_close = timedelta(milliseconds=150)
    with place.watched(work):
        eventually(lambda: work.closed > 4)
    assert work.announced > 3


def test_what_landed_is_announced_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 1000.0)
    work = Recorder()
    with place.watched(work):
        eventually(lambda: work.announced)
        before = work.announced
        place.put("a.jpg")
        eventually(lambda: work.announced > before)


def test_while_prefect_is_away_batches_close_and_health_tells_it(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    work = Recorder()
    work.next_close = timedelta(milliseconds=100)
    work.fail("announce", PrefectUnreachable("no answer", next_step="labelyard doctor"), times=10_000)
    with caplog.at_level(logging.INFO, "labelyard.intake"), place.watched(work) as loop:
        eventually(lambda: work.closed > 5)
        seen = loop.health()
    assert seen["alive"]
    assert "no answer" in seen["problems"]["announcing batches"]
    assert seen["unannounced"] == 3
    assert len([r for r in caplog.records if "no answer" in r.message]) == 1


def test_health_tells_how_far_it_lags(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_DEPTH_SECONDS", 0.0)
    work = Recorder()
    work.next_close = timedelta(hours=1)
    with place.watched(work) as loop:
        place.put("a.jpg")
        eventually(lambda: work.landed and place.is_empty())
        eventually(lambda: (loop.health()["queue"] or {}).get("waiting") == 0)
        seen = loop.health()
    assert seen["alive"] is True
    assert seen["last_receive"] >= seen["since"]
    assert seen["last_commit"] >= seen["since"]
    assert seen["next_close"] > seen["last_commit"]


def test_a_loop_that_gives_no_sign_is_not_alive(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Watch(Recorder(), place.queue)
    assert loop.health()["alive"] is False
    with place.watched(Recorder()) as running:
        eventually(lambda: running.health()["alive"])
        monkeypatch.setattr(watch, "ALIVE_SECONDS", 0.0)
        assert running.health()["alive"] is False


def test_trouble_is_told_again_when_it_changes_and_pauses_grow_to_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    trouble, pauses = Trouble("doing"), []
    with caplog.at_level(logging.INFO, "labelyard.intake"):
        for n in range(12):
            trouble.met(LedgerUnreachable("one" if n < 6 else "two"))
            pauses.append(trouble.pause)
        trouble.over()
    assert [r.message for r in caplog.records] == ["doing: one", "doing: two", "doing: works again"]
    assert pauses[0] < pauses[1] < pauses[2] < pauses[-1] <= 30
    assert trouble.pause == 0
