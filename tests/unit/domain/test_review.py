"""Reviews: each decision, and a state machine of people who do anything while processes die."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from labelyard.domain.job_faults import JobFault, as_reasons, of_reasons
from labelyard.domain.review import (
    BEFORE_REVIEW,
    Decision,
    JobPlace,
    JobReview,
    People,
    Phase,
    ReviewResult,
    ReviewRules,
    ShownJob,
    after_step,
    choose_reviewer,
    decide,
    is_applied,
    is_finished,
    place_of,
)
from labelyard.domain.tasks import JobStatus, JobStep

RULES = ReviewRules(("rita", "sam"), rounds=2)
EVERYBODY = People({"ada", "ben", "rita", "sam"})
DONE = ShownJob("street-00001/0", JobStatus.COMPLETED, "annotation", "completed", "ada")
FAULT = JobFault(3, "rectangle 'car': its area is zero", (1.0, 1.0, 1.0, 9.0))
V2_FIELDS = {
    JobStep.REVIEW: {"stage": "validation", "state": "new"},
    JobStep.REPAIR: {"stage": "annotation", "state": "rejected"},
    JobStep.RETURN: {"stage": "annotation", "state": "rejected"},
    JobStep.LEAD: {"stage": "validation", "state": "rejected"},
    JobStep.ACCEPT: {"stage": "acceptance", "state": "completed"},
}
V1_STATUS = {JobStep.REVIEW: "validation", JobStep.ACCEPT: "completed"}
STATUS = {"annotation": JobStatus.ANNOTATION, "validation": JobStatus.VALIDATION, "acceptance": JobStatus.VALIDATION}


def shown(stage: str, state: str, assignee: str | None) -> ShownJob:
    status = JobStatus.COMPLETED if state == "completed" else STATUS[stage]
    return ShownJob(DONE.key, status, stage, state, assignee)


def in_review(round_: int = 1, **more: object) -> JobReview:
    return replace(JobReview(Phase.REVIEW, True, "ada", "rita", round_), **more)  # type: ignore[arg-type]


def test_a_completed_job_goes_to_the_reviewer_with_the_fewest_open_reviews() -> None:
    busy = replace(EVERYBODY, open_reviews={"rita": 2, "sam": 1})
    decision = decide(JobReview(), DONE, RULES, busy)
    assert (decision.step, decision.assignee) == (JobStep.REVIEW, "sam")
    assert decision.reason == "reviewed: 100% of all jobs are; to sam for review, round 1 of 2"


def test_a_job_never_goes_to_its_annotator_and_a_person_must_help_if_there_is_no_other_reviewer() -> None:
    decision = decide(JobReview(), replace(DONE, assignee="rita"), replace(RULES, reviewers=("rita",)), EVERYBODY)
    assert (decision.step, decision.review.problem) == (None, "none of the reviewers rita can review a job of rita")
    again = decide(decision.review, replace(DONE, assignee="rita"), replace(RULES, reviewers=("rita",)), EVERYBODY)
    assert again.reason == "", "it is said once"
    helped = decide(decision.review, replace(DONE, assignee="rita"), RULES, EVERYBODY)
    assert (helped.step, helped.assignee, helped.review.problem) == (JobStep.REVIEW, "sam", "")


def test_a_reviewer_who_can_get_no_job_gets_none() -> None:
    assert choose_reviewer(JobReview(annotator="ada"), RULES, People({"ada", "sam"})) == "sam"
    chosen = JobReview(annotator="ada", reviewer="zoe", chosen_reviewer="zoe")
    assert choose_reviewer(chosen, RULES, People({"ada", "sam"})) == "sam"
    assert choose_reviewer(chosen, RULES, People({"zoe", "sam"})) == "zoe", "a person chose them"


def test_a_repaired_job_goes_to_the_reviewer_of_before() -> None:
    repaired = in_review(phase=Phase.ANNOTATION, reviewer="sam")
    assert decide(repaired, DONE, RULES, EVERYBODY).assignee == "sam"


def test_which_jobs_are_reviewed_is_decided_by_a_hash_and_once() -> None:
    rules = replace(RULES, share=0.3)
    jobs = [replace(DONE, key=f"street-00001/{n}") for n in range(1000)]
    selected = [decide(JobReview(), job, rules, EVERYBODY).review.selected for job in jobs]
    assert 250 < sum(map(bool, selected)) < 350
    left_out = jobs[selected.index(False)]
    kept = decide(JobReview(selected=False), left_out, replace(rules, share=1.0), EVERYBODY)
    assert (kept.review.selected, kept.step) == (False, None)


@pytest.mark.parametrize(("accepted", "selected"), [((4, 4), False), ((3, 5), True), ((5, 5), False)])
def test_all_jobs_are_reviewed_of_annotators_whose_jobs_are_often_rejected(
    accepted: tuple[int, int], selected: bool
) -> None:
    rules = replace(RULES, share=0.0, accepted_below=0.8)
    decision = decide(JobReview(), DONE, rules, replace(EVERYBODY, accepted={"ada": accepted}))
    assert decision.review.selected is selected


def test_a_person_may_have_a_share_of_their_own() -> None:
    rules = replace(RULES, share=1.0, people={"ada": 0.0}, accepted_below=0.8)
    decision = decide(JobReview(), DONE, rules, replace(EVERYBODY, accepted={"ada": (0, 20)}))
    assert decision.review.selected is False
    assert decision.reason == "not reviewed: 0% of the jobs of ada are"


@pytest.mark.parametrize("job", [shown("validation", "rejected", "rita"), shown("annotation", "new", "rita")])
def test_a_rejected_job_goes_back_also_if_only_its_stage_was_set_back(job: ShownJob) -> None:
    decision = decide(in_review(), job, RULES, EVERYBODY)
    assert (decision.step, decision.assignee, decision.verdict) == (JobStep.REPAIR, "ada", ReviewResult.REJECTED)


@pytest.mark.parametrize(
    ("review", "people", "problem"),
    [
        (in_review(2), EVERYBODY, "rejected in the last round, 2, by rita; drawn by ada"),
        (in_review(), People({"rita"}), "rejected, and ada, who drew it, can get no job"),
    ],
)
def test_a_rejected_job_that_cannot_go_back_needs_a_person(review: JobReview, people: People, problem: str) -> None:
    decision = decide(review, shown("validation", "rejected", "rita"), RULES, people)
    assert (decision.step, decision.review.phase, decision.review.problem) == (None, Phase.LEAD, problem)


@pytest.mark.parametrize(
    ("job", "step", "phase"),
    [
        (shown("validation", "completed", "rita"), JobStep.ACCEPT, Phase.LEAD),
        (shown("annotation", "new", "rita"), JobStep.REPAIR, Phase.LEAD),
        (shown("annotation", "new", "ben"), None, Phase.ANNOTATION),
        (shown("validation", "new", "sam"), None, Phase.REVIEW),
    ],
)
def test_a_person_decides_what_happens_after_the_last_round(job: ShownJob, step: JobStep | None, phase: Phase) -> None:
    lead = in_review(2, phase=Phase.LEAD, problem="rejected 2 times")
    decision = decide(lead, job, RULES, EVERYBODY)
    assert (decision.step, decision.review.phase, decision.review.problem) == (step, phase, "")


def test_the_rounds_count_again_after_a_person_has_decided() -> None:
    lead = in_review(2, phase=Phase.LEAD)
    back = decide(lead, shown("annotation", "new", "ada"), RULES, EVERYBODY).review
    again = after_step(decide(back, DONE, RULES, EVERYBODY).review, JobStep.REVIEW, "rita")
    assert (again.round, decide(again, shown("validation", "rejected", "rita"), RULES, EVERYBODY).step) == (
        3,
        JobStep.REPAIR,
    )


def test_an_accepted_job_that_is_opened_again_is_not_finished_and_is_reviewed_again() -> None:
    accepted = in_review(phase=Phase.ACCEPTED)
    assert is_finished(accepted, JobStatus.COMPLETED)
    assert not is_finished(accepted, JobStatus.ANNOTATION)
    assert decide(accepted, DONE, RULES, EVERYBODY).step is JobStep.REVIEW
    opened = decide(accepted, shown("annotation", "in progress", "rita"), RULES, EVERYBODY)
    assert (opened.step, opened.assignee) == (JobStep.REPAIR, "ada")


def test_the_jobs_of_somebody_who_is_no_reviewer_any_more_go_to_another_unless_a_person_chose_them() -> None:
    job, rules = shown("validation", "new", "rita"), replace(RULES, reviewers=("sam",))
    assert decide(in_review(), job, rules, EVERYBODY).assignee == "sam"
    assert decide(in_review(), replace(job, manual=True), rules, EVERYBODY).step is None


@pytest.mark.parametrize("state", ["new", "completed", "rejected"])
def test_a_person_may_choose_a_job_for_the_review_by_setting_its_stage(state: str) -> None:
    decision = decide(JobReview(selected=False, annotator="ada"), shown("validation", state, "rita"), RULES, EVERYBODY)
    assert (decision.review.selected, decision.review.reviewer) == (True, "rita")


def test_a_faulty_job_goes_back_before_anybody_reviews_it_and_is_reviewed_whatever_the_share() -> None:
    decision = decide(JobReview(), DONE, replace(RULES, share=0.0), EVERYBODY, (FAULT, FAULT))
    assert (decision.step, decision.assignee, decision.verdict) == (JobStep.RETURN, "ada", ReviewResult.FAULTY)
    assert decision.reason == (
        "faulty in round 1 of 2: frame 3: rectangle 'car': its area is zero (and 1 more); back to ada"
    )
    repaired = after_step(decision.review, JobStep.RETURN, "ada")
    assert (repaired.round, repaired.phase) == (1, Phase.ANNOTATION)
    again = decide(repaired, DONE, replace(RULES, share=0.0), EVERYBODY)
    assert (again.step, again.reason) == (JobStep.REVIEW, "to rita for review, round 2 of 2")


@pytest.mark.parametrize(
    ("review", "job", "people", "words"),
    [
        (in_review(1, phase=Phase.ANNOTATION), DONE, EVERYBODY, "faulty in round 2, drawn by ada: "),
        (JobReview(), DONE, People({"rita"}), "faulty in round 1, drawn by ada, who can get no job: "),
        (JobReview(), replace(DONE, assignee=None), EVERYBODY, "faulty in round 1, drawn by nobody, who can get no"),
    ],
)
def test_a_faulty_job_that_cannot_go_back_is_taken_from_its_annotator_and_a_person_decides(
    review: JobReview, job: ShownJob, people: People, words: str
) -> None:
    decision = decide(review, job, RULES, people, (FAULT,))
    assert (decision.step, decision.assignee) == (JobStep.LEAD, None)
    assert decision.review.problem.startswith(words)
    lead = after_step(decision.review, JobStep.LEAD, None)
    assert (lead.phase, lead.problem) == (Phase.LEAD, decision.review.problem)
    for taken in (shown("validation", "rejected", None), ShownJob(DONE.key, JobStatus.ANNOTATION)):
        assert decide(lead, taken, RULES, people) == Decision(lead)
    accepted = decide(lead, shown("validation", "completed", "ben"), RULES, people)
    assert (accepted.step, accepted.verdict) == (JobStep.ACCEPT, ReviewResult.ACCEPTED)
    repaired = decide(lead, shown("annotation", "new", "ada"), RULES, people).review
    assert (repaired.phase, repaired.round - repaired.earlier_rounds) == (Phase.ANNOTATION, 0)


@pytest.mark.parametrize("step", BEFORE_REVIEW)
def test_what_sends_a_completed_job_back_is_done_once_it_is_not_completed_any_more(step: JobStep) -> None:
    to = None if step is JobStep.LEAD else "ada"
    assert not is_applied(step, to, replace(DONE, assignee=to))
    assert not is_applied(step, to, ShownJob(DONE.key, JobStatus.COMPLETED, assignee=to))
    done = shown("validation" if step is JobStep.LEAD else "annotation", "rejected", to)
    assert is_applied(step, to, done)
    assert is_applied(step, to, ShownJob(DONE.key, JobStatus.ANNOTATION, assignee=to))


def test_the_ledger_keeps_the_first_faults_and_how_many_there_are() -> None:
    assert of_reasons(as_reasons([FAULT])) == [FAULT]
    assert [str(one) for one in of_reasons(as_reasons([FAULT] * 23))][19:] == [
        str(FAULT),
        "frame 3: 3 more faults in this job",
    ]
    assert of_reasons({}) == []


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
        """Whoever has the job completes it."""
        self.state, self.status = "completed", JobStatus.COMPLETED

    @rule()
    def draw_a_fault(self) -> None:
        self.faulty = True

    @rule()
    def repair_it(self) -> None:
        self.faulty = False

    def decide(self) -> Decision:
        """Return what is next; faults are looked for in a job that its annotator has completed."""
        is_checked = place_of(self.review, self.job()) is JobPlace.ANNOTATED and self.review.selected is not False
        faults = (FAULT,) if self.faulty and is_checked else ()
        return decide(self.review, self.job(), RULES, EVERYBODY, faults)

    @rule()
    def reject(self) -> None:
        if self.stage == "validation" or self.status is JobStatus.VALIDATION:
            self.state, self.status = "rejected", JobStatus.ANNOTATION

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
            elif now == self.seen and (self.faulty or self.pending.step not in BEFORE_REVIEW):
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
        """Whoever has the job repairs and completes it, and a lead gives one to ada that nobody has: it is finished."""
        self.faulty = False
        for _ in range(6):
            self.come_to_rest()
            self.assignee = self.assignee or "ada"
            self.work()
        self.come_to_rest()
        assert is_finished(self.review, self.job().status)

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
