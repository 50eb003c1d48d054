"""prefect.yaml against Prefect's models: Prefect ignores unknown keys, and drops a template inside a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
import yaml
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from prefect.events import DeploymentEventTrigger
from prefect.flows import load_flow_from_entrypoint
from pydantic import BaseModel

from labelyard.domain.states import Event
from labelyard.errors import InputError
from labelyard.orchestration.dataset_schedules import DEPLOYMENTS as OF_DATASETS
from labelyard.orchestration.deploy import render
from labelyard.orchestration.pull import find_project, installed_version, project_folder
from labelyard.settings import DeploySettings

TEXT = (find_project() / "prefect.yaml").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
DEPLOYMENTS: list[dict[str, Any]] = DOCUMENT["deployments"]
MANUAL = {"retry-batch", "quarantine-object", "reassign-jobs", "pause-dataset"}
"""Those that only a person starts."""
STARTED_BY_PEOPLE = {"ingest-dataset", "release-dataset", "report-operations", *MANUAL}
"""Those, and those that schedules of dataset files start too."""
by_name = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])


def _known(model: type[BaseModel], *more: str) -> set[str]:
    return {*(field.alias or name for name, field in model.model_fields.items()), *more}


def test_every_key_of_the_file_is_known_to_prefect() -> None:
    assert set(DOCUMENT) <= _known(PrefectYamlModel, "definitions")  # for the anchors
    PrefectYamlModel.model_validate(DOCUMENT)


@by_name
def test_every_key_of_a_deployment_is_known_to_prefect(deployment: dict[str, Any]) -> None:
    assert set(deployment) <= _known(DeploymentConfig)
    assert set(deployment["work_pool"]) <= _known(WorkPoolConfig)
    assert set(deployment["concurrency_limit"]) <= _known(ConcurrencyLimitSpec)
    for schedule in deployment.get("schedules", []):
        assert set(schedule) <= _known(RawScheduleConfig)
    for trigger in deployment.get("triggers", []):
        assert set(trigger) <= _known(DeploymentEventTrigger, "type")
        DeploymentEventTrigger.model_validate(trigger)


@by_name
def test_the_slot_of_a_run_that_never_started_is_free_after_a_minute(deployment: dict[str, Any]) -> None:
    assert deployment["concurrency_limit"]["grace_period_seconds"] == 60  # Prefect's minimum


def test_a_scheduled_run_that_died_with_its_slot_does_not_stop_the_next_ones() -> None:
    limits = {one["name"]: one["concurrency_limit"]["limit"] for one in DEPLOYMENTS}
    assert (limits["collect-finished"], limits["sweep-sources"], limits["housekeeping"]) == (3, 3, 10)


def test_runs_of_many_datasets_that_are_due_at_the_same_time_wait_for_each_other_and_none_is_cancelled() -> None:
    strategies = {one["name"]: one["concurrency_limit"]["collision_strategy"] for one in DEPLOYMENTS}
    assert {strategies[name] for name in OF_DATASETS.values()} == {"ENQUEUE"}


def test_housekeeping_has_a_queue_of_its_own_because_it_ends_the_runs_that_occupy_the_others() -> None:
    queues = {one["name"]: one["work_pool"].get("work_queue_name", "default") for one in DEPLOYMENTS}
    assert [name for name, queue in queues.items() if queue == "housekeeping"] == ["housekeeping"]
    assert (queues["ingest-batch"], queues["export-task"]) == ("ingest", "export")


@by_name
def test_a_deployment_has_a_trigger_or_a_schedule_and_a_version_tags_and_a_limit(
    deployment: dict[str, Any],
) -> None:
    starts = [kind for kind in ("triggers", "schedules") if deployment.get(kind)]
    assert len(starts) == (0 if deployment["name"] in STARTED_BY_PEOPLE else 1)
    assert deployment["version"] == "{{ labelyard.version }}"
    assert deployment["tags"][0] == "labelyard"
    assert deployment["concurrency_limit"]["limit"] >= 1


@by_name
def test_the_entrypoint_of_a_deployment_is_a_flow_with_the_parameters_of_its_trigger(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(find_project()))
    flow = load_flow_from_entrypoint(f"{find_project()}/{deployment['entrypoint']}", use_placeholder_flow=False)
    assert flow.name == deployment["name"]
    assert not flow.retries
    assert flow.persist_result is False
    for trigger in deployment.get("triggers", []):
        assert set(trigger["parameters"]) == set(flow.parameters.properties)


@by_name
def test_the_form_of_a_deployment_that_a_person_starts_describes_and_limits_each_field(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if deployment["name"] not in STARTED_BY_PEOPLE:
        return
    monkeypatch.syspath_prepend(str(find_project()))
    flow = load_flow_from_entrypoint(f"{find_project()}/{deployment['entrypoint']}", use_placeholder_flow=False)
    assert flow.parameters.properties or deployment["name"] == "report-operations"
    for name, field in flow.parameters.properties.items():
        assert field["description"].endswith("."), name
        kinds = [field, *field.get("anyOf", []), *field.get("allOf", [])]
        assert name == "why" or any("pattern" in kind or "$ref" in kind for kind in kinds), name


def test_each_event_of_the_outbox_starts_exactly_one_deployment() -> None:
    expected = [
        event
        for deployment in DEPLOYMENTS
        for trigger in deployment.get("triggers", [])
        for event in trigger["expect"]
        if event.startswith("labelyard.")
    ]
    assert sorted(expected) == sorted(event.value for event in Event)


def test_the_report_of_failed_actions_watches_every_other_automation_and_not_itself() -> None:
    triggers = {trigger["name"]: trigger for one in DEPLOYMENTS for trigger in one.get("triggers", [])}
    (own,) = (name for name, one in triggers.items() if one["expect"] == ["prefect.automation.action.failed"])
    watched = triggers[own]["match"]["prefect.resource.name"]
    assert not fnmatchcase(own, watched)
    assert all(fnmatchcase(name, watched) for name in triggers.keys() - {own})


def test_no_template_is_inside_a_list_where_prefect_would_drop_it() -> None:
    triggers = [trigger for deployment in DEPLOYMENTS for trigger in deployment.get("triggers", [])]
    assert not [text for text in _texts_in_lists(triggers) if "{{" in text]


def test_every_template_of_an_event_is_one_whole_expression_which_keeps_its_type() -> None:
    for template in re.findall(r'"[^"]*event\.[^"]*"', TEXT):
        assert re.fullmatch(r'"\{\{ event\.(payload\.\w+|occurred \| string) \}\}"', template)


def test_the_settings_change_pool_intervals_and_limit() -> None:
    settings = DeploySettings(
        pool="other", collect_seconds=3, sweep_seconds=5, housekeeping_seconds=7, batches_at_once=9, exports_at_once=8
    )
    rendered = {deployment["name"]: deployment for deployment in yaml.safe_load(render(TEXT, settings))["deployments"]}
    assert {deployment["work_pool"]["name"] for deployment in rendered.values()} == {"other"}
    assert rendered["collect-finished"]["schedules"][0]["interval"] == 3
    assert rendered["sweep-sources"]["schedules"][0]["interval"] == 5
    assert rendered["housekeeping"]["schedules"][0]["interval"] == 7
    assert rendered["ingest-batch"]["concurrency_limit"]["limit"] == 9
    assert rendered["export-task"]["concurrency_limit"]["limit"] == 8


def test_without_settings_the_file_is_deployed_unchanged() -> None:
    assert yaml.safe_load(render(TEXT, DeploySettings())) == DOCUMENT


def test_a_worker_of_the_deployed_version_runs_its_own_flows() -> None:
    folder = project_folder(**installed_version())["directory"]
    assert folder == str(find_project())


def test_a_worker_of_another_version_fails_and_names_the_version_to_install() -> None:
    with pytest.raises(InputError, match=r"deployment was made by labelyard 99\.9") as failed:
        project_folder("99.9")
    assert "pip install labelyard==99.9" in failed.value.next_step


def _texts_in_lists(value: Any, *, inside: bool = False) -> Iterator[str]:
    if isinstance(value, str) and inside:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in_lists(item, inside=not isinstance(item, dict))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_in_lists(item, inside=inside)
