"""What every lease needs: a name for its holder, and a thread that extends it while a step works."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from uuid import uuid4

from labelyard.errors import LeaseLost, LedgerError

_log = logging.getLogger(__name__)


def new_holder() -> str:
    """Return a name for the holder of a lease: host, process, and something that no other lease of it has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


@contextmanager
def extended_in_background(name: str, extend: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `extend` three times in the length of a lease (`seconds`), until the end of the block.

    `extend` raises LeaseLost: then the thread ends, and the step meets the same error at its next check.
    """
    done = Event()
    # In the caller's context, so that its lines appear in the log of the caller's run.
    thread = Thread(
        target=copy_context().run,
        args=(_extend_until, done, name, extend, seconds),
        name=f"lease of {name}",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _extend_until(done: Event, name: str, extend: Callable[[], None], seconds: float) -> None:
    # A third of the lease: two extensions may fail before it expires.
    while not done.wait(seconds / 3):
        try:
            extend()
        except LeaseLost:
            return
        except LedgerError as error:
            _log.warning("%s: the lease could not be extended: %s", name, error)
