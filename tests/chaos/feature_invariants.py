"""The invariants of predictions, of quality control and of the check before reviews at rest. Pure.

Predictions are imported exactly once, or not at all with a reason. There is one ground-truth job, there are the wanted
honeypots and replicas, replicas are merged before the batch continues, and none of it is exported. The account of an
export balances. No reviewer gets a job that was completed with a faulty shape; each fault has one issue, which is
resolved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from labelyard.domain.job_faults import is_about_fault
from labelyard.domain.review import ReviewResult
from tests.chaos.invariants import Batch, ExportedFile, Object, QualityJob, Snapshot, Task

LABELLED = frozenset({"exported", "archived"})
"""The states of the batches that people have labelled."""
_MADE = ("kept", "moved", "changed", "removed")
"""What people make of predictions."""


def feature_violations(snapshot: Snapshot) -> list[str]:
    """Return every violated invariant as a sentence."""
    tasks = {task.id: task for task in snapshot.tasks}
    labelled = [one for one in snapshot.batches if one.state in LABELLED and one.task in tasks]
    return [line for batch in labelled for line in _batch(snapshot, batch, tasks[batch.task])]


def _batch(snapshot: Snapshot, batch: Batch, task: Task) -> Iterator[str]:
    rows = [row for row in snapshot.objects if row.batch == batch.id and row.upload_name is not None]
    yield from _imported(snapshot, batch, task, rows)
    yield from _ground_truth(snapshot, batch, task)
    yield from _replicas(snapshot, batch, task)
    yield from _check(batch, task, {row.upload_name for row in rows if row.quarantine_reason is None})
    yield from _issues(batch, task)
    if {job.id: job.assignee for job in task.quality_jobs} != dict(batch.quality_jobs):
        yield f"{batch.id}: the ledger has the quality jobs {dict(batch.quality_jobs)}, the server {task.quality_jobs}"
    file = snapshot.current_file(batch.id)
    if file is not None:
        yield from _account(batch, file)
        yield from _corrections(batch, file)


# --- predictions ------------------------------------------------------------------------------------------------------


def _imported(snapshot: Snapshot, batch: Batch, task: Task, rows: Sequence[Object]) -> Iterator[str]:
    found, wanted = batch.predictions, snapshot.predicted
    if (found is None) != (wanted is None):
        yield f"{batch.id} has {found} of predictions, and {'none' if wanted is None else 'some'} are wanted"
    keys = {row.upload_name: row.key for row in rows}
    is_imported = found is not None and found.state == "imported"
    for number, frame in enumerate(task.all_frames):
        expected = int(is_imported and frame.use != "truth" and keys.get(frame.name) in (wanted or ()))
        is_allowed = frame.predictions < expected and found is not None and found.reason
        if frame.predictions != expected and not is_allowed:
            yield f"{batch.id}: frame {number} ({frame.name}) has {frame.predictions} predictions, not {expected}"
    if found is None:
        return
    if found.state not in {"imported", "skipped"}:
        yield f"{batch.id}: its predictions are {found.state}"
    if found.state == "skipped" and not found.reason:
        yield f"{batch.id} is labelled without predictions and does not say why"
    if found.shapes != sum(frame.predictions for frame in task.all_frames):
        yield f"{batch.id}: the ledger has {found.shapes} predictions, the frames have others"


def _corrections(batch: Batch, file: ExportedFile) -> Iterator[str]:
    found, said = batch.predictions, file.info.get("preannotation")
    if found is None or said is None:
        if found is not None or said is not None:
            yield f"{batch.id}: its predictions are {found}, and {file.key} says {said}"
        return
    made = said.get("total", {})
    if said["imported"] != found.shapes or sum(made.get(name, 0) for name in _MADE) != found.shapes:
        yield f"{batch.id}: {found.shapes} predictions are in CVAT, and {file.key} says {said}"
    if made.get("removed"):
        yield f"{batch.id}: nobody removed a prediction, and {file.key} says {said}"
    if found.state == "skipped" and not said.get("reason"):
        yield f"{batch.id}: {file.key} does not say why there are no predictions"


# --- quality control --------------------------------------------------------------------------------------------------


def _ground_truth(snapshot: Snapshot, batch: Batch, task: Task) -> Iterator[str]:
    files, wanted = len(task.frames), snapshot.quality
    pool = min(wanted.truth, files - 1) if wanted.honeypots else 0
    jobs = [job for job in task.quality_jobs if job.parent is None]
    expected = int(pool > 0 if wanted.honeypots else wanted.truth > 0)
    if len(jobs) != expected:
        yield f"{batch.id} has {len(jobs)} ground-truth jobs, not {expected}"
    yield from _unassigned(batch, jobs)
    if len(task.pool) != pool:
        yield f"{batch.id}: {len(task.pool)} files are ground truth alone, not {pool}"
    honeypots = [frame.name for frame in task.all_frames if frame.use == "honeypot"]
    if len(honeypots) != len(task.jobs) * min(wanted.honeypots, pool) or {*honeypots} - task.pool:
        yield f"{batch.id}: {len(task.jobs)} jobs have the honeypots {honeypots} of {sorted(task.pool)}"
    if jobs and batch.state == "exported" and not batch.has_report:
        yield f"{batch.id} has accepted ground truth and no quality report"


def _replicas(snapshot: Snapshot, batch: Batch, task: Task) -> Iterator[str]:
    yield from _unassigned(batch, task.replicas)
    for parent in task.jobs:
        people = [job.assignee for job in task.replicas if job.parent == parent]
        if len(people) != snapshot.quality.replicas or len({*people}) != len(people):
            yield f"{batch.id}: job {parent} has replicas of {people}, {snapshot.quality.replicas} are wanted"
    for frame in task.all_frames:
        merged, again = task.boxes.get(frame.name, 0), task.drawn_again.count(frame.name)
        if task.replicas and not merged:
            yield f"{batch.id}: nothing that people drew on {frame.name} was merged"
        elif task.replicas and merged <= again:  # another merge replaces what is in the job
            yield f"{batch.id}: what people drew on {frame.name} after the merge is lost"


def _unassigned(batch: Batch, jobs: Sequence[QualityJob]) -> Iterator[str]:
    for job in jobs:
        if job.assignee is None:
            yield f"{batch.id}: quality job {job.id} has no assignee"


# --- the check before the review --------------------------------------------------------------------------------------


def _check(batch: Batch, task: Task, usable: Collection[str | None]) -> Iterator[str]:
    """Yield the jobs that a reviewer got with a faulty shape; on a file that is quarantined it is no fault."""
    for job, frame in task.completed_faulty.items():
        first = next((verdict for of_job, verdict in batch.verdicts if of_job == job), None)
        if job in task.jobs and frame in usable and first != ReviewResult.FAULTY:
            yield f"{batch.id}: job {job} was completed with a faulty shape, and its first verdict is {first}"


def _issues(batch: Batch, task: Task) -> Iterator[str]:
    """Yield the issues about faults that are open still, or were written more than once in a round."""
    own = [one for one in task.issues if one.messages and is_about_fault(one.messages[0])]
    for one in own:
        if not one.is_resolved:
            yield f"{batch.id}: job {one.job_id} is accepted, and its issue is open: {one.messages[0]}"
    rounds = Counter(job for job, verdict in batch.verdicts if verdict == ReviewResult.FAULTY)
    for (job, frame, words), count in Counter((one.job_id, one.frame, one.messages[0]) for one in own).items():
        if count > rounds[job]:
            yield f"{batch.id}: job {job} was faulty in {rounds[job]} rounds, frame {frame} has {count} times: {words}"


# --- the account ------------------------------------------------------------------------------------------------------


def _account(batch: Batch, file: ExportedFile) -> Iterator[str]:
    account = file.info.get("account")
    if account is None:
        yield f"{batch.id}: {file.key} has no account"
        return
    left_out = Counter({(one["kind"], one["label"]): 0 for one in account["left_out"]})
    for one in account["left_out"]:
        left_out[one["kind"], one["label"]] += one["count"]
    if _flat(account["in_file"]) + left_out != _flat(account["drawn"]):
        yield f"{batch.id}: the account of {file.key} does not balance: {account}"
    if _flat(account["in_file"]).total() != sum(file.boxes.values()):
        yield f"{batch.id}: the account of {file.key} has other boxes than the file: {account}"


def _flat(counts: Mapping[str, Mapping[str, int]]) -> Counter[tuple[Any, Any]]:
    return Counter({(kind, label): count for kind, labels in counts.items() for label, count in labels.items()})
