"""The doctor at real parts: an emulator, a sandbox, a ledger, a Prefect server, and ports where nobody answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import stamina
from click.testing import CliRunner
from pydantic import ByteSize, SecretStr

from labelyard.cli import labelyard
from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger, datasets, upgrade
from labelyard.operations.doctor.results import Finding, Verdict
from labelyard.operations.doctor.run_checks import examine
from labelyard.sandbox.server import Serving, serve
from labelyard.settings import CvatSettings, Settings, UpSettings, WatchSettings
from labelyard.sources.notification_setup import Notifier
from tests.support.emulator import StoreServer, free_port
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.waiting import eventually

BOSS = {"username": "boss", "password": SecretStr("bosspass")}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(["boss:bosspass:user", "ann:annpass:annotator", "bob:bobpass:annotator"]) as serving:
        yield serving


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    stamina.set_active(False)
    yield
    stamina.set_active(True)


@pytest.fixture
def spec(store_server: StoreServer) -> DatasetSpec:
    return DatasetSpec.model_validate(
        {
            "name": "street",
            "sources": [{"bucket": store_server.new_bucket(), "prefix": "in/"}],
            "batch": {"max_bytes": 1},
            "task": {"labels": ["car"]},
            "annotators": ["ann", "bob"],
            "export": {"prefix": "out/"},
        }
    )


@pytest.fixture
def settings(tmp_path: Path, store_server: StoreServer, sandbox: Serving, spec: DatasetSpec) -> Settings:
    """Everything right, but for Prefect and the watcher, which do not run."""
    queue = store_server.new_queue()
    made = Settings(
        _env_file=None,
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
        spool=tmp_path / "spool",
        spool_bytes=1,
        store=store_server.settings,
        watch=WatchSettings(queue_url=queue, sqs_endpoint_url=store_server.url, port=free_port()),
        cvat={"default": CvatSettings(url=sandbox.url, **BOSS)},
        up=UpSettings(prefect_port=free_port()),
        PREFECT_API_URL=None,
    )  # type: ignore[call-arg]
    upgrade(made.ledger)
    apply(made, spec)
    Notifier(made).apply(spec)
    return made


def apply(settings: Settings, spec: DatasetSpec) -> None:
    ledger = Ledger(settings.ledger)
    with ledger.transaction() as tx:
        datasets.apply(tx, spec)
    ledger.close()


def found(settings: Settings) -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(settings)}


def test_what_is_right_is_told_to_be_right(settings: Settings, spec: DatasetSpec) -> None:
    findings = found(settings)
    expected = {
        "ledger", "datasets", "queue", "notification of street", "CVAT default", "annotators of street", "spool",
        f"s3://{spec.export_bucket}/in/", f"s3://{spec.export_bucket}/out/",
    }  # fmt: skip
    assert {about for about, finding in findings.items() if finding.verdict is Verdict.RIGHT} == expected


def test_a_prefect_that_does_not_run_is_wrong_and_a_watcher_may_run_elsewhere(settings: Settings) -> None:
    findings = found(settings)
    assert findings["Prefect"].verdict is Verdict.WRONG
    assert "labelyard up" in findings["Prefect"].next_step
    assert findings["watcher"].verdict is Verdict.UNSEEN


def test_no_ledger_names_the_command_that_makes_one_and_hides_nothing_else(settings: Settings, tmp_path: Path) -> None:
    findings = found(settings.model_copy(update={"ledger": f"sqlite:///{tmp_path / 'other.db'}"}))
    assert findings["ledger"].next_step == "labelyard db upgrade"
    assert findings["CVAT default"].verdict is Verdict.RIGHT


def test_a_ledger_without_datasets_asks_for_one(settings: Settings, tmp_path: Path) -> None:
    fresh = settings.model_copy(update={"ledger": f"sqlite:///{tmp_path / 'fresh.db'}"})
    upgrade(fresh.ledger)
    assert found(fresh)["datasets"].next_step == "labelyard apply FILE"


def test_a_store_that_does_not_answer_stops_only_its_own_lines(settings: Settings, spec: DatasetSpec) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    away = settings.store.model_copy(update={"endpoint_url": nobody})
    findings = found(settings.model_copy(update={"store": away}))
    for about in (f"s3://{spec.export_bucket}/in/", f"s3://{spec.export_bucket}/out/"):
        assert findings[about].verdict is Verdict.WRONG
        assert "LABELYARD_STORE__ENDPOINT_URL" in findings[about].next_step
    assert findings["ledger"].verdict is findings["CVAT default"].verdict is Verdict.RIGHT


def test_a_queue_that_does_not_answer_names_its_own_address_for_the_notification_too(settings: Settings) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    watch = settings.watch.model_copy(update={"sqs_endpoint_url": nobody, "queue_url": f"{nobody}/1/labelyard"})
    findings = found(settings.model_copy(update={"watch": watch}))
    for about in ("queue", "notification of street"):
        assert findings[about].verdict is Verdict.WRONG
        assert "LABELYARD_WATCH__SQS_ENDPOINT_URL" in findings[about].next_step
    away = settings.store.model_copy(update={"endpoint_url": nobody})
    finding = found(settings.model_copy(update={"store": away}))["notification of street"]
    assert "LABELYARD_STORE__ENDPOINT_URL" in finding.next_step


def test_a_bucket_that_is_missing_is_told_beside_one_that_is_there(settings: Settings, spec: DatasetSpec) -> None:
    export = spec.export.model_copy(update={"bucket": "no-such-bucket"})
    apply(settings, spec.model_copy(update={"export": export}))
    findings = found(settings)
    assert findings["s3://no-such-bucket/out/"].verdict is Verdict.WRONG
    assert "create the bucket" in findings["s3://no-such-bucket/out/"].next_step
    assert findings[f"s3://{spec.sources[0].bucket}/in/"].verdict is Verdict.RIGHT


def test_a_bucket_that_tells_nobody_names_notify(
    settings: Settings, store_server: StoreServer, spec: DatasetSpec
) -> None:
    store_server.boto("s3").put_bucket_notification_configuration(
        Bucket=spec.sources[0].bucket, NotificationConfiguration={}
    )
    finding = found(settings)["notification of street"]
    assert finding.verdict is Verdict.WRONG
    assert finding.next_step == "labelyard notifications street --apply"


def test_a_missing_queue_and_no_queue_at_all_are_wrong(settings: Settings) -> None:
    gone = settings.watch.model_copy(update={"queue_url": settings.watch.queue_url + "-gone"})  # type: ignore[operator]
    assert "notify" in found(settings.model_copy(update={"watch": gone}))["queue"].next_step
    none = settings.watch.model_copy(update={"queue_url": None})
    assert "notify" in found(settings.model_copy(update={"watch": none}))["queue"].next_step


def test_an_annotator_who_does_not_exist_is_named(settings: Settings, spec: DatasetSpec) -> None:
    apply(settings, spec.model_copy(update={"annotators": ("ann", "zoe")}))
    finding = found(settings)["annotators of street"]
    assert finding.verdict is Verdict.WRONG
    assert "no user zoe" in finding.what


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"username": "boss", "password": SecretStr("wrong")}, "LABELYARD_CVAT__DEFAULT__"),
        ({"username": "ann", "password": SecretStr("annpass")}, "group user or admin"),
    ],
)
def test_an_account_that_cannot_create_tasks_is_wrong(
    settings: Settings, sandbox: Serving, account: dict[str, object], said: str
) -> None:
    cvat = {"default": CvatSettings(url=sandbox.url, **account)}  # type: ignore[arg-type]
    finding = found(settings.model_copy(update={"cvat": cvat}))["CVAT default"]
    assert finding.verdict is Verdict.WRONG
    assert said in finding.next_step
    assert "wrong" not in finding.what.split()  # the password


def test_a_cvat_that_no_setting_names_is_wrong(settings: Settings) -> None:
    finding = found(settings.model_copy(update={"cvat": {}}))["CVAT default"]
    assert "LABELYARD_CVAT__DEFAULT__URL" in finding.next_step


def test_a_full_disk_is_told(settings: Settings) -> None:
    finding = found(settings.model_copy(update={"spool_bytes": 2**60}))["spool"]
    assert finding.verdict is Verdict.WRONG
    assert "LABELYARD_SPOOL_BYTES" in finding.next_step


def test_a_spool_that_holds_no_whole_batch_is_told(settings: Settings, spec: DatasetSpec) -> None:
    apply(settings, spec.model_copy(update={"batch": spec.batch.model_copy(update={"max_bytes": ByteSize(2)})}))
    finding = found(settings)["spool"]
    assert finding.verdict is Verdict.WRONG
    assert "batches of street may have more" in finding.what


def test_the_command_says_all_of_it_and_ends_with_status_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELYARD_LEDGER", settings.ledger)
    monkeypatch.setenv("LABELYARD_UP__PREFECT_PORT", str(settings.up.prefect_port))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    plain = CliRunner().invoke(labelyard, ["doctor"])
    assert plain.exit_code == 1
    assert "✓ ledger" in plain.output
    assert "✗ Prefect" in plain.output
    assert "next: labelyard up" in plain.output
    said = json.loads(CliRunner().invoke(labelyard, ["doctor", "--json"]).output)
    assert said["right"] is False
    assert {"about": "datasets", "verdict": "right", "what": "street", "next_step": ""} in said["findings"]


@pytest.mark.slow
@pytest.mark.prefect
def test_a_prefect_server_is_right_once_it_is_deployed_to(settings: Settings, prefect_server: PrefectServer) -> None:
    at = settings.model_copy(update={"prefect_api_url": prefect_server.api_url})
    before = found(at)
    assert before["Prefect"].verdict is Verdict.RIGHT
    if before["deployments"].verdict is Verdict.WRONG:  # else another test of this process has deployed
        assert before["deployments"].next_step == "labelyard deploy"
        prefect_server.command("labelyard", "deploy", LABELYARD_DEPLOY__COLLECT_SECONDS="86400")
    after = found(at)
    assert after["deployments"].verdict is after["automations"].verdict is Verdict.RIGHT


@pytest.mark.prefect
def test_a_prefect_whose_database_was_too_busy_for_an_action_is_told_to_move_to_postgresql(
    settings: Settings, prefect_server: PrefectServer
) -> None:
    at = settings.model_copy(update={"prefect_api_url": prefect_server.api_url})
    assert found(at)["Prefect's load"].verdict is Verdict.RIGHT
    event = {
        "id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": "prefect.automation.action.failed",
        "resource": {"prefect.resource.id": "prefect.automation.of-somebody"}, "related": [],
        "payload": {"reason": "Unexpected status from 'run-deployment' action: 503", "status_code": 503},
    }  # fmt: skip
    prefect_server.call("POST", "/events", [event])

    def look() -> Finding | None:
        finding = found(at)["Prefect's load"]
        return finding if finding.verdict is Verdict.WRONG else None

    finding = eventually(look, "the doctor to see the event", RUN_SECONDS)
    assert "1 actions found the database busy" in finding.what
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" in finding.next_step
