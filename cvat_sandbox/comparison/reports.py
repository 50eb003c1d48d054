"""The JSON of reports on jobs, tasks and projects, and their summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvat_sandbox.comparison.conflicts import Conflict
from cvat_sandbox.comparison.job_report import FrameResult, JobResult
from cvat_sandbox.comparison.settings import Parameters
from cvat_sandbox.comparison.tallies import COUNTS, Tally, metrics

Report = dict[str, Any]


@dataclass(frozen=True)
class Extent:
    """How many frames there are, how many of them have ground truth, and which; project reports do not say which."""

    total: int
    validated: int
    frames: Sequence[int] | None = None

    @property
    def share(self) -> float:
        """The share of frames with ground truth."""
        return self.validated / (self.total or 1)


def job_report(result: JobResult, parameters: Parameters) -> Report:
    """Return the report on a job."""
    extent = Extent(result.total_frames, len(result.frames), list(result.frames))
    return _report(parameters, _summary(extent, result.conflicts, result.tally), result.frames)


def task_report(results: Mapping[int, JobResult], parameters: Parameters, all_jobs: Iterable[int]) -> Report:
    """Return the report on a task. results: those of its jobs. all_jobs: also those that a filter leaves out."""
    tally, frames, seen = Tally(), dict[int, FrameResult](), Counter[int]()
    for result in results.values():
        tally.add(result.tally)
        for number, frame in result.frames.items():
            frames[number] = _joined(frames[number], frame, seen[number]) if number in frames else frame
            seen[number] += 1
    conflicts = [conflict for result in results.values() for conflict in result.conflicts]
    extent = Extent(sum(r.total_frames for r in results.values()), seen.total(), sorted(frames))
    summary = _summary(extent, conflicts, tally)
    jobs = sorted(all_jobs)
    summary["jobs"] = _jobs_json(
        jobs, [job for job in jobs if job not in results], sorted(job for job in results if not results[job].frames)
    )
    return _report(parameters, summary, frames)


def _joined(first: FrameResult, second: FrameResult, count: int) -> FrameResult:
    """Return the result of a frame that several jobs contain. count: how many are in the first."""
    tally = Tally()
    tally.add(first.tally)
    tally.add(second.tally)
    tally.mean_iou = (first.tally.mean_iou * count + second.tally.mean_iou) / (count + 1)
    return FrameResult(first.conflicts + second.conflicts, tally)


def project_report(reports: Mapping[int, Report], parameters: Parameters, all_tasks: Iterable[int]) -> Report:
    """Return the report on a project. reports: those of its tasks. Each counts as much as it has frames."""
    tasks, included = sorted(all_tasks), list[Report]()
    custom = [task for task in tasks if task in reports and not reports[task]["parameters"]["inherited"]]
    excluded = [
        task for task in tasks if task in reports and task not in custom
        and not reports[task]["comparison_summary"]["jobs"]["included_count"]
    ]  # fmt: skip
    included = [reports[task]["comparison_summary"] for task in tasks if task in {*reports} - {*custom, *excluded}]
    tally = Tally()
    for summary in included:
        tally.add(Tally.of(summary), 1 / (summary["frame_share"] or 1))
    chosen = [reports[task] for task in tasks if task in {*reports} - {*custom, *excluded}]
    conflicts = [conflict for report in chosen for conflict in report["conflicts"]]
    extent = Extent(sum(s["total_frames"] for s in included), sum(s["frame_count"] for s in included))
    shown = _summary(extent, conflicts, tally)
    missing = [task for task in tasks if task not in reports]
    shown["tasks"] = {
        "all": tasks, "custom": custom, "not_configured": missing, "excluded": excluded, "total_count": len(tasks),
        "custom_count": len(custom), "not_configured_count": len(missing), "excluded_count": len(excluded),
        "included_count": len(included),
    }  # fmt: skip
    names = ("all", "excluded", "not_checkable")
    shown["jobs"] = _jobs_json(*(sorted(job for s in included for job in s["jobs"][name]) for name in names))
    return _report(parameters, shown, None)


def _jobs_json(jobs: list[int], excluded: list[int], not_checkable: list[int]) -> Report:
    return {
        "all": jobs, "excluded": excluded, "not_checkable": not_checkable, "total_count": len(jobs),
        "excluded_count": len(excluded), "included_count": len(jobs) - len(excluded),
        "not_checkable_count": len(not_checkable),
    }  # fmt: skip


def _report(parameters: Parameters, summary: Report, frames: Mapping[int, FrameResult] | None) -> Report:
    conflicts = [] if frames is None else [conflict for frame in frames.values() for conflict in frame.conflicts]
    shown = None if frames is None else {str(number): _frame_json(frame) for number, frame in frames.items()}
    return {"parameters": parameters.json, "comparison_summary": summary, "frame_results": shown,
            "conflicts": conflicts}  # fmt: skip


def _frame_json(frame: FrameResult) -> Report:
    return {"conflicts": frame.conflicts, **frame.tally.json, **_conflict_counts(frame.conflicts)}


def _conflict_counts(conflicts: Sequence[Conflict]) -> Report:
    by_severity = Counter(conflict["severity"] for conflict in conflicts)
    return {
        "conflict_count": len(conflicts), "error_count": by_severity["error"],
        "warning_count": by_severity["warning"],
        "conflicts_by_type": dict(Counter(conflict["type"] for conflict in conflicts)),
    }  # fmt: skip


def _summary(extent: Extent, conflicts: Sequence[Conflict], tally: Tally) -> Report:
    return {
        **({} if extent.frames is None else {"frames": list(extent.frames)}), "total_frames": extent.total,
        **_conflict_counts(conflicts), **tally.json, "tasks": None, "jobs": None, "frame_share": extent.share,
        "mean_conflict_count": len(conflicts) / (extent.validated or 1), "frame_count": extent.validated,
    }  # fmt: skip


def summary_json(report: Report) -> Report:
    """Return the summary of a report as lists of reports show it."""
    summary = report["comparison_summary"]
    counts = {name: summary["annotations"][name] for name in COUNTS}
    shown = {
        "total_frames": summary["total_frames"], "frame_count": summary["frame_count"],
        "validation_frames": summary["frame_count"], "frame_share": summary["frame_share"],
        "validation_frame_share": summary["frame_share"],
        **{name: summary[name] for name in ("conflict_count", "warning_count", "error_count", "conflicts_by_type")},
        **{name: counts[name] for name in ("valid_count", "ds_count", "gt_count", "total_count")}, **metrics(counts),
    }  # fmt: skip
    names = {"tasks": ("total", "custom", "not_configured", "excluded", "included"),
             "jobs": ("total", "excluded", "not_checkable", "included")}  # fmt: skip
    for part, keys in names.items():
        if summary[part] is not None:
            shown[part] = {key: summary[part][f"{key}_count"] for key in keys}
    return shown
