"""A request to 2.x: beside its user and body, the access token and the organization that it names."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import cached_property

from cvat_sandbox.errors import NotFound
from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.request import ApiRequest, parse_id
from cvat_sandbox.state import organizations

HEADER = "X-Organization"
NAMES = {
    "task": "Task", "job": "Job", "project": "Project", "label": "Label", "organization": "Organization",
    "membership": "Membership", "invitation": "Invitation", "cloud_storage": "CloudStorage", "webhook": "Webhook",
    "webhook_delivery": "WebhookDelivery", "issue": "Issue", "comment": "Comment", "access_token": "AccessToken",
    "user": "User", "quality_report": "QualityReport", "quality_settings": "QualitySettings",
    "quality_conflict": "AnnotationConflict", "consensus_settings": "ConsensusSettings",
}  # fmt: skip
"""The names of tables in error texts."""


@dataclass(frozen=True)
class OrganizationContext:
    """The space that a request names: none (everything visible), the personal one, or an organization."""

    is_named: bool = False
    row: sqlite3.Row | None = None
    role: str | None = None
    """The user's role in the organization; None for someone who is no active member."""

    @property
    def id(self) -> int | None:
        """The id of the organization, if the request names one."""
        return int(self.row["id"]) if self.row is not None else None

    @property
    def is_personal(self) -> bool:
        """Whether the request names the personal space."""
        return self.is_named and self.row is None


@dataclass
class OrganizationRequest(ApiRequest):
    """A request to 2.x."""

    access_token: sqlite3.Row | None = None
    """The token of the scheme Bearer, if that was used."""
    roles: dict[int, str | None] = field(default_factory=dict)
    """The user's roles in organizations, as far as they were read."""

    @cached_property
    def organization(self) -> OrganizationContext:
        """The space that the header or a parameter names.

        Raises ApiException: 404 for an unknown organization, 400 for one that is named twice.
        """
        named, key = self._names_of_organization()
        if named is None and key is None:
            return OrganizationContext()
        if not (named or key):
            return OrganizationContext(is_named=True)
        db = self.sandbox.db
        row = organizations.find(db, slug=named) if named else organizations.find(db, key=_number(key))
        if row is None:
            raise ApiException(404, {"detail": f"{named or key} organization does not exist."})
        role = organizations.role_of(db, row["id"], self.authenticated.id) if self.authenticated else None
        return OrganizationContext(is_named=True, row=row, role=role)

    def _names_of_organization(self) -> tuple[str | None, str | None]:
        """Return the slug and the id that the request names; at most one of them is set."""
        header, slug, key = self.http.headers.get(HEADER), self.query.get("org"), self.query.get("org_id")
        if key is not None and (slug is not None or header is not None):
            others = f'"org" query parameter or "{HEADER}" HTTP header'
            raise ApiException(400, [f'You cannot specify "org_id" query parameter with {others} at the same time.'])
        if header is not None and slug is not None and header != slug:
            text = f'You cannot specify "org" query parameter and "{HEADER}" HTTP header with different values.'
            raise ApiException(400, [text])
        return (header if slug is None else slug), key

    def find(self, table: str, pk: str) -> sqlite3.Row:
        """Return the row of a path; raises NotFound."""
        row = self.sandbox.db.one(f"SELECT * FROM {table} WHERE id = ?", parse_id(pk))  # noqa: S608 - the names are constants
        if row is None:
            raise not_found(table)
        return row


def not_found(table: str) -> NotFound:
    """Return the error of an object that does not exist."""
    return NotFound(f"No {NAMES[table]} matches the given query.")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
