"""The webhook of a dataset's CVAT: created, kept, corrected, and what the doctor says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import SecretStr

from labelyard.domain.webhooks import Webhook
from labelyard.errors import CvatDisagrees, SettingsError
from labelyard.operations.cvat_webhook import webhook_setup
from labelyard.operations.doctor.check import CheckResult, Installation
from labelyard.operations.doctor.webhooks import checks
from labelyard.supervisor.stack import free_ports
from tests.support.cvat_families import V1, V2
from tests.support.planning import Run
from tests.support.sandbox_client_v2 import login
from tests.support.webhook_watching import SECRET, in_organization, set_webhook, watching
from tests.support.workspace import Workspace


@pytest.fixture
def cvat_version() -> str:
    return V2


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def acme(workspace: Workspace, port: int) -> Workspace:
    return in_organization(workspace, f"http://127.0.0.1:{port}/")


def actions(workspace: Workspace) -> list[str]:
    return [item.action for item in webhook_setup(workspace.context, workspace.spec).plan().items]


def apply(workspace: Workspace) -> None:
    webhook_setup(workspace.context, workspace.spec).apply()


def webhooks(workspace: Workspace) -> list[Webhook]:
    return workspace.context.cvat(workspace.spec.cvat).webhooks()


def doctor(workspace: Workspace) -> CheckResult:
    installation = Installation(workspace.context.settings, (workspace.spec,))
    [(_, check)] = checks(installation).items()
    [result] = check(installation)
    return result


def test_it_is_created_once_corrected_after_manual_changes_and_its_duplicates_are_deleted(
    acme: Workspace, port: int
) -> None:
    url, cvat = f"http://127.0.0.1:{port}/cvat/default", acme.context.cvat("default/acme")
    theirs = cvat.create_webhook(
        replace(webhook_setup(acme.context, acme.spec).plan().wanted, target_url="http://chat.example.com",
                description="chat"), SecretStr("their secret"),
    )  # fmt: skip
    assert actions(acme) == [f"create it: CVAT posts changed jobs to {url}"]
    apply(acme)
    apply(acme)
    assert actions(acme) == [f"fine: it posts changed jobs to {url}"]
    ours = webhooks(acme)[1]
    assert (ours.spec.target_url, sorted(ours.spec.events), ours.spec.is_active) == (url, ["update:job"], True)
    changed = replace(ours.spec, is_active=False, events=frozenset({"create:task"}))
    cvat.change_webhook(ours.id, changed, SecretStr("changed"))
    cvat.create_webhook(ours.spec, SecretStr(SECRET))
    assert len(actions(acme)) == 2
    assert "it is not active" in actions(acme)[0]
    apply(acme)
    assert webhooks(acme) == [theirs, ours]


def test_without_an_organization_it_belongs_to_the_project_which_is_created(workspace: Workspace, run: Run) -> None:
    set_webhook(workspace, "http://127.0.0.1:9")
    with pytest.raises(SettingsError, match="street has neither") as caught:
        webhook_setup(workspace.context, workspace.spec)
    assert "task: {project: …}" in caught.value.next_step
    workspace.apply(task={"project": "Street"})
    assert actions(workspace) == ["create it, as the first batch would", "create it"]
    apply(workspace)
    [project] = workspace.context.cvat("default").find_projects("Street")
    assert [webhook.spec.project for webhook in webhooks(workspace)] == [project.id]
    assert {label.name for label in project.labels} == {"car", "person"}
    apply(workspace)
    assert len(webhooks(workspace)) == 1


def test_the_doctor_says_whether_it_is_as_wanted_and_its_deliveries_arrive(acme: Workspace, port: int) -> None:
    def ping() -> CheckResult:
        root.post(f"/webhooks/{webhooks(acme)[0].id}/ping").raise_for_status()
        return doctor(acme)

    root = login(acme.sandbox.url, "root")
    root.headers["X-Organization"] = "acme"
    missing = doctor(acme)
    assert (missing.status, missing.next_step) == ("warning", "labelyard notifications street --apply")
    apply(acme)
    fine = doctor(acme)
    assert (fine.name, fine.status) == ("webhook of CVAT default/acme", "ok")
    assert "nothing was delivered yet" in fine.message
    nobody = ping()
    assert (nobody.status, "failed: 502" in nobody.message) == ("warning", True)
    assert "LABELYARD_CVAT__DEFAULT__WEBHOOK__URL" in nobody.next_step
    with watching(acme, port):
        arrived = ping()
        assert (arrived.status, arrived.message.partition("; ")[2]) == (
            "ok",
            "of the last 2 deliveries 1 failed, the latest did not",
        )
        root.patch(f"/webhooks/{webhooks(acme)[0].id}", json={"secret": "another"}).raise_for_status()
        denied = ping()
        assert (denied.status, "failed: 401" in denied.message) == ("warning", True)
        assert denied.next_step.startswith("labelyard notifications street --apply")
        apply(acme)
        assert ping().status == "ok"


def test_the_command_shows_the_plan_and_carries_it_out(acme: Workspace, run: Run, port: int) -> None:
    variables: Mapping[str, str] = {
        "LABELYARD_CVAT__DEFAULT__WEBHOOK__URL": f"http://127.0.0.1:{port}",
        "LABELYARD_CVAT__DEFAULT__WEBHOOK__SECRET": SECRET,
        "LABELYARD_WATCH__SWEEP_ONLY": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        shown = run("notifications", "street").stdout
        assert "create it: CVAT posts" in " ".join(shown.split())
        assert shown.splitlines()[-1] == "next: labelyard notifications street --apply"
        assert webhooks(acme) == []
        applied = run("notifications", "street", "--apply").stdout
        assert applied.splitlines()[-1] == "next: labelyard up, or labelyard watch"
        assert "fine" in run("notifications", "street").stdout
    assert SECRET not in shown + applied
    assert len(webhooks(acme)) == 1


@pytest.mark.parametrize("cvat_version", [V1])
def test_a_cvat_without_webhooks_says_so_and_the_doctor_names_the_settings(
    workspace: Workspace, cvat_version: str
) -> None:
    set_webhook(workspace, "http://127.0.0.1:9")
    workspace.apply(task={"project": "Street"})
    with pytest.raises(CvatDisagrees, match="only CVAT 2"):
        actions(workspace)
    result = doctor(workspace)
    assert result.status == "warning"
    assert "LABELYARD_CVAT__DEFAULT__WEBHOOK__URL" in result.next_step
