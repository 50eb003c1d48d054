"""Work in an organization of CVAT 2.x: whose lists hold what, who gets jobs, and how errors name it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr

from cvat_sandbox import serve
from labelyard.cvat import connect
from labelyard.cvat_settings import CloudSettings, CvatSettings
from labelyard.domain.tasks import TaskSpec
from labelyard.errors import CvatBusy, CvatUnauthorized, SettingsError
from labelyard.ledger import batches
from labelyard.operations.doctor.check import CheckResult, Installation
from labelyard.operations.doctor.cvat import checks
from labelyard.operations.doctor.runner import run_checks
from labelyard.operations.plan import survey_tasks
from labelyard.settings import Settings
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.sandbox_client_v2 import found_organization, login
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
    assert not survey_tasks(acme.context, "street")


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


def _token(workspace: Workspace, **fields: object) -> SecretStr:
    http = login(workspace.sandbox.url, "root")
    return SecretStr(http.post("/auth/access_tokens", json={"name": "labelyard", **fields}).json()["value"])


def _checked_token(workspace: Workspace, token: SecretStr) -> dict[str, CheckResult]:
    settings = Settings(cvat={"default": CvatSettings(url=workspace.sandbox.url, token=token)})
    return {result.name: result for result in run_checks(settings, {"CVAT": checks})}


def test_a_personal_access_token_does_the_whole_job_and_the_doctor_knows_it(acme: Workspace) -> None:
    token = _token(acme, read_only=False)
    servers = {"default": CvatSettings(url=acme.sandbox.url, token=token)}
    acme.context.settings = acme.context.settings.model_copy(update={"cvat": servers})
    ingest_and_export(acme)
    assert acme.line().state == "exported"
    assert _checked_token(acme, token)["token of CVAT default"].message == "'labelyard', which never expires"


def test_the_doctor_names_a_token_that_may_not_write_or_ends_soon_or_is_wrong(acme: Workspace) -> None:
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    read_only = _checked_token(acme, _token(acme))["token of CVAT default"]
    assert (read_only.status, read_only.message) == ("fail", "the personal access token 'labelyard' is read-only")
    assert "LABELYARD_CVAT__DEFAULT__TOKEN" in read_only.next_step
    assert (
        _checked_token(acme, _token(acme, read_only=False, expiry_date=soon))["token of CVAT default"].status
        == "warning"
    )
    wrong = _checked_token(acme, SecretStr("qUzFdwZj.Auen05cwcp89KbvYW822jZfGr3vMEEyk"))["CVAT default"]
    assert (wrong.status, wrong.next_step.partition(",")[0]) == ("fail", "correct LABELYARD_CVAT__DEFAULT__TOKEN")


def test_a_batch_waits_as_long_as_a_busy_server_asks_for(acme: Workspace) -> None:
    acme.set_faults({"on": "POST /api/tasks", "status": 429, "retry_after": 1200, "times": 1})
    with pytest.raises(CvatBusy):
        ingest(acme)
    with acme.context.ledger.read_only() as tx:
        not_before = batches.get(tx, FIRST).not_before
        assert not_before is not None
        assert timedelta(minutes=19) < not_before - tx.now < timedelta(minutes=21)


def test_a_cvat_without_organizations_says_so_before_it_is_asked_for_anything() -> None:
    with serve(["root:rootpass:superuser"]) as old:
        cvat = connect(old.url, username="root", password="rootpass", organization="acme")
        with pytest.raises(SettingsError, match="this CVAT has no organizations, and 'acme' is set"):
            list(cvat.tasks())


def test_a_maintainer_who_is_no_administrator_works_with_project_and_cloud_storage(workspace: Workspace) -> None:
    names = {"username": "carol", "email": "carol@example.com", "first_name": "", "last_name": ""}
    body = {**names, "password1": "carolpass1", "password2": "carolpass1"}
    httpx.post(f"{workspace.sandbox.url}/api/auth/register", json=body).raise_for_status()
    found_organization(workspace.sandbox.url, "acme", carol="maintainer", ann="worker")
    account = CvatSettings(
        url=workspace.sandbox.url, username="carol", password=SecretStr("carolpass1"),
        cloud=CloudSettings(credentials="store"),
    )  # fmt: skip
    workspace.context.settings = workspace.context.settings.model_copy(update={"cvat": {"default": account}})
    task = {"project": "Street", "upload": "cloud", "inspect": False}
    workspace.apply(cvat="default/acme", annotators=["ann"], task=task)
    workspace.put("1.jpg")
    batch = workspace.close_batch()
    ingest(workspace, batch)
    cvat = workspace.context.cvat("default/acme")
    [project] = cvat.find_projects("Street")
    [storage] = cvat.cloud_storages(workspace.bucket)
    assert (project.tasks, storage.bucket, workspace.line().state) == (1, workspace.bucket, "assigned")
    assert not workspace.context.cvat("default").find_projects("Street")
    installation = Installation(workspace.context.settings, (workspace.spec,))
    found = list(checks(installation)["CVAT default/acme"](installation))
    assert [one.status for one in found] == ["ok"] * 4
    assert found[1].message == "acme: carol is maintainer"
