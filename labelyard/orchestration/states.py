"""How a flow ends: in a state whose name and message a person understands without reading code or traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from labelyard.errors import LabelyardError, LeaseTaken
from labelyard.orchestration.artifacts import batch_of_this_run, failure_page
from labelyard.orchestration.run_log import join_run_log

P = ParamSpec("P")
_log = logging.getLogger(__name__)


def report_failures(work: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """Give a flow's function labelyard's log, and turn what it raises into the state that it ends in.

    The states are returned, not raised: Prefect would pickle the exception and store it. Trying again is the ledger's
    business, so nothing here asks Prefect for a retry.
    """

    @wraps(work)
    def ended(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        join_run_log()
        try:
            return work(*args, **kwargs)
        except LeaseTaken as taken:
            return Completed(name="Taken by another run", message=str(taken))
        except LabelyardError as error:
            return _failed(error.happened, error.next_step, again=error.retry)
        except Exception as error:  # noqa: BLE001 - the run says what it was; it is logged with its traceback
            _log.exception("unexpected")
            return _failed(f"{type(error).__name__}: {error}", "", again=False)

    return ended


def _failed(what: str, next_step: str, *, again: bool) -> State[Any]:
    batch = batch_of_this_run()
    next_step = next_step or (f"labelyard retry {batch}" if batch else "labelyard doctor")
    _log.error("%s\n  next: %s", what, next_step)
    failure_page(batch, what, next_step)
    hint = "\n  It is tried again automatically." if again else ""
    return Failed(name="To be tried again" if again else "Failed", message=f"{what}\n  next: {next_step}{hint}")
