"""The states that flows end or wait in. Their names and messages say what happened, without code or traceback.

Red means that a person must act. A run that waits for a server, or for its next attempt, is Scheduled (yellow) and
continues by itself. Of a batch that fails again and again one run is red: the one of the attempt after which a person
has to look (`TRIED_IN_VAIN`). `recovered_runs` turns it green when the batch has recovered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from labelyard.context import open_context
from labelyard.domain.attention import TRIED_IN_VAIN
from labelyard.domain.backoff import exponential_backoff
from labelyard.errors import (
    CVAT_UNAVAILABLE,
    STORE_UNAVAILABLE,
    LabelyardError,
    LeaseLost,
    LeasePostponed,
    LeaseTaken,
    LedgerAhead,
    LedgerUnreachable,
    NothingExported,
)
from labelyard.ledger import batches
from labelyard.log_records import log_about
from labelyard.operations.status import unavailable_servers
from labelyard.orchestration import (
    CAUGHT_UP,
    NOTHING_NEW,
    NOTHING_TO_RELEASE,
    SERVER_UNAVAILABLE,
    TAKEN,
    TRIED_AGAIN,
    WAITING_FOR_ANNOTATORS,
    WAITING_FOR_CVAT,
    WAITING_FOR_WORKER,
)
from labelyard.orchestration.artifacts import publish_failure
from labelyard.orchestration.current_run import batch_of_run, is_scheduled, subject_of_run
from labelyard.orchestration.run_log import join_run_log
from labelyard.orchestration.waiting_runs import wait_until

P = ParamSpec("P")
_log = logging.getLogger(__name__)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=5)
_UNTIL_SERVER_ANSWERS = timedelta(minutes=10)
"""How long a run waits for a server at most: housekeeping continues it as soon as the server answers."""
_SERVERS = (*CVAT_UNAVAILABLE, *STORE_UNAVAILABLE, LedgerUnreachable)
"""Failures that do not count as attempts in vain. Nor does LedgerAhead: the worker of a newer labelyard continues."""


def no_op(unavailable: Mapping[str, str]) -> State[Any]:
    """Return the final state of a scheduled run that changed nothing; `unavailable` maps servers to their last error.

    `prune_noop_runs` deletes runs in these states.
    """
    if unavailable:
        return Completed(
            name=SERVER_UNAVAILABLE, message="\n".join([*unavailable_servers(unavailable), "  next: labelyard doctor"])
        )
    return Completed(name=NOTHING_NEW, message="")


def tried_again(failures: Iterable[str]) -> State[Any]:
    """Return the final state of a scheduled run whose failures the next one tries again, or a person knows already."""
    return Completed(name=TRIED_AGAIN, message="\n".join(failures))


def caught_up(newer: datetime) -> State[Any]:
    """Return the final state of a run that was due long ago, and whose work the one that was due at `newer` does."""
    return Completed(name=CAUGHT_UP, message=f"the run that was due at {newer:%Y-%m-%d %H:%M} UTC makes up for it")


def waiting_for_cvat(found: Mapping[str, Any]) -> State[Any]:
    """Let a run that cannot go on yet wait until it tries again; `found` is an UnfinishedTask as a dict."""
    next_run = datetime.fromisoformat(found["next_run"])
    message = f"task {found['task_id']}: {found['reason']}; next run at {next_run:%H:%M:%S} UTC"
    return wait_until(next_run, WAITING_FOR_CVAT, message)


def waiting_for_annotators(created: Mapping[str, Any], assigned: Mapping[str, Any], event: int) -> State[Any]:
    """Return the final state of an ingested batch: who has its jobs, and where. Both are results of steps as dicts."""
    people = sorted({job["annotator"] or "nobody" for job in assigned["jobs"]})
    jobs = f"{len(assigned['jobs'])} {'job' if len(assigned['jobs']) == 1 else 'jobs'} with {', '.join(people)}"
    return Completed(
        name=WAITING_FOR_ANNOTATORS,
        message=f"{jobs}: task {created['task_id']} ({created['name']}), {created['url']}, event {event}",
    )


def report_failures(work: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """Decorate a flow's function: send labelyard's log to the run's, and turn exceptions into states.

    The states are returned and not raised, because Prefect would pickle and store the exception. Retries are counted in
    the ledger, so Prefect is not asked for any.
    """

    @wraps(work)
    def reported(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        join_run_log()
        with log_about(**subject_of_run()):
            return decided(*args, **kwargs)

    def decided(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        try:
            return work(*args, **kwargs)
        except LeasePostponed as postponed:
            return _postponed(postponed)
        except LabelyardError as error:
            if error.retry:
                return _tried_again(error)
            name = state_without_person(error)
            return Completed(name=name, message=str(error)) if name else _failed(error.happened, error.next_step)
        except Exception as error:  # noqa: BLE001 - the state carries the error, the log the traceback
            _log.exception("unexpected error")
            return _failed(f"{type(error).__name__}: {error}", "")

    return reported


def _postponed(postponed: LeasePostponed) -> State[Any]:
    if postponed.server:
        due = max(postponed.until, datetime.now(UTC) + _UNTIL_SERVER_ANSWERS)
        return wait_until(due, SERVER_UNAVAILABLE, postponed.happened)
    return wait_until(postponed.until, TRIED_AGAIN, postponed.happened)


@dataclass(frozen=True)
class _Attempt:
    """How many attempts have failed in a row, and when the next one is due."""

    number: int
    next_at: datetime


def _tried_again(error: LabelyardError) -> State[Any]:
    """Return the state of a run after a failure that a later attempt may cure."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is not None and "scheduled" in run.tags:  # the next run of its schedule is the next attempt
        _log.warning("%s", error)
        return Completed(name=TRIED_AGAIN, message=str(error))
    attempt = _attempt_of_batch() or _attempt_of_run(run.run_count if run is not None else 1)
    name = waiting_state(error)
    if attempt.number == TRIED_IN_VAIN and name == TRIED_AGAIN:
        next_step = f"{error.next_step or 'nothing'}; it is tried again automatically"
        return _failed(f"after {attempt.number} attempts: {error.happened}", next_step)
    _log.warning("%s", error)
    return wait_until(attempt.next_at, name, f"{error.happened}; tried again at {attempt.next_at:%H:%M:%S} UTC")


