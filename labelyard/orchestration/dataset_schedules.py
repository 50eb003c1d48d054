"""The schedules of datasets in Prefect: schedules of the deployments, each with a dataset as its parameter.

A schedule of labelyard has the slug `<dataset>-<verb>`. `prefect deploy` leaves it as it is, because it updates only
the slugs of prefect.yaml.

Prefect (seen with 3.8.8) empties the parameters of a schedule when a request changes anything else of it, as a pause in
the UI does. So the slug says whose schedule it is, and housekeeping puts the parameter back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.exceptions import ObjectNotFound

from labelyard.domain.plan import Action, Difference, FoundSchedule, plan_schedules
from labelyard.domain.schedules import Timing, Verb
from labelyard.errors import PrefectUnreachable
from labelyard.orchestration.best_effort import best_effort
from labelyard.orchestration.prefect_api import refuse_failed_login
from labelyard.orchestration.prefect_client import prefect_client
from labelyard.settings import Settings

DEPLOYMENTS: Mapping[Verb, str] = {
    Verb.INGEST: "ingest-dataset",
    Verb.RELEASE: "release-dataset",
    Verb.SWEEP: "sweep-sources",
}
"""The deployment that a schedule of the verb belongs to; its flow has the same name and a parameter `dataset`."""


class PrefectSchedules:
    """The schedules of datasets on the Prefect server of the settings. Every method raises PrefectUnreachable."""

    def __init__(self, settings: Settings) -> None:
        self._api, self._settings = settings.prefect_api_or_ours, settings

    def compare(self, declared: Mapping[str, Mapping[Verb, Timing]]) -> list[Difference]:
        """Return how Prefect's schedules differ from the declared ones, for each dataset."""
        with self._client() as client:
            found = [_found(verb, each) for verb in Verb for each in _schedules(client, verb)]
        return [
            difference
            for dataset, timings in declared.items()
            for difference in plan_schedules(dataset, timings, found)
        ]

    def carry_out(self, step: Difference, declared: Mapping[Verb, Timing]) -> None:
        """Create, change back or delete one schedule. A pause that a person has set stays."""
        verb = Verb(step.verb or step.where)
        with self._client() as client:
            deployment, slug = _deployment(client, verb), _slug(step.dataset, verb)
            existing = next((each for each in client.read_deployment_schedules(deployment) if each.slug == slug), None)
            if step.action is Action.DELETE_SCHEDULE:
                if existing is not None:
                    client.delete_deployment_schedule(deployment, existing.id)
                return
            schedule, parameters = _prefect_schedule(declared[verb]), {"dataset": step.dataset}
            if existing is not None:
                client.update_deployment_schedule(deployment, existing.id, schedule=schedule, parameters=parameters)
            else:
                created = DeploymentScheduleCreate(schedule=schedule, parameters=parameters, slug=slug)
                client.create_deployment_schedules(deployment, [created])

    def sync(self, declared: Mapping[str, Mapping[Verb, Timing]]) -> list[Difference]:
        """Make Prefect's schedules those that are declared; return what was changed."""
        steps = [one for one in self.compare(declared) if one.action is not Action.REPORT]
        for step in steps:
            self.carry_out(step, declared[step.dataset])
        return steps

    def restore_parameters(self) -> None:
        """Give those of labelyard's schedules that have lost their parameter it again."""
        with self._client() as client:
            for verb in Verb:
                deployment = _deployment(client, verb)
                for each in client.read_deployment_schedules(deployment):
                    dataset = _dataset_of_slug(each, verb)
                    if dataset and not each.parameters:
                        client.update_deployment_schedule(deployment, each.id, parameters={"dataset": dataset})

    @contextmanager
    def _client(self) -> Iterator[SyncPrefectClient]:
        try:
            with prefect_client(self._settings) as client:
                yield client
        except ObjectNotFound as error:
            what = "it has not all deployments of this labelyard"
            raise PrefectUnreachable(what, where=self._api, next_step="labelyard deploy") from error
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError):
                refuse_failed_login(self._settings, error.response, self._api)
            what = f"no answer: {error or type(error).__name__}"
            raise PrefectUnreachable(what, where=self._api, next_step="labelyard up, or set PREFECT_API_URL") from error


def restore_schedules(settings: Settings) -> None:
    """Give the schedules of datasets their parameter back where a change in the UI has emptied it."""
    with best_effort("restoring the parameters of schedules"):
        PrefectSchedules(settings).restore_parameters()


def _deployment(client: SyncPrefectClient, verb: Verb) -> UUID:
    name = DEPLOYMENTS[verb]
    return client.read_deployment_by_name(f"{name}/{name}").id


def _schedules(client: SyncPrefectClient, verb: Verb) -> Sequence[DeploymentSchedule]:
    return client.read_deployment_schedules(_deployment(client, verb))


def _slug(dataset: str, verb: Verb) -> str:
    return f"{dataset}-{verb}"


def _dataset_of_slug(schedule: DeploymentSchedule, verb: Verb) -> str:
    """Return the dataset of a schedule that labelyard has created, an empty string for any other."""
    dataset, found, rest = (schedule.slug or "").rpartition(f"-{verb}")
    return dataset if found and not rest else ""


def _found(verb: Verb, schedule: DeploymentSchedule) -> FoundSchedule:
    own = _dataset_of_slug(schedule, verb)
    dataset = own or str(schedule.parameters.get("dataset", ""))
    timing = _timing(schedule)
    described = str(timing) if timing is not None else _describe(schedule)
    if schedule.parameters != {"dataset": dataset}:
        timing, described = None, f"{described} with the parameters {schedule.parameters or 'none'}"
    return FoundSchedule(dataset, verb, timing, described, schedule.active, bool(own))


def _timing(schedule: DeploymentSchedule) -> Timing | None:
    """Return the schedule as a dataset file has it, None if it cannot say that."""
    match schedule.schedule:
        case CronSchedule(cron=cron, timezone=timezone, day_or=True):
            return Timing(timezone or "UTC", cron=cron)
        case IntervalSchedule(interval=interval, timezone=timezone, anchor_date=anchor):
            found = Timing(timezone or "UTC", interval=interval)
            return found if anchor == _anchor(found) else None
    return None


def _describe(schedule: DeploymentSchedule) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in schedule.schedule.model_dump(mode="json", exclude_none=True).items()
    )


def _prefect_schedule(timing: Timing) -> CronSchedule | IntervalSchedule:
    if timing.interval is not None:
        return IntervalSchedule(interval=timing.interval, timezone=timing.timezone, anchor_date=_anchor(timing))
    return CronSchedule(cron=timing.cron or "", timezone=timing.timezone)


def _anchor(timing: Timing) -> datetime:
    """Return a midnight, from which intervals count: every deploy gives the same times."""
    return datetime(2026, 1, 1, tzinfo=ZoneInfo(timing.timezone))
