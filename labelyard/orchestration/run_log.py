"""labelyard's log lines in the log of the Prefect run that wrote them."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import FailedRun
from prefect.logging.handlers import APILogHandler

from labelyard.errors import LabelyardError
from labelyard.log_records import add_fields_to_records

_ENGINE_LOGGERS = ("prefect.task_runs", "prefect.flow_runs", "prefect.flow_engine", "prefect.engine")
_KNOWN_FAILURES = (LabelyardError, FailedRun)  # FailedRun: a flow returned the state Failed, which has the reason


class RunLogHandler(APILogHandler):
    """Sends log lines to Prefect while a flow or a task runs in the current context; ignores all others."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record if a run is active."""
        if FlowRunContext.get() is not None or TaskRunContext.get() is not None:
            super().emit(record)


def join_run_log() -> None:
    """Send labelyard's log lines from INFO up to the log of the active run, and known failures without a traceback.

    A second call does nothing. Prefect's own setting PREFECT_LOGGING_EXTRA_LOGGERS would have to be set on every
    worker, and passes only warnings and errors.
    """
    add_fields_to_records()
    logger = logging.getLogger("labelyard")
    if not any(isinstance(handler, RunLogHandler) for handler in logger.handlers):
        logger.addHandler(RunLogHandler())
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    for name in _ENGINE_LOGGERS:
        logging.getLogger(name).addFilter(drop_known_traceback)  # the same filter is added only once


def drop_known_traceback(record: logging.LogRecord) -> bool:
    """Remove the traceback of a known failure from the record of Prefect's engine; pass every record.

    Its message says what happened and what to do next. A traceback is for bugs.
    """
    if record.exc_info and isinstance(record.exc_info[1], _KNOWN_FAILURES):
        record.exc_info = record.exc_text = None
    return True
