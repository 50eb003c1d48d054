"""Endpoints for quality: settings, reports and conflicts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from flask import Response

from cvat_sandbox.comparison.conflicts import TYPES
from cvat_sandbox.errors import NotFound
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import BooleanField, CharField, ChoiceField, FloatField, IntegerField, Serializer
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import quality
from cvat_sandbox.state.database import Database
from cvat_sandbox.v2 import jobs, permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Condition, Listing, condition_of, listed
from cvat_sandbox.v2.representations import people_json, rows_of
from cvat_sandbox.v2.request import OrganizationRequest, not_found
from cvat_sandbox.v2.validation_fields import require_one
from cvat_sandbox.workers.requests import RequestRunning

TARGETS = ("job", "task", "project")
SETTINGS_LISTING = Listing(
    "quality_settings s", "s.id",
    {"id": Column("s.id", "number"), "task_id": Column("s.task_id", "number"),
     "project_id": Column("s.project_id", "number"),
     "inherit": Column("COALESCE(json_extract(s.\"values\", '$.inherit'), 1)", "boolean")},
    simple=("task_id", "project_id", "inherit"), order="id",
)  # fmt: skip
_PROJECT = "COALESCE(r.project_id, (SELECT project_id FROM task WHERE id = r.task_id))"
REPORT_LISTING = Listing(
    "quality_report r", "r.id",
    {"id": Column("r.id", "number"), "job_id": Column("r.job_id", "number"), "task_id": Column("r.task_id", "number"),
     "project_id": Column(_PROJECT, "number"), "created_date": Column("r.created_date"),
     "gt_last_updated": Column("r.gt_last_updated"), "target_last_updated": Column("r.target_last_updated")},
    simple=("job_id", "task_id", "project_id"), order="-id",
)  # fmt: skip
CONFLICT_LISTING = Listing(
    "quality_conflict c JOIN quality_report r ON r.id = c.report_id", "c.id",
    {"id": Column("c.id", "number"), "frame": Column("c.frame", "number"), "type": Column("c.type", "choice", TYPES),
     "job_id": Column("r.job_id", "number"), "task_id": Column("r.task_id", "number"),
     "project_id": Column(_PROJECT, "number"), "severity": Column("c.severity", "choice", ("warning", "error"))},
    simple=("frame", "type", "job_id", "task_id", "project_id", "severity"), order="-id",
)  # fmt: skip


def _share() -> FloatField:
    return FloatField(min_value=0, max_value=1)


SETTINGS = Serializer({
    "job_filter": CharField(max_length=1024, allow_blank=True), "inherit": BooleanField(),
    "target_metric": ChoiceField(*quality.METRICS), "target_metric_threshold": _share(),
    "max_validations_per_job": IntegerField(min_value=0, max_value=2**31 - 1), "iou_threshold": _share(),
    "oks_sigma": _share(), "point_size_base": ChoiceField(*quality.POINT_SIZES), "line_thickness": _share(),
    "low_overlap_threshold": _share(), "compare_line_orientation": BooleanField(),
    "line_orientation_threshold": _share(), "compare_groups": BooleanField(), "group_match_threshold": _share(),
    "check_covered_annotations": BooleanField(), "object_visibility_threshold": _share(),
    "panoptic_comparison": BooleanField(), "compare_attributes": BooleanField(), "empty_is_annotated": BooleanField(),
})  # fmt: skip
NEW_REPORT = Serializer({"task_id": IntegerField(required=False), "project_id": IntegerField(required=False)})


def visible(request: OrganizationRequest, alias: str) -> Condition:
    """Return the SQL condition for rows with a `task_id` or `project_id` that the user sees."""
    found = [permissions.visible(request, kind) for kind in ("task", "project")]
    parts = [
        f"EXISTS (SELECT 1 FROM {kind} t WHERE t.id = {alias}.{kind}_id AND ({sql}))"  # noqa: S608 - the names are constants
        for kind, (sql, _) in zip(("task", "project"), found, strict=True)
    ]
    return " OR ".join(parts), [value for _, values in found for value in values]


# -- settings


def list_settings(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the settings of tasks and projects, oldest first."""
    db, kind = request.sandbox.db, request.query.get("parent_type")
    listing = SETTINGS_LISTING
    condition, values = visible(request, "s")
    if kind in {"task", "project"}:
        condition = f"({condition}) AND s.{kind}_id IS NOT NULL"
    return listed(request, listing, (condition, values), lambda ids: _settings_json(db, ids))


