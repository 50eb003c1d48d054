"""Prefect with a login: basic authentication on a real server, and an API key on a server that wants one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.errors import PrefectUnreachable
from labelyard.operations.doctor.check import CheckResult, Status
from labelyard.operations.doctor.runner import run_checks
from labelyard.orchestration.deploy import deploy_all
from labelyard.orchestration.doctor_checks import PREFECT_CHECKS
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.orchestration.page_store import PageStore
from labelyard.pipeline.publish_events import EventToPublish
from labelyard.settings import Settings
from labelyard.supervisor.stack import free_ports
from tests.support.fresh_ledger import create_ledger
from tests.support.prefect_server import PrefectServer, serving
from tests.support.scripted_server import serve_script
from tests.support.waiting import eventually

LOGIN = "lead:pass:word"


def settings_for(folder: Path, api_url: str, **login: str) -> Settings:
    ledger = f"sqlite:///{folder / 'ledger.db'}"
    if not (folder / "ledger.db").exists():
        ledger = create_ledger(folder / "ledger.db")
    return Settings(_env_file=None, ledger=ledger, PREFECT_API_URL=api_url, **login)  # type: ignore[arg-type]


def event() -> EventToPublish:
    return EventToPublish(str(uuid4()), "labelyard.batch.closed", "street-00001", "street", 1, datetime.now(UTC))


def doctor(settings: Settings) -> dict[str, CheckResult]:
    return {result.name: result for result in run_checks(settings, PREFECT_CHECKS)}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server with a login. Its `environment` has none."""
    home = tmp_path_factory.mktemp("locked")
    with serving(home, free_ports(1)[0], PREFECT_SERVER_API_AUTH_STRING=LOGIN) as (server, _):
        yield server


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
def test_with_its_password_everything_works_on_a_server_that_has_a_login(
    locked: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert httpx.post(f"{locked.api_url}/flow_runs/filter", json={}).status_code == httpx.codes.UNAUTHORIZED
    for name, value in locked.environment.items():
        monkeypatch.setenv(name, value)
    settings = settings_for(tmp_path, locked.api_url, PREFECT_API_AUTH_STRING=LOGIN)
    monkeypatch.setenv("LABELYARD_LEDGER", settings.ledger)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", LOGIN)
    locked.command("labelyard", "deploy", LABELYARD_LEDGER=settings.ledger, PREFECT_API_AUTH_STRING=LOGIN)
    found = doctor(settings)
    assert {found[name].status for name in ("Prefect", "deployments", "automations", "secrets")} == {Status.OK}
    assert found["secrets"].message == "Prefect requires a login"
    PrefectEvents(settings).publish([event()])
    assert PrefectEvents(settings).batches_with_queued_run() <= {"street-00001"}
    opened = CliRunner().invoke(labelyard, ["open", "--print"])
    assert re.search(r"/artifacts/artifact/\S+", opened.output), opened.output
    login = {"PREFECT_API_AUTH_STRING": LOGIN, "LABELYARD_LEDGER": settings.ledger}
    with locked.worker("labelyard", "labelyard", tmp_path, **login) as worker:

        def is_online() -> bool | None:
            assert worker.poll() is None, (tmp_path / "worker.log").read_text(errors="replace")
            return doctor(settings)["worker"].status is Status.OK or None

        eventually(is_online, "a worker to log in", 120)


@pytest.mark.slow
@pytest.mark.prefect
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("login", "what", "next_step"),
    [
        ({}, "it requires a login (401)", "set PREFECT_API_AUTH_STRING to the value that the server has"),
        ({"PREFECT_API_AUTH_STRING": "lead:old"}, "it refuses PREFECT_API_AUTH_STRING (401)", "set PREFECT_API_AUTH"),
        ({"PREFECT_API_KEY": "pnu_1"}, "it refuses PREFECT_API_KEY (401)", "set PREFECT_API_KEY to a key that is"),
    ],
)
def test_a_refused_login_names_the_variable_everywhere_and_no_secret(
    locked: PrefectServer, tmp_path: Path, login: dict[str, str], what: str, next_step: str
) -> None:
    settings = settings_for(tmp_path, locked.api_url, **login)
    result = doctor(settings)["Prefect"]
    assert result.status is Status.FAIL
    assert what in result.message
    assert next_step in result.next_step
    with pytest.raises(PrefectUnreachable) as published:
        PrefectEvents(settings).publish([event()])
    with pytest.raises(PrefectUnreachable) as found, PageStore(settings) as store:
        store.find(["operations"])
    with pytest.raises(PrefectUnreachable) as deployed:
        deploy_all(settings)
    for error in (published.value, found.value, deployed.value):
        assert what in str(error)
        assert next_step in str(error)
        assert not any(secret in str(error) for secret in login.values())


def test_an_api_key_is_sent_with_every_request_and_a_forbidden_one_is_said(tmp_path: Path) -> None:
    """Prefect's own server has no keys, so this one only looks at the header."""
    script = {
        ("POST", "/api/events"): [(200, None)],
        ("POST", "/api/artifacts/latest/filter"): [(200, []), (403, {"detail": "Forbidden"})],
        ("GET", "/api/admin/version"): [(200, "3.8.8")],
    }
    with serve_script(script) as server:
        settings = settings_for(tmp_path, f"{server.url}/api", PREFECT_API_KEY="pnu_1")
        PrefectEvents(settings).publish([event()])
        with PageStore(settings) as store:
            assert store.find(["operations"]) == {}
            with pytest.raises(PrefectUnreachable, match="does not allow this to the login of PREFECT_API_KEY") as said:
                store.find(["operations"])
        doctor(settings)
        assert "pnu_1" not in str(said.value)
        assert len(server.received) >= 4
        assert {one.headers.get("authorization") for one in server.received} == {"Bearer pnu_1"}
