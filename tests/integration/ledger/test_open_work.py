"""Each policy counts the open work of everybody, on each database."""

from __future__ import annotations

import pytest

from labelyard.config import DatasetSpec
from labelyard.domain.assignment import ASSIGNMENT_POLICIES, AssignmentRules, PersonRules
from labelyard.ledger import Ledger, assignments, batches
from tests.integration.ledger.test_due_assignments import add_batches


@pytest.mark.parametrize("policy", list(ASSIGNMENT_POLICIES))
def test_the_next_job_goes_to_the_person_without_open_work(ledger: Ledger, spec: DatasetSpec, policy: str) -> None:
    rules, chosen = AssignmentRules(policy, PersonRules(limit=1)), []
    for number in (1, 2):
        batch = add_batches(ledger, spec, range(number, number + 1))
        with ledger.transaction() as tx:
            jobs = assignments.choose_assignees(tx, batches.get(tx, batch.id), ["ann", "bob"], rules, {number})
            chosen += [job.chosen_assignee for job in jobs]
    assert sorted(filter(None, chosen)) == ["ann", "bob"]
