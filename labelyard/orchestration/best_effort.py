"""Calls to Prefect that only display something: their failure must not stop the work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log an exception of the `with` block as a failure of `what`, and continue after the block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - Prefect's client raises exceptions of many libraries
        _log.warning("%s failed, continuing without it: %s: %s", what, type(error).__name__, error)
