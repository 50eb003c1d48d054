"""The doctor's checks of Prefect, on a real server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from labelyard.operations.doctor.check import CheckResult, Status
from labelyard.operations.doctor.runner import run_checks
from labelyard.orchestration.doctor_checks import PREFECT_CHECKS, _check_secrets
from labelyard.settings import Settings
from tests.support.fresh_ledger import create_ledger
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.scripted_server import serve_script
from tests.support.waiting import eventually

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]


@pytest.fixture
def settings(tmp_path: Path, prefect_server: PrefectServer) -> Settings:
    ledger = create_ledger(tmp_path / "ledger.db")
    return Settings(_env_file=None, ledger=ledger, PREFECT_API_URL=prefect_server.api_url)  # type: ignore[call-arg]


def results(settings: Settings) -> dict[str, CheckResult]:
    return {result.name: result for result in run_checks(settings, PREFECT_CHECKS)}


@pytest.mark.slow
def test_prefect_is_ok_once_labelyard_is_deployed(settings: Settings, prefect_server: PrefectServer) -> None:
    before = results(settings)
    assert before["Prefect"].status is Status.OK
    if before["deployments"].status is Status.FAIL:  # else another test has deployed
        assert before["deployments"].next_step == "labelyard deploy"
        prefect_server.command("labelyard", "deploy", LABELYARD_DEPLOY__COLLECT_SECONDS="86400")
    after = results(settings)
    assert after["deployments"].status is after["automations"].status is Status.OK


def test_a_busy_database_of_prefect_is_a_warning_that_names_postgresql(
    settings: Settings, prefect_server: PrefectServer
) -> None:
    assert results(settings)["Prefect's load"].status is Status.OK
    event = {
        "id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": "prefect.automation.action.failed",
        "resource": {"prefect.resource.id": "prefect.automation.of-somebody"}, "related": [],
        "payload": {"reason": "Unexpected status from 'run-deployment' action: 503", "status_code": 503},
    }  # fmt: skip
    prefect_server.call("POST", "/events", [event])

    def warned() -> CheckResult | None:
        result = results(settings)["Prefect's load"]
        return result if result.status is Status.WARNING else None

    result = eventually(warned, "the doctor to see the event", RUN_SECONDS)
    assert "1 actions found the database busy" in result.message
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" in result.next_step


def test_secrets_in_a_server_without_a_login_are_a_warning_that_names_the_blocks(
    settings: Settings, prefect_server: PrefectServer
) -> None:
    assert "cvat-password" not in results(settings)["secrets"].message
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        block = Secret(value="a password").save("cvat-password")
    found = results(settings)["secrets"]
    assert found.status is Status.WARNING
    assert "secret/cvat-password" in found.message
    assert "a password" not in found.message
    assert "PREFECT_SERVER_API_AUTH_STRING" in found.next_step
    prefect_server.call("DELETE", f"/block_documents/{block}")


@pytest.mark.parametrize(("status", "found"), [(401, Status.OK), (403, Status.OK), (200, Status.WARNING)])
def test_a_password_in_the_settings_does_not_prove_that_the_server_asks_for_it(status: int, found: Status) -> None:
    block = {"name": "x", "block_type": {"slug": "secret"}, "block_schema": {"fields": {"secret_fields": ["value"]}}}
    script = {("POST", "/api/block_documents/filter"): [(status, [block])]}
    with serve_script(script) as server, httpx.Client(base_url=f"{server.url}/api", auth=("me", "password")) as http:
        assert _check_secrets(http).status is found
        assert "authorization" not in server.received[0].headers
