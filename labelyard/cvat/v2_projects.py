"""CVAT 2.x: lists, and what belongs to a space beside its tasks: members, projects, issues, cloud storages.

A space is an organization, or what belongs to no organization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from labelyard.cvat.decoding import decode_label, decode_page, fetch, send
from labelyard.cvat.dialect import Dialect
from labelyard.cvat.encoding import encode_data_spec, normalize_name
from labelyard.cvat.exchange import Exchange, Request
from labelyard.cvat.label_validation import check_labels
from labelyard.cvat.v2_values import (
    S3_BUCKET,
    decode_cloud_storage,
    decode_comment,
    decode_issue,
    decode_member,
    decode_project,
    encode_cloud_storage,
)
from labelyard.domain.labels import Label
from labelyard.domain.tasks import CloudCredentials, CloudStorage, DataSpec, Issue, Member, Project, Receipt

T = TypeVar("T")

PAGE_SIZE = 500
"""The largest page of a list [889]."""

_OF_SPACE = frozenset({"tasks", "projects", "cloudstorages", "webhooks"})
"""Lists that must not mix what belongs to different organizations."""


class Projects(Dialect):
    """The part of the dialect of CVAT 2.x that needs no task."""

    def members(self) -> Exchange[list[Member]]:
        """Return the memberships of the organization, those that wait for their acceptance included [2.73 0774]."""
        found = yield from self._all("memberships", {}, decode_member)
        return sorted(found, key=lambda member: member.user.id)

    # --- projects ----------------------------------------------------------------------------------------------------

    def find_projects(self, name: str) -> Exchange[list[Project]]:
        """Return the projects of exactly this name, oldest first; equal names are allowed [2.73 0846]."""
        wanted = normalize_name(name)
        found = yield from self._all("projects", {"search": wanted}, decode_project)
        named = [one for one in found if one.name == wanted]
        return (yield from self._with_labels(sorted(named, key=lambda project: project.id)))

    def create_project(self, name: str, labels: Sequence[Label]) -> Exchange[Project]:
        """Create a project with labels [2.73 0843]."""
        check_labels(labels)
        body = {"name": normalize_name(name), "labels": self._encode_labels(labels)}
        project = yield from fetch(Request("POST", f"{self.root}/projects", json=body), decode_project)
        (completed,) = yield from self._with_labels([project])
        return completed

    def project(self, project_id: int) -> Exchange[Project]:
        """Return one project; 404 raises CvatNotFound [2.73 0852]."""
        project = yield from fetch(self._get(f"projects/{project_id}"), decode_project)
        (completed,) = yield from self._with_labels([project])
        return completed

    def change_project_labels(self, project_id: int, labels: Sequence[Label]) -> Exchange[Project]:
        """Send the labels, those of known names with their ids; the server keeps the others [2.73 0885, 0887]."""
        known = (yield from self.project(project_id)).labels
        check_labels(labels)
        body = {"labels": self._encode_changed_labels(labels, known)}
        yield from send(Request("PATCH", f"{self.root}/projects/{project_id}", json=body))
        return (yield from self.project(project_id))

    def delete_project(self, project_id: int) -> Exchange[None]:
        """Delete a project with its tasks [2.73 0900, 0902]."""
        yield from send(Request("DELETE", f"{self.root}/projects/{project_id}"))

    def _with_labels(self, projects: Sequence[Project]) -> Exchange[list[Project]]:
        completed = []
        for project in projects:
            labels = yield from self._all("labels", {"project_id": str(project.id)}, decode_label)
            ordered = tuple(sorted(labels, key=lambda label: label.id))
            completed.append(replace(project, labels=ordered))
        return completed

    # --- issues ------------------------------------------------------------------------------------------------------

    def issues(self, job_id: int) -> Exchange[list[Issue]]:
        """Return the issues of a job by id; their comments have a list of their own [1150, 1161]."""
        of_job = {"job_id": str(job_id)}
        found = yield from self._all("issues", of_job, decode_issue)
        comments = yield from self._all("comments", of_job, decode_comment)
        return [
            replace(issue, messages=tuple(message for _, of_issue, message in sorted(comments) if of_issue == issue.id))
            for issue in sorted(found, key=lambda issue: issue.id)
        ]

    def create_issue(self, job_id: int, frame: int, position: Sequence[float], message: str) -> Exchange[Issue]:
        """Write an issue; the message is its first comment [1150]. Frame and place are not checked [1155, 1156]."""
        body = {"job": job_id, "frame": frame, "position": list(position), "message": message}
        issue = yield from fetch(Request("POST", f"{self.root}/issues", json=body), decode_issue)
        return replace(issue, messages=(message,))

    def resolve_issue(self, issue_id: int) -> Exchange[Issue]:
        """Resolve an issue [1164]."""
        request = Request("PATCH", f"{self.root}/issues/{issue_id}", json={"resolved": True}, idempotent=True)
        return fetch(request, decode_issue)

    # --- cloud storages ----------------------------------------------------------------------------------------------

    def cloud_storages(self, bucket: str) -> Exchange[list[CloudStorage]]:
        """Return the cloud storages of exactly this bucket, oldest first."""
        filters = {"resource": bucket, "provider_type": S3_BUCKET}
        found = yield from self._all("cloudstorages", filters, decode_cloud_storage)
        return sorted((one for one in found if one.bucket == bucket), key=lambda storage: storage.id)

    def create_cloud_storage(self, storage: CloudStorage, credentials: CloudCredentials | None) -> Exchange[None]:
        """Register a bucket, which the server asks at once: one that it cannot read is 400 [2.73 0904, 0906]."""
        body = encode_cloud_storage(storage, credentials)
        yield from send(Request("POST", f"{self.root}/cloudstorages", json=body))

    def upload_cloud(self, task_id: int, storage_id: int, keys: Sequence[str], data: DataSpec) -> Exchange[Receipt]:
        """Let the server read the files, in their order [2.73 0929, 0944]; with the cache it copies none."""
        body = {
            "cloud_storage_id": storage_id, "server_files": list(keys), "use_cache": True,
            "sorting_method": "predefined",
        } | encode_data_spec(data)  # fmt: skip
        return self._receive(task_id, Request("POST", f"{self.root}/tasks/{task_id}/data", json=body))

    # --- lists -------------------------------------------------------------------------------------------------------

    def _page(
        self, path: str, filters: Mapping[str, str], page: int, decoder: Callable[[Any], T]
    ) -> Exchange[tuple[list[T], int | None]]:
        """Return one page of a list, and the next page's number."""
        query = {**filters, "page_size": str(PAGE_SIZE), "page": str(page)}
        request = replace(self._get(path, **query), of_space=path in _OF_SPACE)
        response = yield from send(request, accept={404} if page > 1 else ())
        return decode_page(request, response, decoder, page)

    def _all(self, path: str, filters: Mapping[str, str], decoder: Callable[[Any], T]) -> Exchange[list[T]]:
        """Return all pages of a list."""
        found: list[T] = []
        page: int | None = 1
        while page:
            items, page = yield from self._page(path, filters, page, decoder)
            found += items
        return found
