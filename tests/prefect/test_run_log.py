"""The log of a run: a known failure is its message, a bug has a traceback."""

from __future__ import annotations

import logging
import sys

import pytest
from prefect.exceptions import FailedRun

from labelyard.errors import CvatUnreachable, LeaseTaken
from labelyard.orchestration.run_log import drop_known_traceback, join_run_log

KNOWN = [CvatUnreachable("no connection", where="http://cvat"), LeaseTaken("another run has it"), FailedRun("failed")]


def record_of(error: Exception) -> logging.LogRecord:
    """The record that Prefect's engine logs for an error in a task, with the error's cause."""
    try:
        raise error from OSError("connection refused")  # noqa: TRY301 - it needs a traceback
    except Exception:  # noqa: BLE001 - any error
        return logging.LogRecord(
            "prefect.task_runs", logging.ERROR, __file__, 1, "failed: %r", (error,), sys.exc_info()
        )


@pytest.mark.parametrize("error", KNOWN, ids=lambda error: type(error).__name__)
def test_a_known_failure_is_logged_with_its_message_and_without_a_traceback(error: Exception) -> None:
    record = record_of(error)
    assert drop_known_traceback(record)
    assert logging.Formatter().format(record) == f"failed: {error!r}"


def test_a_bug_is_logged_with_its_traceback() -> None:
    record = record_of(KeyError("batch"))
    assert drop_known_traceback(record)
    assert "Traceback" in logging.Formatter().format(record)


@pytest.mark.parametrize("name", ["prefect.task_runs", "prefect.flow_runs", "prefect.engine", "prefect.flow_engine"])
def test_joining_the_log_twice_filters_prefects_engine_once(name: str) -> None:
    for _ in range(2):
        join_run_log()
    assert logging.getLogger(name).filters.count(drop_known_traceback) == 1
