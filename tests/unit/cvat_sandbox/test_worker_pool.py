"""The worker threads: how many run, in which order, and how they stop."""

from __future__ import annotations

import threading
import time

import pytest

from cvat_sandbox.workers.pool import WorkerPool


def test_one_worker_runs_jobs_in_the_order_of_their_submission() -> None:
    pool, done = WorkerPool(1), []
    for number in range(50):
        pool.submit(lambda number=number: done.append(number))
    finished = threading.Event()
    pool.submit(finished.set)
    assert finished.wait(10)
    assert done == list(range(50))
    assert pool.stop()


def test_as_many_jobs_run_at_once_as_there_are_workers() -> None:
    pool, running, go_on = WorkerPool(3), threading.Semaphore(0), threading.Event()

    def job() -> None:
        running.release()
        go_on.wait(10)

    for _ in range(5):
        pool.submit(job)
    assert all(running.acquire(timeout=10) for _ in range(3))
    assert not running.acquire(timeout=0.2)
    go_on.set()
    assert pool.stop()


def test_stop_waits_for_running_jobs_and_drops_queued_ones() -> None:
    pool, started, done = WorkerPool(1), threading.Event(), []

    def running() -> None:
        started.set()
        time.sleep(0.3)
        done.append("running")

    pool.submit(running)
    pool.submit(lambda: done.append("queued"))
    assert started.wait(10)
    assert pool.stop()
    assert done == ["running"]


def test_stop_says_when_a_job_still_runs() -> None:
    pool, go_on = WorkerPool(1), threading.Event()
    pool.submit(lambda: bool(go_on.wait(10)))
    time.sleep(0.1)
    assert not pool.stop(timeout=0.1)
    go_on.set()


def test_a_job_that_fails_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    pool, finished = WorkerPool(1), threading.Event()
    pool.submit(lambda: int("x"))
    pool.submit(finished.set)
    assert finished.wait(10)
    assert "ValueError" in caplog.text
    assert pool.stop()
