"""Reviews: a state machine of people who do anything while processes die."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from labelyard.domain.review import (
    BEFORE_REVIEW,
    Decision,
    JobPlace,
    JobReview,
    Phase,
    ShownJob,
    after_step,
    decide,
    is_applied,
    is_finished,
    place_of,
)
from labelyard.domain.tasks import JobStatus, JobStep
from tests.unit.domain.test_review import DONE, EVERYBODY, FAULT, RULES, STATUS, shown

V2_FIELDS = {
    JobStep.REVIEW: {"stage": "validation", "state": "new"},
    JobStep.REPAIR: {"stage": "annotation", "state": "rejected"},
    JobStep.RETURN: {"stage": "annotation", "state": "rejected"},
    JobStep.LEAD: {"stage": "validation", "state": "rejected"},
    JobStep.ACCEPT: {"stage": "acceptance", "state": "completed"},
}
V1_STATUS = {JobStep.REVIEW: "validation", JobStep.ACCEPT: "completed"}


class Reviewing(RuleBasedStateMachine):
    """One job: its annotator and reviewers, a lead who changes anything, and a labelyard that dies at any point."""

    @initialize(old=st.booleans())
    def start(self, old: bool) -> None:
        self.old = old
        self.review, self.step = JobReview(), None
        self.stage, self.state, self.assignee = "annotation", "new", "ada"
        self.status = JobStatus.ANNOTATION
        self.manual = self.faulty = False
        self.pending: Decision | None = None
        self.seen: ShownJob | None = None

    def job(self) -> ShownJob:
        if self.old:
            return ShownJob(DONE.key, self.status, assignee=self.assignee, manual=self.manual)
        return replace(shown(self.stage, self.state, self.assignee), manual=self.manual)

    @rule()
    def work(self) -> None:
        """The assignee completes the job."""
        self.state, self.status = "completed", JobStatus.COMPLETED

    @rule()
    def draw_a_fault(self) -> None:
        self.faulty = True

    @rule()
    def repair_it(self) -> None:
        self.faulty = False

    def decide(self) -> Decision:
        """Return what is next; faults are looked for in a job that its annotator has completed."""
        faults = (FAULT,) if self.faulty and self.is_checked() else ()
        return decide(self.review, self.job(), RULES, EVERYBODY, faults)

    def is_checked(self) -> bool:
        return place_of(self.review, self.job()) is JobPlace.ANNOTATED and self.review.selected is not False

    def is_repaired(self, step: JobStep) -> bool:
        """Return whether a step that was decided because of faults has no reason any more."""
        return step in BEFORE_REVIEW and self.is_checked() and not self.faulty

    @rule(by_stage=st.booleans())
    def reject(self, by_stage: bool) -> None:
        """A reviewer says no: with the state, or by setting the stage back alone."""
        if self.status is JobStatus.VALIDATION if self.old else self.stage != "annotation":
            self.state, self.status = "new" if by_stage else "rejected", JobStatus.ANNOTATION
            self.stage = "annotation" if by_stage else self.stage

    @rule(
        stage=st.sampled_from(sorted(STATUS)),
        state=st.sampled_from(["new", "in progress", "completed", "rejected"]),
        status=st.sampled_from(list(JobStatus)),
        assignee=st.sampled_from(["ada", "ben", "rita", "sam", "ursula", None]),
    )
    def lead_changes_anything(self, stage: str, state: str, status: JobStatus, assignee: str | None) -> None:
        self.manual |= assignee != self.assignee
        self.stage, self.state, self.status, self.assignee = stage, state, status, assignee

    @rule()
    def poll(self) -> None:
        """Settle the pending step, or decide the next one, as `ledger.reviews` does."""
        now = self.job()
        if self.pending is not None:
            assert self.pending.step is not None
            if is_applied(self.pending.step, self.pending.assignee, now):
                self.review = after_step(self.review, self.pending.step, self.pending.assignee)
                self.manual = False
            elif now == self.seen and not self.is_repaired(self.pending.step):
                return
            self.pending = None
        decision = self.decide()
        assert decision == self.decide()
        self.review = decision.review
        if decision.step is not None:
            self.pending, self.seen = decision, now
        if decision.step is JobStep.REVIEW:
            assert decision.assignee in (*RULES.reviewers, self.review.chosen_reviewer)
            assert decision.assignee != self.review.annotator
        if decision.step in (JobStep.REPAIR, JobStep.RETURN):
            assert decision.assignee == self.review.annotator
        if decision.step or decision.verdict or decision.review.phase is Phase.LEAD:
            assert decision.reason or decision.review == self.review

    @rule()
    def send(self) -> None:
        """The request takes effect; that its answer is lost is a `poll` that comes later."""
        if self.pending is not None and self.job() == self.seen:
            step = self.pending.step
            assert step is not None
            fields, self.status = V2_FIELDS[step], JobStatus(V1_STATUS.get(step, "annotation"))
            self.stage, self.state = fields["stage"], fields["state"]
            self.assignee = self.pending.assignee

    @rule()
    def come_to_rest(self) -> None:
        """While nobody does anything, labelyard soon has nothing to do either."""
        for _ in range(6):
            self.poll()
            self.send()
        assert self.pending is None
        assert self.decide() == Decision(self.review)

    @rule()
    def everybody_does_their_part(self) -> None:
        """The assignee repairs and completes the job; if it has none, a lead gives it to ada."""
        self.faulty = False
        for _ in range(6):
            self.come_to_rest()
            self.assignee = self.assignee or "ada"
            self.work()
        self.come_to_rest()
        assert is_finished(self.review, self.job().status)

    @rule(by_stage=st.booleans())
    def it_is_rejected_in_every_round(self, by_stage: bool) -> None:
        """After the last round it stays with the lead, however reviewers reject, until a person does something."""
        self.come_to_rest()
        for _ in range(2 * RULES.rounds + 1):
            if self.review.phase is Phase.REVIEW:
                self.reject(by_stage)
            elif self.review.phase is Phase.ANNOTATION:
                self.assignee = self.assignee or "ada"
                self.work()
            self.come_to_rest()
        assert self.review.phase in (Phase.LEAD, Phase.ACCEPTED)

    @invariant()
    def what_is_finished_is_accepted(self) -> None:
        if hasattr(self, "review") and is_finished(self.review, self.job().status):
            assert self.job().status is JobStatus.COMPLETED
            assert self.review.phase is Phase.ACCEPTED

    @invariant()
    def no_more_rounds_than_the_rules_allow_unless_a_person_begins_them(self) -> None:
        if hasattr(self, "review") and self.pending and self.pending.step in (JobStep.REPAIR, JobStep.RETURN):
            assert self.review.round - self.review.earlier_rounds <= RULES.rounds


TestReviewing = Reviewing.TestCase
