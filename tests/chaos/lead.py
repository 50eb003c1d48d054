"""The labelling lead: ends batches, quarantines objects, retires datasets, and applies the plan at the end."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import select

from labelyard.domain.plan import Action
from labelyard.domain.states import BatchState
from labelyard.errors import LabelyardError
from labelyard.ledger.tables import Batch, Object
from labelyard.operations import manual
from labelyard.operations.apply import carry_out
from labelyard.operations.plan import survey_tasks
from tests.chaos.fault_plan import Decision
from tests.chaos.scenario import Scenario

_FINAL = (BatchState.CANCELLED, BatchState.ARCHIVED, BatchState.QUARANTINED)


class Lead:
    """Makes the decisions of a plan when they are due and possible."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._decisions = list(scenario.plan.decisions)

    def tick(self, now: float) -> None:
        """Make every decision that is due; one that is not possible yet is made later, or never."""
        for decision in [one for one in self._decisions if self._scenario.started_at + one.at <= now]:
            with suppress(LabelyardError):  # the ledger is locked, or a run was faster
                if self._decide(decision):
                    self._decisions.remove(decision)
                    self._scenario.fault_counts[f"lead: {decision.what}"] += 1

    def repair(self) -> list[str]:
        """Carry out the plan of the tasks; return what could not be fixed, or should never have to be fixed."""
        context, dataset = self._scenario.context, self._scenario.spec.name
        found = survey_tasks(context, dataset)
        expected = [one for one in found if one.action is Action.DELETE_TASK]
        self._scenario.fault_counts["repair: empty task deleted"] += len(expected)
        self._scenario.log += [f"the plan: {one}" for one in found]
        applied = carry_out(context, expected)
        failed = [*applied.failed, *([applied.stopped] if applied.stopped else ())]
        return [
            *(f"the plan has {one}" for one in found if one not in expected),
            *(f"cannot be fixed: {one}: {error}" for one, error in failed),
            *(f"after it was fixed: {one}" for one in survey_tasks(context, dataset) if one in expected),
        ]

    def _decide(self, decision: Decision) -> bool:
        match decision.what:
            case "retire":
                manual.retire(self._scenario.context, self._scenario.spec.name)
                return True
            case "quarantine":
                return self._quarantine(decision.which)
            case "cancel":
                return self._end(decision, frozenset(BatchState) - frozenset(_FINAL))
            case _:
                return self._end(decision, frozenset({BatchState.EXPORTED}))

    def _quarantine(self, which: int) -> bool:
        with self._scenario.ledger.read_only() as tx:
            query = select(Object).where(Object.dataset == self._scenario.spec.name, Object.batch_id.is_not(None))
            urls = [row.stored.url for row in tx.scalars(query.where(Object.quarantine_reason.is_(None)))]
        if urls:
            manual.quarantine(self._scenario.context, urls[which % len(urls)], "the lead of the chaos run")
        return bool(urls)

    def _end(self, decision: Decision, states: frozenset[BatchState]) -> bool:
        with self._scenario.ledger.read_only() as tx:
            query = select(Batch).where(Batch.dataset == self._scenario.spec.name, Batch.state.in_(states))
            found = [batch.id for batch in tx.scalars(query.order_by(Batch.number))]
        if not found:
            return False
        batch = found[decision.which % len(found)]
        if decision.what == "cancel":
            manual.cancel(self._scenario.context, batch, "the lead of the chaos run")
        else:
            manual.archive(self._scenario.context, batch)
        return True
