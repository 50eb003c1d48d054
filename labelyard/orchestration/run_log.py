"""labelyard's log lines in the log of the Prefect run that wrote them."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler


class RunLogHandler(APILogHandler):
    """Sends log lines to Prefect while a flow or a task runs in the current context; ignores all others."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record if a run is active."""
        if FlowRunContext.get() is not None or TaskRunContext.get() is not None:
            super().emit(record)


def join_run_log() -> None:
    """Send labelyard's log lines from INFO up to the log of the active run. A second call does nothing.

    Prefect's own setting PREFECT_LOGGING_EXTRA_LOGGERS would have to be set on every worker, and passes only warnings
    and errors.
    """
    logger = logging.getLogger("labelyard")
    if not any(isinstance(handler, RunLogHandler) for handler in logger.handlers):
        logger.addHandler(RunLogHandler())
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
