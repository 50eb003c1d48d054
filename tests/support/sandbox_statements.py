"""The SQL statements that a sandbox executes for a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from cvat_sandbox import Serving


@contextmanager
def statements(sandbox: Serving) -> Iterator[list[str]]:
    """The SQL statements that the block executes."""
    asked: list[str] = []
    connection = sandbox.sandbox.db._connection
    connection.set_trace_callback(asked.append)
    yield asked
    connection.set_trace_callback(None)


def cost(sandbox: Serving, ask: Callable[[], httpx.Response]) -> int:
    with statements(sandbox) as asked:
        assert ask().status_code == 200
    return len(asked)
