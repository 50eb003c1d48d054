"""The final states of flows: their names and messages tell a person what happened, without code or traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.errors import LabelyardError, LeaseTaken
from labelyard.operations.status import unavailable_servers
from labelyard.orchestration import (
    CAUGHT_UP,
    NOTHING_NEW,
    SERVER_UNAVAILABLE,
    STILL_WAITING_FOR_CVAT,
    WAITING_FOR_CVAT,
)
from labelyard.orchestration.artifacts import publish_failure
from labelyard.orchestration.current_run import batch_of_run
from labelyard.orchestration.run_log import join_run_log

P = ParamSpec("P")
_log = logging.getLogger(__name__)


def no_op(unavailable: Mapping[str, str]) -> State[Any]:
    """Return the final state of a scheduled run that changed nothing; `unavailable` maps servers to their last error.

    `prune_noop_runs` deletes runs in these states.
    """
    if unavailable:
        return Completed(
            name=SERVER_UNAVAILABLE, message="\n".join([*unavailable_servers(unavailable), "  next: labelyard doctor"])
        )
    return Completed(name=NOTHING_NEW, message="")


def caught_up(newer: datetime) -> State[Any]:
    """Return the final state of a run that was due long ago, and whose work the one that was due at `newer` does."""
    return Completed(name=CAUGHT_UP, message=f"the run that was due at {newer:%Y-%m-%d %H:%M} UTC makes up for it")


def waiting_for_cvat(found: Mapping[str, Any]) -> State[Any]:
    """Return the final state of a run whose task has no frames yet; `found` is an UnfinishedTask as a dict."""
    next_run = datetime.fromisoformat(found["next_run"])
    return Completed(
        name=STILL_WAITING_FOR_CVAT if found["asked_before"] else WAITING_FOR_CVAT,
        message=f"task {found['task_id']} has no frames yet ({found['progress']}); next run at {next_run:%H:%M:%S} UTC",
    )


def report_failures(work: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """Decorate a flow's function: send labelyard's log to the run's, and turn exceptions into final states.

    The states are returned and not raised, because Prefect would pickle and store the exception. Retries are counted in
    the ledger, so Prefect is not asked for any.
    """

    @wraps(work)
    def reported(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        join_run_log()
        try:
            return work(*args, **kwargs)
        except LeaseTaken as taken:
            return Completed(name="Taken by another run", message=str(taken))
        except LabelyardError as error:
            return _failed(error.happened, error.next_step, retry=error.retry)
        except Exception as error:  # noqa: BLE001 - the state carries the error, the log the traceback
            _log.exception("unexpected error")
            return _failed(f"{type(error).__name__}: {error}", "", retry=False)

    return reported


def _failed(what: str, next_step: str, *, retry: bool) -> State[Any]:
    batch = batch_of_run()
    if retry:
        next_step = f"{next_step}; it" if next_step else "nothing; it"
        next_step += " is tried again automatically"
    next_step = next_step or (f"labelyard retry {batch}" if batch else "labelyard doctor")
    _log.error("%s\n  next: %s", what, next_step)
    publish_failure(batch, what, next_step)
    return Failed(name="To be tried again" if retry else "Failed", message=f"{what}\n  next: {next_step}")
