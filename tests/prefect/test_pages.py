"""Pages in a real Prefect: one version each, written only where something changed, found by `labelyard open`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.context import Context
from labelyard.domain.tasks import JobStatus
from labelyard.errors import SettingsError
from labelyard.ledger import batches
from labelyard.ledger.workload import marker
from labelyard.orchestration import page_updates
from labelyard.orchestration.one_installation import refuse_second_installation
from labelyard.orchestration.page_links import batch_key
from labelyard.orchestration.page_store import PageStore
from labelyard.orchestration.page_updates import REFRESH_AFTER, update_pages
from labelyard.settings import Settings
from labelyard.storage import Store
from tests.support.busy_ledger import BusyLedger
from tests.support.fresh_ledger import create_ledger
from tests.support.prefect_server import PrefectServer
from tests.support.prefect_workspace import RARELY

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[BusyLedger]:
    busy = BusyLedger(create_ledger(tmp_path / "ledger.db"))
    busy.now = datetime.now(UTC)  # as Prefect's
    yield busy
    busy.ledger.close()


@pytest.fixture
def context(busy: BusyLedger, prefect_server: PrefectServer) -> Context:
    settings = Settings(ledger=busy.url, PREFECT_API_URL=prefect_server.api_url)
    return Context(settings, busy.ledger, Store(settings.store))


def latest(server: PrefectServer, key: str) -> Any:
    [found] = server.call("POST", "/artifacts/filter", {"artifacts": {"key": {"any_": [key]}}})
    return found


def test_a_server_that_shows_the_pages_of_another_ledger_is_refused(
    busy: BusyLedger, context: Context, tmp_path: Path, prefect_server: PrefectServer
) -> None:
    update_pages(context)
    refuse_second_installation(context.settings)
    elsewhere = context.settings.model_copy(update={"ledger": f"sqlite:///{tmp_path / 'none.db'}"})
    refuse_second_installation(elsewhere)  # a machine without the ledger may deploy
    environment = {
        "LABELYARD_LEDGER": create_ledger(tmp_path / "second.db"),
        "PREFECT_API_URL": prefect_server.api_url,
        "LABELYARD_TIMEZONE": "Asia/Kolkata",
    }
    before = prefect_server.call("POST", "/deployments/filter", {})
    error = CliRunner().invoke(labelyard, ["deploy"], env=environment).exception
    assert isinstance(error, SettingsError)
    assert "its pages are of another ledger, last drawn" in error.what
    assert error.what.endswith(" IST")
    assert error.where == prefect_server.api_url
    assert error.next_step.endswith("labelyard deploy --replace")
    assert prefect_server.call("POST", "/deployments/filter", {}) == before
    assert latest(prefect_server, "operations")["metadata_"]["ledger"] == ledger_id(busy)


@pytest.mark.slow
def test_a_server_is_taken_from_a_ledger_that_is_gone_if_a_person_says_so(
    context: Context, tmp_path: Path, prefect_server: PrefectServer
) -> None:
    update_pages(context)
    second = BusyLedger(create_ledger(tmp_path / "second.db"))
    prefect_server.command("labelyard", "deploy", "--replace", LABELYARD_LEDGER=second.url, **RARELY)
    # Drawing the page again is best effort: a server under load may be too slow for it.
    found = prefect_server.call("POST", "/artifacts/filter", {"artifacts": {"key": {"any_": ["operations"]}}})
    assert {page["metadata_"]["ledger"] for page in found} <= {ledger_id(second)}
    refuse_second_installation(context.settings.model_copy(update={"ledger": second.url}))
    second.ledger.close()


def ledger_id(busy: BusyLedger) -> str:
    with busy.ledger.read_only() as tx:
        return marker(tx).ledger


def test_a_page_is_updated_in_place_and_only_when_something_changed_or_it_is_old(
    busy: BusyLedger, context: Context, prefect_server: PrefectServer
) -> None:
    batch = busy.batch(10, 1)
    update_pages(context)
    first = latest(prefect_server, "operations")
    assert first["data"].startswith("## All running")
    assert re.search(r"If it is past \w{3} \d+ \w{3} \d\d:\d\d UTC, it is not .*: `labelyard doctor`", first["data"])
    assert first["flow_run_id"] is None
    assert "street-00001: assigned" in latest(prefect_server, "batch-street-00001")["data"]
    update_pages(context)
    assert latest(prefect_server, "operations")["updated"] == first["updated"], "nothing changed"
    busy.fail(batch, "label car is unknown")
    update_pages(context)
    failed = latest(prefect_server, "operations")
    assert (failed["id"], failed["data"].splitlines()[0]) == (first["id"], "## 1 batch needs you")
    assert f"/artifacts/artifact/{latest(prefect_server, 'batch-street-00001')['id']}>" in failed["data"]
    assert latest(prefect_server, "dataset-street")["data"].startswith("## 1 batch needs you")
    busy.now += REFRESH_AFTER + timedelta(minutes=1)
    update_pages(context)
    old = latest(prefect_server, "operations")
    assert old["updated"] != failed["updated"]


def test_after_a_burst_of_changes_each_batch_gets_its_page_in_one_of_the_next_looks(
    busy: BusyLedger, context: Context, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_updates, "_BATCHES_AT_ONCE", 2)
    update_pages(context)
    names = [busy.batch(1, 1) for _ in range(5)]
    shown = []
    for _ in range(4):
        update_pages(context)
        with PageStore(context.settings) as store:
            found = store.find(map(batch_key, names)).values()
        shown.append(sum(page.updated >= busy.now for page in found))
    assert shown == [2, 4, 5, 5]


def test_old_pages_of_batches_are_found_by_the_beginning_of_their_key(
    context: Context, prefect_server: PrefectServer
) -> None:
    for key in ("batch-minibatch-x-00001", "dataset-minibatch-x"):
        prefect_server.call("POST", "/artifacts/", {"key": key, "type": "markdown", "data": "a page"})
    with PageStore(context.settings) as store:
        keys = {page.key for page in store.versions("batch-")}
    assert "batch-minibatch-x-00001" in keys
    assert all(key.startswith("batch-") for key in keys)


def test_a_batch_that_will_be_late_makes_the_page_change_by_itself(
    busy: BusyLedger, context: Context, prefect_server: PrefectServer
) -> None:
    busy.batch(10, 1)
    update_pages(context)
    busy.now += timedelta(days=7, minutes=1)
    update_pages(context)
    assert latest(prefect_server, "operations")["data"].startswith("## 1 batch late")
    assert "### Late" in latest(prefect_server, "batch-street-00001")["data"]
    busy.now += timedelta(minutes=1)
    busy.read_jobs("street-00001", 10, (1,), JobStatus.COMPLETED)
    busy.export("street-00001", 10, {"car": 1})
    update_pages(context)
    assert "### Late" not in latest(prefect_server, "batch-street-00001")["data"]


def test_the_page_of_a_failure_is_deleted_once_its_batch_has_recovered(
    busy: BusyLedger, context: Context, prefect_server: PrefectServer
) -> None:
    busy.fail(busy.batch(10, 1), "label car is unknown")
    for _ in range(2):  # one for each failed run
        page = {"key": "failure-street-00001", "type": "markdown", "data": "what to do"}
        prefect_server.call("POST", "/artifacts/", page)
    wanted = {"artifacts": {"key": {"any_": ["failure-street-00001"]}}}
    update_pages(context)
    assert len(prefect_server.call("POST", "/artifacts/filter", wanted)) == 2
    with busy.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00001", lock=True))
    update_pages(context)
    assert prefect_server.call("POST", "/artifacts/filter", wanted) == []


def test_open_prints_the_address_of_a_page_and_names_what_there_is(
    busy: BusyLedger, context: Context, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy.batch(10, 1)
    update_pages(context)
    monkeypatch.setenv("LABELYARD_LEDGER", busy.url)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.api_url)
    monkeypatch.setenv("PREFECT_UI_URL", "https://prefect.example.com/")
    for subject, key in (("", "operations"), ("street", "dataset-street"), ("street-00001", "batch-street-00001")):
        printed = CliRunner().invoke(labelyard, ["open", "--print", *([subject] if subject else [])])
        page = latest(prefect_server, key)["id"]
        assert printed.output == f"https://prefect.example.com/artifacts/artifact/{page}\n", printed.output
    unknown = CliRunner().invoke(labelyard, ["open", "--print", "alley"])
    assert unknown.exit_code != 0
    assert "known: street" in str(unknown.exception)
