"""The library's log lines in the log of the run that causes them."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler


class RunLogHandler(APILogHandler):
    """Sends to Prefect what is logged while a flow or a task of this thread runs; other lines are not its business."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send the line if it belongs to a run."""
        if FlowRunContext.get() is not None or TaskRunContext.get() is not None:
            super().emit(record)


def join_run_log() -> None:
    """From now on labelyard's log lines, from INFO up, stand in the log of the run. Once a process is enough.

    PREFECT_LOGGING_EXTRA_LOGGERS would do half of it, and only where somebody has set it.
    """
    logger = logging.getLogger("labelyard")
    if not any(isinstance(handler, RunLogHandler) for handler in logger.handlers):
        logger.addHandler(RunLogHandler())
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
