"""Prefect tasks of pipeline steps, with states that follow the rule of `states`: red means that a person must act.

     step ──a later attempt may cure it, or another run has the batch──▶ Cancelled (grey), named "Server unavailable", …
          ──a person must act──▶ Failed (red)

The flow gets the exception in either case, and decides about the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from labelyard.errors import Interruption, LabelyardError
from labelyard.orchestration import WAITING_FOR_CVAT
from labelyard.orchestration.states import state_without_person
from labelyard.pipeline.wait_for_status import UnfinishedTask

P = ParamSpec("P")
R = TypeVar("R")


class Step(Task[P, R]):
    """A Prefect task that may end in a state of its own; a call gets the exception, or the result, in that state."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step in a flow and return its result. Raises what the step raised."""
        ended = super().__call__(*args, **kwargs)
        if not isinstance(ended, State) or kwargs.get("return_state"):
            return ended
        data = getattr(ended.data, "result", ended.data)  # Prefect puts the data of a state into a record
        if isinstance(data, BaseException):
            raise data
        return data


def step_task(name: str, run_name: str) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Decorate a function that executes a pipeline step: it becomes a Prefect task, and exceptions become states.

    No result is stored, in a cache or elsewhere: a step that runs again asks the ledger and the server what is done.
    """

    def decorate(work: Callable[P, R]) -> Step[P, R]:
        @wraps(work)
        def ended(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return work(*args, **kwargs)
            except LabelyardError as error:
                if name_of_state := state_without_person(error):
                    return cast("R", _grey(name_of_state, error.happened, error))
                raise
            except Interruption as stopped:
                return cast("R", _grey("Stopped", "The run was cancelled, or its worker was stopped.", stopped))

        return Step(ended, name=name, task_run_name=run_name, cache_policy=NO_CACHE, persist_result=False)

    return decorate


def _grey(name: str, message: str, error: BaseException) -> State[Any]:
    """Return a final state that is neither a success nor red; its data are for this process alone."""
    return Cancelled(name=name, message=message, data=error)


def waiting_step(unfinished: UnfinishedTask) -> dict[str, Any]:
    """Return, for a step, the state that says that CVAT is still at work; the flow gets the document in it."""
    state: State[Any] = Completed(name=WAITING_FOR_CVAT, message=unfinished.reason, data=unfinished.document())
    return cast("dict[str, Any]", state)
