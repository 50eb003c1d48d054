"""Endpoints for issues and comments. Frame and position of an issue are not compared with the job."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from cvat_sandbox.errors import Rejected
from cvat_sandbox.rest.fields import (
    BooleanField,
    CharField,
    Field,
    FloatField,
    IntegerField,
    ListField,
    PrimaryKeyRelatedField,
    Serializer,
)
from cvat_sandbox.rest.request import parse_id
from cvat_sandbox.rest.responses import ApiResponse
from cvat_sandbox.state import issues, jobs
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.v2 import permissions
from cvat_sandbox.v2.dispatch import Endpoint
from cvat_sandbox.v2.filters import Column, Listing, listed
from cvat_sandbox.v2.representations import counts, people_json, several
from cvat_sandbox.v2.request import OrganizationRequest, not_found

_NAME = "(SELECT username FROM user WHERE id = {})"
ISSUES = Listing(
    issues.SOURCE, "i.id",
    {"id": Column("i.id", "number"), "job_id": Column("i.job_id", "number"), "task_id": Column("j.task_id", "number"),
     "frame_id": Column("i.frame", "number"), "resolved": Column("i.resolved", "boolean"),
     "owner": Column(_NAME.format("i.owner")), "assignee": Column(_NAME.format("i.assignee"))},
    simple=("owner", "assignee", "job_id", "task_id", "resolved", "frame_id"), search=("owner", "assignee"),
    order="-id",
)  # fmt: skip
COMMENTS = Listing(
    issues.COMMENT_SOURCE, "c.id",
    {"id": Column("c.id", "number"), "issue_id": Column("c.issue_id", "number"),
     "job_id": Column("i.job_id", "number"), "frame_id": Column("i.frame", "number"),
     "owner": Column(_NAME.format("c.owner"))},
    simple=("owner", "issue_id", "job_id", "frame_id"), search=("owner",), order="-id",
)  # fmt: skip
COMMENT = Serializer({"message": CharField(required=False)})


def _changes(request: OrganizationRequest) -> dict[str, Field]:
    """Return the fields of an issue that may change."""
    return {
        "position": ListField(FloatField(), allow_empty=False),
        "assignee": PrimaryKeyRelatedField(request.sandbox.users.exists, required=False, allow_null=True),
        "resolved": BooleanField(required=False),
    }


def _creation(request: OrganizationRequest) -> dict[str, Field]:
    """Return the fields of a new issue. That the job exists was found out before."""
    frame = IntegerField(min_value=0, max_value=LARGEST_ID)
    return {"frame": frame, **_changes(request), "message": CharField()}


# -- issues


def list_issues(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the issues that the user sees, newest first."""
    return listed(request, ISSUES, permissions.visible(request, "issue"), lambda ids: _shown(request, ids))


def _shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    db = request.sandbox.db
    rows = several(db, issues.SELECT, "i.id", ids)
    people = people_json(db, [row[name] for row in rows for name in ("owner", "assignee")], request.url(""))
    comments = counts(db, "comment", "issue_id", ids)
    return [
        {"id": row["id"], "frame": row["frame"], "position": json.loads(row["position"]), "job": row["job_id"],
         "owner": people[row["owner"]], "assignee": people[row["assignee"]], "created_date": row["created_date"],
         "updated_date": row["updated_date"], "resolved": bool(row["resolved"]),
         "comments": {"count": comments.get(row["id"], 0), "url": request.url(f"/api/comments?issue_id={row['id']}")}}
        for row in rows
    ]  # fmt: skip


def issue_json(request: OrganizationRequest, key: int) -> dict[str, Any]:
    """Return the JSON of an issue."""
    return _shown(request, [key])[0]


def create_issue(request: OrganizationRequest) -> ApiResponse:
    """Create an issue in a job; the message becomes its first comment."""
    body = request.body
    job = jobs.find(request.sandbox.db, _reference(body, "job"))
    if job is None:
        raise Rejected("Job matching query does not exist.")
    permissions.check(request, "job", "create issue", job)
    permissions.check_assignee(request, body.get("assignee"), job["organization_id"])
    values = Serializer(_creation(request)).run_validation(body)
    message = values.pop("message")
    key = issues.create(request.sandbox.db, job["id"], request.user.id, message, values)
    return ApiResponse(_shown(request, [key])[0], 201)


