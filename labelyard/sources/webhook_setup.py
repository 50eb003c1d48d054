"""Set up the webhook of a CVAT 2.x: read what it has, and carry out the plan of `webhook_plan`."""

from __future__ import annotations

from contextlib import suppress

from labelyard.config import DatasetSpec
from labelyard.cvat import Cvat
from labelyard.cvat_names import server_of, settings_key
from labelyard.domain.webhooks import WebhookDelivery, WebhookSpec
from labelyard.errors import CvatNotFound, SettingsError
from labelyard.settings import Settings
from labelyard.sources.notification_plan import PlanItem
from labelyard.sources.webhook_plan import SUBJECT, WebhookPlan, plan_webhook, wanted_webhook


def wants_webhook(settings: Settings, spec: DatasetSpec) -> bool:
    """Return whether the settings say where the dataset's CVAT reaches the watcher."""
    return any(settings_key(name) == settings_key(spec.cvat) and at.webhook.url for name, at in settings.cvat.items())


class WebhookSetup:
    """The webhook of a dataset's organization, or without one of its project."""

    def __init__(self, settings: Settings, spec: DatasetSpec, cvat: Cvat, ledger_id: str) -> None:
        webhook = settings.cvat_named(spec.cvat).webhook
        assert webhook.url, "the settings have a webhook"
        assert webhook.secret, "the settings have its secret, too"
        self._spec, self._cvat, self._ledger_id, self._secret = spec, cvat, ledger_id, webhook.secret
        self._address = f"{webhook.url.rstrip('/')}/cvat/{server_of(spec.cvat)}"
        self._project = "" if cvat.organization else spec.task.project or ""
        if not (cvat.organization or self._project):
            variable, seconds = server_of(spec.cvat).upper().replace("-", "_"), settings.deploy.collect_seconds
            raise SettingsError(
                f"a webhook belongs to an organization or a project of CVAT, and {spec.name} has neither",
                next_step="write `cvat: {organization: …}` or `task: {project: …}` into its file; or remove"
                f" LABELYARD_CVAT__{variable}__WEBHOOK__URL and __SECRET: CVAT is asked every {seconds:g} s anyway",
            )

    @property
    def where(self) -> str:
        """What the webhook belongs to."""
        return f"project {self._project}" if self._project else f"organization {self._cvat.organization}"

    def plan(self) -> WebhookPlan:
        """Return what must change. Raises CvatDisagrees on a CVAT 1.x, which has no webhooks."""
        found = self._cvat.webhooks()
        project = self._project_id()
        if self._project and project is None:
            items = (PlanItem("project", self._project, "create it, as the first batch would"),)
            return WebhookPlan(self._wanted(None), (*items, PlanItem(SUBJECT, self.where, "create it")))
        return plan_webhook(self._wanted(project), self.where, found)

    def apply(self) -> WebhookPlan:
        """Carry out the plan and return it. The secret is always written, because CVAT never shows it."""
        plan = self.plan()
        if self._project and self._project_id() is None:
            self._cvat.create_project(self._project, self._spec.task.cvat_labels())
        rest = self.plan()  # the project has an id now
        if rest.present is None:
            self._cvat.create_webhook(rest.wanted, self._secret)
        else:
            self._cvat.change_webhook(rest.present.id, rest.wanted, self._secret)
        for webhook in rest.duplicates:
            with suppress(CvatNotFound):  # somebody has deleted it meanwhile
                self._cvat.delete_webhook(webhook.id)
        return plan

    def deliveries(self, plan: WebhookPlan, count: int) -> list[WebhookDelivery]:
        """Return the latest finished deliveries of the present webhook, the last one first."""
        found = self._cvat.webhook_deliveries(plan.present.id, count) if plan.present else []
        return [delivery for delivery in found if delivery.status]

    def _wanted(self, project: int | None) -> WebhookSpec:
        return wanted_webhook(self._address, self._ledger_id, server_of(self._spec.cvat), project)

    def _project_id(self) -> int | None:
        """Return the id of the project whose webhook is wanted; of several of its name the oldest counts."""
        if not self._project:
            return None
        return next((project.id for project in self._cvat.find_projects(self._project)), None)
