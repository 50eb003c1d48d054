"""Reviews: each decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelyard.domain.job_faults import JobFault, as_reasons, listed, of_reasons
from labelyard.domain.review import (
    BEFORE_REVIEW,
    Decision,
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
)
from labelyard.domain.tasks import JobStatus, JobStep

RULES = ReviewRules(("rita", "sam"), rounds=2)
EVERYBODY = People({"ada", "ben", "rita", "sam"})
DONE = ShownJob("street-00001/0", JobStatus.COMPLETED, "annotation", "completed", "ada")
FAULT = JobFault(3, "rectangle 'car': its area is zero", (1.0, 1.0, 1.0, 9.0))
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
    by_stage = decide(review, shown("annotation", "new", "rita"), RULES, people)
    assert (by_stage.step, by_stage.assignee, by_stage.verdict) == (JobStep.LEAD, "rita", ReviewResult.REJECTED)
    lead = after_step(by_stage.review, JobStep.LEAD, "rita")
    assert lead == decision.review
    assert decide(lead, shown("validation", "rejected", "rita"), RULES, people) == Decision(lead), "it stays there"


def test_a_job_that_was_set_back_stays_with_who_has_it_if_its_annotator_can_get_no_job() -> None:
    decision = decide(in_review(phase=Phase.LEAD), shown("annotation", "new", "rita"), RULES, People({"rita", "sam"}))
    assert (decision.step, decision.review.phase, decision.review.annotator) == (None, Phase.ANNOTATION, "rita")


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
    assert of_reasons(as_reasons([FAULT])) == listed([FAULT]) == [FAULT]
    assert [str(one) for one in listed([FAULT] * 23)][19:] == [
        str(FAULT),
        "frame 3: 3 more faults in this job",
    ]
    assert of_reasons({}) == []
