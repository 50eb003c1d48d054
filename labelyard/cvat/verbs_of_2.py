"""The verbs that only CVAT 2.x has: tokens, organizations, projects, issues, storages, webhooks, quality control."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any

from labelyard.cvat.exchange import Exchange
from labelyard.domain.labels import Label
from labelyard.domain.quality import QualityReport
from labelyard.domain.tasks import (
    AccessToken,
    CloudCredentials,
    CloudStorage,
    DataSpec,
    Issue,
    Member,
    Project,
    Receipt,
)
from labelyard.domain.webhooks import Webhook, WebhookDelivery, WebhookSpec
from labelyard.errors import CvatDisagrees


class VerbsOf2(ABC):  # noqa: B024 - a part of Dialect, which has abstract methods
    """The part of a dialect that raises CvatDisagrees unless a family overrides it."""

    def is_access_token(self, token: str) -> bool:  # noqa: ARG002
        """Return whether `token` is a personal access token."""
        return False

    def access_token(self) -> Exchange[AccessToken]:
        """Return the personal access token that the requests are sent with."""
        return _unsupported("access_token")

    def members(self) -> Exchange[list[Member]]:
        """Return the members of the organization that the runner's requests name, by id."""
        return _unsupported("members")

    # --- projects ----------------------------------------------------------------------------------------------------

    def find_projects(self, name: str) -> Exchange[list[Project]]:  # noqa: ARG002
        """Return the projects of exactly this name, oldest first."""
        return _unsupported("find_projects")

    def create_project(self, name: str, labels: Sequence[Label]) -> Exchange[Project]:  # noqa: ARG002
        """Create a project with labels."""
        return _unsupported("create_project")

    def project(self, project_id: int) -> Exchange[Project]:  # noqa: ARG002
        """Return one project."""
        return _unsupported("project")

    def change_project_labels(self, project_id: int, labels: Sequence[Label]) -> Exchange[Project]:  # noqa: ARG002
        """Add the labels that a project lacks, and change those of the same names; none is deleted."""
        return _unsupported("change_project_labels")

    def delete_project(self, project_id: int) -> Exchange[None]:  # noqa: ARG002
        """Delete a project with its tasks."""
        return _unsupported("delete_project")

    # --- issues ------------------------------------------------------------------------------------------------------

    def issues(self, job_id: int) -> Exchange[list[Issue]]:  # noqa: ARG002
        """Return the issues of a job, by id."""
        return _unsupported("issues")

    def create_issue(self, job_id: int, frame: int, position: Sequence[float], message: str) -> Exchange[Issue]:  # noqa: ARG002
        """Write an issue about a place of a frame."""
        return _unsupported("create_issue")

    def resolve_issue(self, issue_id: int) -> Exchange[Issue]:  # noqa: ARG002
        """Mark an issue as resolved."""
        return _unsupported("resolve_issue")

    # --- cloud storages ----------------------------------------------------------------------------------------------

    def cloud_storages(self, bucket: str) -> Exchange[list[CloudStorage]]:  # noqa: ARG002
        """Return the cloud storages of a bucket, oldest first."""
        return _unsupported("cloud_storages")

    def create_cloud_storage(self, storage: CloudStorage, credentials: CloudCredentials | None) -> Exchange[None]:  # noqa: ARG002
        """Register a bucket; without credentials it is read anonymously."""
        return _unsupported("create_cloud_storage")

    def upload_cloud(self, task_id: int, storage_id: int, keys: Sequence[str], data: DataSpec) -> Exchange[Receipt]:  # noqa: ARG002
        """Let the server read the files from a cloud storage."""
        return _unsupported("upload_cloud")

    # --- webhooks ----------------------------------------------------------------------------------------------------

    def webhooks(self) -> Exchange[list[Webhook]]:
        """Return the webhooks that the account sees in its space, oldest first."""
        return _unsupported("webhooks")

    def create_webhook(self, spec: WebhookSpec, secret: str) -> Exchange[Webhook]:  # noqa: ARG002
        """Create a webhook, which signs what it posts with `secret`."""
        return _unsupported("create_webhook")

    def change_webhook(self, webhook_id: int, spec: WebhookSpec, secret: str) -> Exchange[Webhook]:  # noqa: ARG002
        """Change a webhook and its secret."""
        return _unsupported("change_webhook")

    def delete_webhook(self, webhook_id: int) -> Exchange[None]:  # noqa: ARG002
        """Delete a webhook with its deliveries."""
        return _unsupported("delete_webhook")

    def webhook_deliveries(self, webhook_id: int, count: int) -> Exchange[list[WebhookDelivery]]:  # noqa: ARG002
        """Return the latest deliveries of a webhook, the last one first."""
        return _unsupported("webhook_deliveries")

    # --- quality control ---------------------------------------------------------------------------------------------

    def merge_replicas(self, job_id: int) -> Exchange[None]:  # noqa: ARG002
        """Replace what a job holds by the consensus of its replicas, and complete the job."""
        return _unsupported("merge_replicas")

    def quality_report(self, task_id: int) -> Exchange[QualityReport]:  # noqa: ARG002
        """Let the server compare the jobs of a task with its ground truth; return the new report."""
        return _unsupported("quality_report")


def _unsupported(verb: str) -> Exchange[Any]:
    raise CvatDisagrees(f"{verb} is not supported for this CVAT: only CVAT 2.x has it", where="labelyard")
    yield  # makes this a generator, as every verb is
