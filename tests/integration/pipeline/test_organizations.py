"""Work in an organization of CVAT 2.x: whose lists hold what, who gets jobs, and how errors name it."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from labelyard.cvat import connect
from labelyard.domain.tasks import TaskSpec
from labelyard.errors import CvatUnauthorized, SettingsError
from labelyard.operations.doctor.check import CheckResult, Installation
from labelyard.operations.doctor.cvat import checks
from labelyard.operations.repair import survey
from labelyard.settings import CvatSettings, Settings
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.sandbox_client_v2 import found_organization
from tests.support.workspace import FIRST, Workspace, ingest, ingest_and_export


@pytest.fixture
def cvat_version() -> str:
    return V2


@pytest.fixture
def acme(workspace: Workspace) -> Workspace:
    """A dataset in an organization of which ann is a member, with a closed batch of two files."""
    found_organization(workspace.sandbox.url, "acme", ann="worker")
    workspace.apply(cvat={"organization": "acme"}, annotators=["bob", "ann"], task={"segment_size": 1})
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
    workspace.close_batch()
    return workspace


def test_tasks_are_in_the_organization_and_other_lists_do_not_show_them(acme: Workspace) -> None:
    ingest_and_export(acme)
    with acme.context.ledger.read_only():
        assert acme.line().state == "exported"
    own = acme.context.cvat("default")
    own.create_task(TaskSpec("own", acme.spec.task.cvat_labels()))
    assert [task.id for task in acme.context.cvat("default/acme").tasks()] == [acme.line().task_id]
    assert [task.name for task in own.tasks()] == ["own"]
    assert not survey(acme.context, "street")


def test_jobs_are_given_to_members_only(acme: Workspace) -> None:
    ingest(acme)
    assert [job.assignee for job in acme.line().jobs] == ["ann", "ann"]
    assert "no user bob among the active members of the organization acme" in (acme.line().warning or "")
    acme.apply(cvat="default/acme", annotators=["bob"])
    acme.put("3.jpg", picture(3))
    batch = acme.close_batch()
    with pytest.raises(SettingsError, match="none of the annotators bob among the active members") as caught:
        ingest(acme, batch)
    assert "invite the user to acme" in caught.value.next_step


def test_an_organization_that_does_not_exist_stops_the_batch_until_it_does(workspace: Workspace) -> None:
    workspace.apply(cvat="default/later", annotators=["ann"])
    workspace.put("1.jpg")
    workspace.close_batch()
    with pytest.raises(CvatUnauthorized, match="there is no organization 'later'"):
        ingest(workspace)
    assert "create it in CVAT" in (workspace.line().next_step or "")
    found_organization(workspace.sandbox.url, "later", ann="worker")
    workspace.retry()
    ingest(workspace, FIRST)
    assert workspace.line().state == "assigned"


def test_the_clients_of_a_server_share_one_session(acme: Workspace) -> None:
    own, other = acme.context.cvat("default"), acme.context.cvat("default/acme")
    assert own.login().get_secret_value() == other.login().get_secret_value()
    assert other._runner.credentials is own._runner.credentials
    assert acme.context.cvat("default/acme") is other


def _checked(acme: Workspace, username: str) -> list[CheckResult]:
    account = CvatSettings(
        url=acme.sandbox.url, username=username, password=SecretStr(f"{username}pass{'' if username == 'root' else 1}")
    )
    installation = Installation(Settings(cvat={"default": account}), (acme.spec,))
    return list(checks(installation)["CVAT default/acme"](installation))


def test_the_doctor_checks_membership_and_role(acme: Workspace) -> None:
    account, organization, annotators = _checked(acme, "root")
    assert (account.status, organization.status) == ("ok", "ok")
    assert organization.message == "acme: root is owner, and an administrator of CVAT"
    assert (annotators.status, annotators.message) == ("fail", "acme has no user bob")
    assert "invite the user to acme" in annotators.next_step


def test_errors_name_the_organization(acme: Workspace) -> None:
    stranger = connect(acme.sandbox.url, username="bob", password="bobpass1", organization="acme")
    with pytest.raises(CvatUnauthorized, match="GET /api/tasks, organization acme: You do not have permission"):
        list(stranger.tasks())