def _settings_json(db: Database, ids: list[int]) -> list[dict[str, Any]]:
    dates = ("created_date", "updated_date")
    return [
        {"id": row["id"], "task_id": row["task_id"], "project_id": row["project_id"], **quality.values_of(row),
         **{name: row[name] for name in dates}}
        for row in rows_of(db, "quality_settings", ids)
    ]  # fmt: skip


def _permitted(request: OrganizationRequest, table: str, pk: str, action: str) -> sqlite3.Row:
    """Return a row about a task or project that the user may `action`. Raises NotFound, PermissionDenied."""
    row = request.find(table, pk)
    kind = "task" if row["task_id"] is not None else "project"
    parent = request.sandbox.db.one(f"SELECT * FROM {kind} WHERE id = ?", row[f"{kind}_id"])  # noqa: S608 - the names are constants
    if parent is None:
        raise not_found(table)
    permissions.check(request, kind, action, parent)
    return row


def get_settings(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return settings."""
    row = _permitted(request, "quality_settings", pk, "view")
    return ApiResponse(_settings_json(request.sandbox.db, [row["id"]])[0])


def update_settings(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change settings."""
    row = _permitted(request, "quality_settings", pk, "update")
    values = SETTINGS.run_validation(request.body, partial=True)
    quality.change_settings(request.sandbox.db, row, values)
    return ApiResponse(_settings_json(request.sandbox.db, [row["id"]])[0])


# -- reports


def create_report(request: OrganizationRequest) -> ApiResponse:
    """Queue a report on a task or project."""
    values = NEW_REPORT.run_validation(request.body)
    require_one(values, ("task_id", "project_id"))
    kind = "task" if "task_id" in values else "project"
    row = request.find(kind, str(values[f"{kind}_id"]))
    permissions.check(request, kind, "update", row)
    db = request.sandbox.db

    def choose(task_id: int, text: str) -> list[int]:
        sql, more = condition_of(text, jobs.LISTING)
        chosen = f"SELECT j.id FROM {jobs.LISTING.source} WHERE j.task_id = ? AND ({sql})"  # noqa: S608 - the names are constants
        return [found["id"] for found in db.all(chosen, task_id, *more)]

    try:
        rq_id = request.sandbox.quality_reports.start(kind, row, request.user.id, choose)
    except RequestRunning as running:
        return ApiResponse({"rq_id": running.rq_id}, 409)
    return ApiResponse({"rq_id": rq_id}, 202)


def list_reports(request: OrganizationRequest) -> ApiResponse:
    """Return a page of reports, newest first."""
    query = request.query
    conditions: list[Condition] = [visible(request, "r")]
    for kind in ("task", "project", "job"):
        if query.get(f"{kind}_id"):
            _check_parent(request, kind, query[f"{kind}_id"])
    if query.get("parent_id"):
        parent = request.find("quality_report", query["parent_id"])["id"]
        conditions.append((f"r.id IN ({quality.PARTS})", [parent, parent]))
    if query.get("target"):
        if query["target"] not in TARGETS:
            text = f"Unexpected 'target' filter value '{query['target']}'. Valid values are: {', '.join(TARGETS)}"
            raise ValidationError([text])
        conditions.append(("r.target = ?", [query["target"]]))
    where = " AND ".join(f"({sql})" for sql, _ in conditions), [value for _, more in conditions for value in more]
    return listed(request, REPORT_LISTING, where, lambda ids: _reports_json(request, ids))


def _check_parent(request: OrganizationRequest, kind: str, pk: str) -> None:
    """Raise NotFound or PermissionDenied for a task, project or job that the user may not see."""
    if kind == "job":
        jobs.permitted_job(request, pk, "view")
    else:
        permissions.check(request, kind, "view", request.find(kind, pk))


def _reports_json(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    columns = "id, parent_id, project_id, task_id, job_id, target, assignee, gt_last_updated, target_last_updated, "
    rows = db.all(
        f"SELECT {columns} summary, created_date, {_PROJECT} AS project FROM quality_report r "  # noqa: S608 - the names are constants
        "WHERE id IN (SELECT value FROM json_each(?))", json.dumps(ids),
    )  # fmt: skip
    people, by_id = (
        people_json(db, [row["assignee"] for row in rows], request.url("")),
        {row["id"]: row for row in rows},
    )
    return [_report_json(by_id[key], people[by_id[key]["assignee"]]) for key in ids]


def _report_json(row: sqlite3.Row, assignee: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "id": row["id"], "job_id": row["job_id"], "task_id": row["task_id"], "project_id": row["project"],
        "parent_id": row["parent_id"], "target": row["target"], "summary": json.loads(row["summary"]),
        "created_date": row["created_date"], "target_last_updated": row["target_last_updated"],
        "gt_last_updated": row["gt_last_updated"], "assignee": assignee,
    }  # fmt: skip


def get_report(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a report with its summary."""
    return ApiResponse(_reports_json(request, [_permitted(request, "quality_report", pk, "view")["id"]])[0])


def get_report_data(request: OrganizationRequest, pk: str) -> Response:
    """Return all of a report, with links to the annotations."""
    row = _permitted(request, "quality_report", pk, "view")
    [shown] = _reports_json(request, [row["id"]])
    assignee = {name: value for name, value in (shown["assignee"] or {}).items() if name != "url"} or None
    ids = {name: shown[name] for name in ("job_id", "task_id", "project_id", "parent_id") if shown[name] is not None}
    dates = {
        name: _date(shown[name]) for name in ("created_date", "target_last_updated", "gt_last_updated") if shown[name]
    }
    body = json.loads(row["body"])
    summary = body["comparison_summary"]
    summary["frame_share_percent"] = summary["frame_share"] * 100
    for frame in (body["frame_results"] or {}).values():
        for conflict in frame["conflicts"]:
            for annotation in conflict["annotation_ids"]:
                annotation["url"] = _address(request, shown["task_id"], conflict["frame_id"], annotation)
    if row["target"] == "project":
        del body["frame_results"]
    data = {"id": row["id"], **ids, **dates, "assignee": assignee, **body}
    return Response(json.dumps(data, indent=2) + "\n", content_type="application/json")


def _date(text: str) -> str:
    """Return a date as Python writes it."""
    return text.replace("T", " ").replace("Z", "+00:00")


def _address(request: OrganizationRequest, task_id: int, frame: int, annotation: Mapping[str, Any]) -> str:
    query = f"frame={frame}&type={annotation['type']}&serverID={annotation['obj_id']}"
    return request.url(f"/tasks/{task_id}/jobs/{annotation['job_id']}?{query}")


# -- conflicts


def list_conflicts(request: OrganizationRequest) -> ApiResponse:
    """Return a page of conflicts, newest first. Those of a task's report are those of its jobs' reports."""
    condition, values = visible(request, "r")
    if request.query.get("report_id"):
        report = _permitted(request, "quality_report", _key(request.query["report_id"]), "view")["id"]
        nested = f"r.id = ? OR r.id IN ({quality.PARTS})"
        condition, values = f"({condition}) AND ({nested})", [*values, report, report, report]
    return listed(request, CONFLICT_LISTING, (condition, values), lambda ids: _conflicts_json(request.sandbox.db, ids))


def _key(text: str) -> str:
    try:
        return str(parse_id(text))
    except NotFound:
        raise not_found("quality_report") from None


def _conflicts_json(db: Database, ids: list[int]) -> list[dict[str, Any]]:
    return [
        {"id": row["id"], "frame": row["frame"], "type": row["type"], "annotation_ids": json.loads(row["annotations"]),
         "report_id": row["report_id"], "severity": row["severity"]}
        for row in rows_of(db, "quality_conflict", ids)
    ]  # fmt: skip


ENDPOINTS = [
    Endpoint("/api/quality/settings", {"GET": list_settings}, "Quality Settings List"),
    Endpoint(
        "/api/quality/settings/<pk>", {"GET": get_settings, "PATCH": update_settings}, "Quality Settings Instance"
    ),
    Endpoint("/api/quality/reports", {"GET": list_reports, "POST": create_report}, "Quality Report List"),
    Endpoint("/api/quality/reports/<pk>", {"GET": get_report}, "Quality Report Instance"),
    Endpoint("/api/quality/reports/<pk>/data", {"GET": get_report_data}, "Data"),
    Endpoint("/api/quality/conflicts", {"GET": list_conflicts}, "Quality Conflicts List"),
]