def _reference(body: Any, name: str) -> int:
    """Return the id in a field of a body; 0, which no row has, for anything else."""
    value = body.get(name) if isinstance(body, dict) else None
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdigit()) else 0


def _permitted(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    row = issues.find(request.sandbox.db, parse_id(pk))
    if row is None:
        raise not_found("issue")
    permissions.check(request, "issue", action, row)
    return row


def get_issue(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return an issue."""
    return ApiResponse(_shown(request, [_permitted(request, pk, "view")["id"]])[0])


def update_issue(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change the position or the assignee of an issue, or resolve it. Other fields are ignored."""
    row, body = _permitted(request, pk, "update"), request.body
    permissions.check_assignee(request, body.get("assignee"), row["organization_id"])
    values = Serializer(_changes(request)).run_validation(body, partial=True)
    issues.change(request.sandbox.db, row, values)
    return ApiResponse(_shown(request, [row["id"]])[0])


def delete_issue(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete an issue with its comments."""
    issues.delete(request.sandbox.db, _permitted(request, pk, "delete"))
    return ApiResponse(status=204)


# -- comments


def list_comments(request: OrganizationRequest) -> ApiResponse:
    """Return a page of the comments that the user sees, newest first."""
    visible = permissions.visible(request, "comment")
    return listed(request, COMMENTS, visible, lambda ids: _comments_shown(request, ids))


def _comments_shown(request: OrganizationRequest, ids: list[int]) -> list[dict[str, Any]]:
    rows = several(request.sandbox.db, issues.SELECT_COMMENTS, "c.id", ids)
    people = people_json(request.sandbox.db, [row["owner"] for row in rows], request.url(""))
    return [
        {"id": row["id"], "issue": row["issue_id"], "owner": people[row["owner"]], "message": row["message"],
         "created_date": row["created_date"], "updated_date": row["updated_date"]}
        for row in rows
    ]  # fmt: skip


def comment_json(request: OrganizationRequest, key: int) -> dict[str, Any]:
    """Return the JSON of a comment."""
    return _comments_shown(request, [key])[0]


def create_comment(request: OrganizationRequest) -> ApiResponse:
    """Create a comment on an issue."""
    row = issues.find(request.sandbox.db, _reference(request.body, "issue"))
    if row is None:
        raise Rejected("Issue matching query does not exist.")
    permissions.check(request, "issue", "comment", row)
    values = COMMENT.run_validation(request.body)
    key = issues.create_comment(request.sandbox.db, row["id"], request.user.id, values.get("message", ""))
    return ApiResponse(_comments_shown(request, [key])[0], 201)


def _permitted_comment(request: OrganizationRequest, pk: str, action: str) -> sqlite3.Row:
    row = issues.find_comment(request.sandbox.db, parse_id(pk))
    if row is None:
        raise not_found("comment")
    permissions.check(request, "comment", action, row)
    return row


def get_comment(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Return a comment."""
    return ApiResponse(_comments_shown(request, [_permitted_comment(request, pk, "view")["id"]])[0])


def update_comment(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Change the text of a comment."""
    row = _permitted_comment(request, pk, "update")
    values = COMMENT.run_validation(request.body, partial=True)
    issues.change_comment(request.sandbox.db, row, values)
    return ApiResponse(_comments_shown(request, [row["id"]])[0])


def delete_comment(request: OrganizationRequest, pk: str) -> ApiResponse:
    """Delete a comment."""
    issues.delete_comment(request.sandbox.db, _permitted_comment(request, pk, "delete"))
    return ApiResponse(status=204)


ENDPOINTS = [
    Endpoint("/api/issues", {"GET": list_issues, "POST": create_issue}, "Issue List"),
    Endpoint("/api/issues/<pk>", {"GET": get_issue, "PATCH": update_issue, "DELETE": delete_issue}, "Issue Instance"),
    Endpoint("/api/comments", {"GET": list_comments, "POST": create_comment}, "Comment List"),
    Endpoint(
        "/api/comments/<pk>",
        {"GET": get_comment, "PATCH": update_comment, "DELETE": delete_comment},
        "Comment Instance",
    ),
]
