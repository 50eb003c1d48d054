"""The client's verbs that only CVAT 2.x has: tokens, organizations, projects, issues, storages, webhooks, quality."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from labelyard.cvat.runner import Runner
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


class ClientOf2:
    """The part of the client that raises CvatDisagrees on a CVAT 1.x."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def access_token(self) -> AccessToken | None:
        """Return the personal access token of this client; None if it uses another token."""
        if not self._runner.dialect.is_access_token(self._runner.token().get_secret_value()):
            return None
        return self._runner.run(self._runner.dialect.access_token())

    def members(self) -> list[Member]:
        """Return the members of the client's organization, by id; without one, the account's own memberships."""
        return self._runner.run(self._runner.dialect.members())

    # --- projects, of CVAT 2.x ---------------------------------------------------------------------------------------

    def find_projects(self, name: str) -> list[Project]:
        """Return every project with exactly this name (case-sensitive), oldest first."""
        return self._runner.run(self._runner.dialect.find_projects(name))

    def create_project(self, name: str, labels: Sequence[Label]) -> Project:
        """Create a project; call `find_projects` first. Raises LabelError before anything is sent."""
        return self._runner.run(self._runner.dialect.create_project(name, labels))

    def project(self, project_id: int) -> Project:
        """Return one project. Raises CvatNotFound."""
        return self._runner.run(self._runner.dialect.project(project_id))

    def change_project_labels(self, project_id: int, labels: Sequence[Label]) -> Project:
        """Add the labels that the project lacks, and change those of the same names; none is ever deleted."""
        return self._runner.run(self._runner.dialect.change_project_labels(project_id, labels))

    def delete_project(self, project_id: int) -> None:
        """Delete a project, and all of its tasks with it."""
        self._runner.run(self._runner.dialect.delete_project(project_id))

    # --- issues, of CVAT 2.x -----------------------------------------------------------------------------------------

    def issues(self, job_id: int) -> list[Issue]:
        """Return the issues of a job, by id, with their messages."""
        return self._runner.run(self._runner.dialect.issues(job_id))

    def create_issue(self, job_id: int, frame: int, position: Sequence[float], message: str) -> Issue:
        """Write an issue about a place of a frame: `position` is x and y of two corners or more, in pixels."""
        return self._runner.run(self._runner.dialect.create_issue(job_id, frame, position, message))

    def resolve_issue(self, issue_id: int) -> Issue:
        """Mark an issue as resolved; return it without its messages."""
        return self._runner.run(self._runner.dialect.resolve_issue(issue_id))

    # --- cloud storages, of CVAT 2.x ---------------------------------------------------------------------------------

    def cloud_storages(self, bucket: str) -> list[CloudStorage]:
        """Return the cloud storages of exactly this bucket of S3, at any endpoint, oldest first."""
        return self._runner.run(self._runner.dialect.cloud_storages(bucket))

    def create_cloud_storage(self, storage: CloudStorage, credentials: CloudCredentials | None) -> None:
        """Register a bucket, whose id in `storage` does not count; without credentials it is read anonymously.

        Raises CvatRefused if CVAT cannot read the bucket.
        """
        self._runner.run(self._runner.dialect.create_cloud_storage(storage, credentials))

    def upload_cloud(self, task_id: int, storage_id: int, keys: Sequence[str], data: DataSpec) -> Receipt:
        """Let the server read `keys` of a cloud storage; they are the names of the frames, in this order."""
        return self._runner.run(self._runner.dialect.upload_cloud(task_id, storage_id, keys, data))

    # --- webhooks, of CVAT 2.x ---------------------------------------------------------------------------------------

    def webhooks(self) -> list[Webhook]:
        """Return the webhooks that this account sees in the client's organization, oldest first."""
        return self._runner.run(self._runner.dialect.webhooks())

    def create_webhook(self, spec: WebhookSpec, secret: SecretStr) -> Webhook:
        """Create a webhook, whose deliveries are signed with `secret`; call `webhooks` first."""
        return self._runner.run(self._runner.dialect.create_webhook(spec, secret.get_secret_value()))

    def change_webhook(self, webhook_id: int, spec: WebhookSpec, secret: SecretStr) -> Webhook:
        """Change a webhook and its secret. What it belongs to stays."""
        return self._runner.run(self._runner.dialect.change_webhook(webhook_id, spec, secret.get_secret_value()))

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook with its deliveries."""
        self._runner.run(self._runner.dialect.delete_webhook(webhook_id))

    def webhook_deliveries(self, webhook_id: int, count: int) -> list[WebhookDelivery]:
        """Return the latest `count` deliveries of a webhook, the last one first."""
        return self._runner.run(self._runner.dialect.webhook_deliveries(webhook_id, count))

    # --- quality control, of CVAT 2.x --------------------------------------------------------------------------------

    def merge_replicas(self, job_id: int, *, deadline: float = 600.0) -> None:
        """Replace what a job holds by the consensus of its replicas, and complete the job. `deadline` is in seconds.

        Raises CvatRefused if no replica was begun.
        """
        self._runner.run(self._runner.dialect.merge_replicas(job_id), deadline=deadline)

    def quality_report(self, task_id: int, *, deadline: float = 600.0) -> QualityReport:
        """Let the server compare the jobs of a task with its ground truth. `deadline` is in seconds.

        Raises CvatRefused before the ground truth is completed and accepted.
        """
        return self._runner.run(self._runner.dialect.quality_report(task_id), deadline=deadline)
