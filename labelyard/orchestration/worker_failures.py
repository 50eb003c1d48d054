"""What a worker does when Prefect's API fails: it continues, and sends its requests again.

Prefect's own worker ends, with all its runs, when its polls fail for some minutes, when one of them is refused, and
when a request about one run gets an answer that the worker does not expect, such as 500 or 404. A server that restarts,
a proxy without a server behind it, or a person who deletes a run would end every worker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import anyio
import httpx
import prefect
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.workers.base import BaseWorker

from labelyard.ledger.processes import WORKER
from labelyard.operations.signs_of_life import showing_life
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.outdated_worker import SchemaCheck
from labelyard.settings import load_settings

if TYPE_CHECKING:
    _Worker = BaseWorker[Any, Any, Any]
else:
    _Worker = object

T = TypeVar("T")
_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_ATTEMPTS = 2.0
_INTERVALS_WITHOUT_ATTEMPT = 30  # as many as Prefect's own worker may be without an answer


class ToleratesApiFailures(_Worker):
    """A base class for workers, to be named before Prefect's own: no answer of Prefect's API ends the worker.

    Prefect calls the methods. One that a later Prefect does not call is without effect.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._failures: dict[str, str] = {}
        self._schema = SchemaCheck()
        self._attempted_at = time.monotonic()

    async def setup(self) -> None:
        """Show in the ledger that this worker runs, then do what Prefect's own does. Raises SettingsError."""
        self._exit_stack.enter_context(showing_life(load_settings(), WORKER, prefect.__version__))
        await super().setup()

    def note_attempt(self) -> None:
        """Record that the worker is about to ask Prefect, which is its sign of life."""
        self._attempted_at = time.monotonic()

    def is_worker_still_polling(self, query_interval_seconds: float) -> bool:
        """Return whether the worker has asked for runs lately, with or without an answer: Prefect's probe and ours.

        Prefect's own asks for an answer: then a server that is away for minutes ends all workers with their runs.
        """
        allowed = query_interval_seconds * _INTERVALS_WITHOUT_ATTEMPT
        if time.monotonic() - self._attempted_at <= allowed:
            return True
        return super().is_worker_still_polling(query_interval_seconds)  # it allows for a server in maintenance

    def is_ready(self) -> bool:
        """Return whether the worker takes runs: Prefect answers, knows the worker, and the ledger is not too new."""
        return self._has_successfully_synced and not self._failures and not self._schema.is_ahead()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Return and start the runs that are due; none while Prefect does not say which, or the ledger is too new."""
        self.note_attempt()
        if await anyio.to_thread.run_sync(self._schema.is_ahead):
            return []
        with self._tolerated("asking Prefect for runs"):
            return await super().get_and_submit_flow_runs()
        return []

    async def sync_with_backend(self) -> None:
        """Report to Prefect that the worker is alive, or try it again after the usual interval."""
        with self._tolerated("reporting to Prefect that the worker is alive"):
            await super().sync_with_backend()

    async def _submit_run(self, flow_run: FlowRun) -> None:
        with best_effort(f"starting the run {flow_run.name}"):
            await super()._submit_run(flow_run)
            return
        # Prefect's own has not come so far. The run stays as it is: Scheduled, and the next poll starts it, or Pending,
        # and housekeeping ends it.
        self._release_limit_slot(flow_run.id)
        self._submitting_flow_run_ids.discard(flow_run.id)

    async def _cancel_run(self, flow_run_id: UUID) -> None:
        with best_effort(f"cancelling the run {flow_run_id}"):
            await super()._cancel_run(flow_run_id)

    async def _mark_flow_run_as_cancelled(self, flow_run: FlowRun, state_updates: dict[str, Any] | None = None) -> None:
        mark = super()._mark_flow_run_as_cancelled
        await until_answered(
            f"marking the run {flow_run.name} as cancelled", lambda: mark(flow_run, dict(state_updates or {}))
        )

    @contextmanager
    def _tolerated(self, what: str) -> Iterator[None]:
        """Log an exception of the `with` block, unless it repeats the one before, and continue after the block."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - Prefect's client raises exceptions of many libraries
            failure = _described(error)
            level = logging.DEBUG if self._failures.get(what) == failure else logging.WARNING
            _log.log(level, "%s failed, the worker continues: %s", what, failure)
            self._failures[what] = failure
        else:
            if self._failures.pop(what, None) is not None:
                _log.info("%s works again", what)


async def until_answered(what: str, request: Callable[[], Awaitable[T]]) -> T | None:
    """Send a request about a run, again and again while the server is unavailable: nobody else would send it.

    Raises nothing, and returns None instead of an answer: a refusal is logged, a run that is deleted needs no request.
    """
    try:
        return await until_available(f"{what} failed", request)
    except ObjectNotFound:
        return None
    except httpx.HTTPStatusError as error:
        _log.warning("%s is refused: %s", what, _described(error))
        return None


async def until_available(message: str, request: Callable[[], Awaitable[T]]) -> T:
    """Send a request again and again while the server is unavailable, and return the answer.

    `message` is logged with the first failure. Raises httpx.HTTPStatusError if the server refuses the request, and what
    else the request raises.
    """
    is_first = True
    while True:
        try:
            return await request()
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            if isinstance(error, httpx.HTTPStatusError) and not error.response.is_server_error:
                raise
            _log.log(logging.WARNING if is_first else logging.DEBUG, "%s: %s", message, _described(error))
        is_first = False
        await anyio.sleep(_SECONDS_BETWEEN_ATTEMPTS)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