def state_without_person(error: LabelyardError) -> str | None:
    """Return the name of the state in which this ends a step, or a run, without red; None if a person must act."""
    if isinstance(error, LeaseTaken | LeaseLost):
        return TAKEN
    if isinstance(error, NothingExported) and is_scheduled():
        return NOTHING_TO_RELEASE
    return waiting_state(error) if error.retry else None


def waiting_state(error: LabelyardError) -> str:
    """Return the name of the state in which a run waits after a failure that a later attempt may cure."""
    if isinstance(error, LedgerAhead):
        return WAITING_FOR_WORKER
    return SERVER_UNAVAILABLE if isinstance(error, _SERVERS) else TRIED_AGAIN


def _attempt_of_batch() -> _Attempt | None:
    batch_id = batch_of_run()
    if batch_id is None:
        return None
    try:
        with open_context() as context, context.ledger.read_only() as tx:
            batch = batches.get(tx, batch_id)
    except LabelyardError:
        return None  # the ledger is away itself
    return _Attempt(batch.attempts, batch.not_before or datetime.now(UTC) + _FIRST_WAIT)


def _attempt_of_run(number: int) -> _Attempt:
    return _Attempt(number, datetime.now(UTC) + exponential_backoff(_FIRST_WAIT, number - 1, _LONGEST_WAIT))


def _failed(what: str, next_step: str) -> State[Any]:
    batch = batch_of_run()
    next_step = next_step or (f"labelyard retry {batch}" if batch else "labelyard doctor")
    _log.error("%s\n  next: %s", what, next_step)
    publish_failure(batch, what, next_step)
    return Failed(message=f"{what}\n  next: {next_step}")
