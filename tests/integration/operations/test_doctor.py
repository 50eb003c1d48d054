"""The doctor with real parts: an emulator, a sandbox, a ledger, and ports without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from click.testing import CliRunner
from pydantic import ByteSize, SecretStr

from cvat_sandbox.server import Serving, serve
from labelyard.cli import labelyard
from labelyard.config import DatasetSpec
from labelyard.ledger import Ledger, datasets
from labelyard.operations.doctor.check import CheckResult, Status
from labelyard.operations.doctor.checks import CHECKS
from labelyard.operations.doctor.runner import run_checks
from labelyard.orchestration.doctor_checks import PREFECT_CHECKS
from labelyard.server_settings import CvatSettings
from labelyard.settings import Settings, UpSettings
from labelyard.sources.queues import notification_setup
from labelyard.supervisor.stack import free_ports, lock_folder
from labelyard.watch_settings import WatchSettings
from tests.support.emulator import StoreServer
from tests.support.fresh_ledger import create_ledger
from tests.support.paths import recording
from tests.support.scripted_server import serve_script

ACCOUNT = {"username": "boss", "password": SecretStr("bosspass")}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(["boss:bosspass:user", "ann:annpass:annotator", "bob:bobpass:annotator"]) as serving:
        yield serving


@pytest.fixture(autouse=True)
def _no_retries() -> Iterator[None]:
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
    """A correct installation without a running Prefect and watcher."""
    queue = store_server.new_queue()
    made = Settings(
        _env_file=None,
        ledger=create_ledger(tmp_path / "ledger.db"),
        spool=tmp_path / "spool",
        spool_bytes=1,
        store=store_server.settings,
        watch=WatchSettings(queue_url=queue, sqs_endpoint_url=store_server.url, port=free_ports(1)[0]),
        cvat={"default": CvatSettings(url=sandbox.url, **ACCOUNT)},
        up=UpSettings(prefect_port=free_ports(1)[0]),
        PREFECT_API_URL=None,
    )  # type: ignore[call-arg]
    apply(made, spec)
    notification_setup(made).apply(spec)
    return made


@pytest.fixture
def in_its_folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run commands in the installation's folder, with its settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELYARD_LEDGER", settings.ledger)
    monkeypatch.setenv("LABELYARD_UP__PREFECT_PORT", str(settings.up.prefect_port))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def apply(settings: Settings, spec: DatasetSpec) -> None:
    ledger = Ledger(settings.ledger)
    with ledger.transaction() as tx:
        datasets.apply(tx, spec)
    ledger.close()


def results(settings: Settings) -> dict[str, CheckResult]:
    return {result.name: result for result in run_checks(settings, {**CHECKS, **PREFECT_CHECKS})}


def test_a_correct_installation_is_ok(settings: Settings, spec: DatasetSpec) -> None:
    found = results(settings)
    expected = {
        "ledger", "datasets", "queue", "notification of street", "fast worker", "alerts",
        "CVAT default", "annotators of street", "spool", "messages",
        f"s3://{spec.export_bucket}/in/", f"s3://{spec.export_bucket}/out/",
    }  # fmt: skip
    assert {name for name, result in found.items() if result.status is Status.OK} == expected


def test_an_unreachable_prefect_fails_and_a_watcher_elsewhere_is_unknown(settings: Settings) -> None:
    found = results(settings)
    assert found["Prefect"].status is Status.FAIL
    assert "labelyard up" in found["Prefect"].next_step
    assert found["watcher"].status is Status.UNKNOWN


def test_a_missing_ledger_names_the_command_that_creates_it_and_hides_nothing_else(
    settings: Settings, tmp_path: Path
) -> None:
    found = results(settings.model_copy(update={"ledger": f"sqlite:///{tmp_path / 'other.db'}"}))
    assert found["ledger"].next_step.endswith("labelyard db upgrade --create")  # there is no .env here
    assert found["CVAT default"].status is Status.OK


def test_a_ledger_without_datasets_names_the_command_that_applies_one(settings: Settings, tmp_path: Path) -> None:
    fresh = settings.model_copy(update={"ledger": create_ledger(tmp_path / "fresh.db")})
    assert results(fresh)["datasets"].next_step == "labelyard apply FILE"


def test_an_unreachable_store_fails_only_its_own_checks(settings: Settings, spec: DatasetSpec) -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    unreachable = settings.store.model_copy(update={"endpoint_url": address})
    found = results(settings.model_copy(update={"store": unreachable}))
    for about in (f"s3://{spec.export_bucket}/in/", f"s3://{spec.export_bucket}/out/"):
        assert found[about].status is Status.FAIL
        assert "LABELYARD_STORE__ENDPOINT_URL" in found[about].next_step
    assert found["ledger"].status is found["CVAT default"].status is Status.OK


def test_an_unreachable_queue_names_its_own_setting_for_the_notification_too(settings: Settings) -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    watch = settings.watch.model_copy(update={"sqs_endpoint_url": address, "queue_url": f"{address}/1/labelyard"})
    found = results(settings.model_copy(update={"watch": watch}))
    for about in ("queue", "notification of street"):
        assert found[about].status is Status.FAIL
        assert "LABELYARD_WATCH__SQS_ENDPOINT_URL" in found[about].next_step
    unreachable = settings.store.model_copy(update={"endpoint_url": address})
    result = results(settings.model_copy(update={"store": unreachable}))["notification of street"]
    assert "LABELYARD_STORE__ENDPOINT_URL" in result.next_step


def test_a_missing_bucket_fails_beside_one_that_exists(settings: Settings, spec: DatasetSpec) -> None:
    export = spec.export.model_copy(update={"bucket": "no-such-bucket"})
    apply(settings, spec.model_copy(update={"export": export}))
    found = results(settings)
    assert found["s3://no-such-bucket/out/"].status is Status.FAIL
    assert "create the bucket" in found["s3://no-such-bucket/out/"].next_step
    assert found[f"s3://{spec.sources[0].bucket}/in/"].status is Status.OK


def test_a_bucket_without_notifications_names_the_command_that_sets_them_up(
    settings: Settings, store_server: StoreServer, spec: DatasetSpec
) -> None:
    store_server.boto("s3").put_bucket_notification_configuration(
        Bucket=spec.sources[0].bucket, NotificationConfiguration={}
    )
    result = results(settings)["notification of street"]
    assert result.status is Status.FAIL
    assert result.next_step == "labelyard notifications street --apply"


def test_a_missing_queue_and_no_queue_at_all_fail(settings: Settings) -> None:
    missing = settings.watch.model_copy(update={"queue_url": settings.watch.queue_url + "-missing"})  # type: ignore[operator]
    assert "labelyard notifications" in results(settings.model_copy(update={"watch": missing}))["queue"].next_step
    none = settings.watch.model_copy(update={"queue_url": None})
    assert "labelyard notifications" in results(settings.model_copy(update={"watch": none}))["queue"].next_step


def test_a_missing_annotator_is_named(settings: Settings, spec: DatasetSpec) -> None:
    apply(settings, spec.model_copy(update={"annotators": ("ann", "zoe")}))
    result = results(settings)["annotators of street"]
    assert result.status is Status.FAIL
    assert "no user zoe" in result.message


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"username": "boss", "password": SecretStr("wrong")}, "LABELYARD_CVAT__DEFAULT__"),
        ({"username": "ann", "password": SecretStr("annpass")}, "group user or admin"),
    ],
)
def test_an_account_that_cannot_create_tasks_fails(
    settings: Settings, sandbox: Serving, account: dict[str, object], said: str
) -> None:
    cvat = {"default": CvatSettings(url=sandbox.url, **account)}  # type: ignore[arg-type]
    result = results(settings.model_copy(update={"cvat": cvat}))["CVAT default"]
    assert result.status is Status.FAIL
    assert said in result.next_step
    assert "wrong" not in result.message.split()  # the password


def test_a_cvat_without_settings_names_the_variable(settings: Settings) -> None:
    result = results(settings.model_copy(update={"cvat": {}}))["CVAT default"]
    assert "LABELYARD_CVAT__DEFAULT__URL" in result.next_step


def test_too_little_free_space_is_a_warning(settings: Settings) -> None:
    result = results(settings.model_copy(update={"spool_bytes": 2**60}))["spool"]
    assert result.status is Status.WARNING
    assert "LABELYARD_SPOOL_BYTES" in result.next_step


def test_a_spool_too_small_for_a_batch_fails(settings: Settings, spec: DatasetSpec) -> None:
    apply(settings, spec.model_copy(update={"batch": spec.batch.model_copy(update={"max_bytes": ByteSize(2)})}))
    result = results(settings)["spool"]
    assert result.status is Status.FAIL
    assert "batches of street may have more" in result.message


@pytest.mark.usefixtures("in_its_folder")
def test_the_command_prints_text_or_json_and_exits_with_1_for_a_problem() -> None:
    plain = CliRunner().invoke(labelyard, ["doctor"])
    assert plain.exit_code == 1
    assert "✓ ledger" in plain.output
    assert "✗ Prefect" in plain.output
    assert "next: labelyard up" in plain.output
    said = json.loads(CliRunner().invoke(labelyard, ["doctor", "--json"]).output)
    assert said["ok"] is False
    assert {"name": "datasets", "status": "ok", "message": "street", "next_step": ""} in said["checks"]


def test_on_cvat_2_a_missing_user_is_added_there_because_only_1_x_can_register_one(
    settings: Settings, spec: DatasetSpec
) -> None:
    missing = spec.model_copy(update={"annotators": ("carol", "zoe")})
    apply(settings, missing)
    assert results(settings)["annotators of street"].next_step.startswith("labelyard cvat register, or correct")
    answers = {
        ("GET", "/api/server/about"): 2, ("POST", "/api/auth/login"): 3, ("GET", "/api/users/self"): 10,
        ("GET", "/api/users"): 25,
    }  # fmt: skip
    script = {at: [(200, recording(number, "cvat-2.54")["response_body"])] for at, number in answers.items()}
    with serve_script(script) as server:
        cvat = {"default": CvatSettings(url=server.url, dialect="v2", **ACCOUNT)}  # type: ignore[arg-type]
        found = results(settings.model_copy(update={"cvat": cvat}))
    assert found["CVAT default"].status is Status.OK
    said = found["annotators of street"]
    assert "no user zoe" in said.message
    assert said.next_step.startswith(f"add the user in {server.url}, or correct `annotators`")


@pytest.mark.usefixtures("in_its_folder")
def test_while_up_is_starting_the_command_says_so_and_advises_neither_deploy_nor_up() -> None:
    with lock_folder():
        shown = CliRunner().invoke(labelyard, ["doctor"]).output
        said = json.loads(CliRunner().invoke(labelyard, ["doctor", "--json"]).output)
    starting = {"name": "Prefect", "status": "unknown", "message": "labelyard up is starting it",
                "next_step": "wait, then: labelyard doctor"}  # fmt: skip
    assert starting in said["checks"]
    assert "watcher" not in {check["name"] for check in said["checks"]}
    assert "labelyard deploy" not in shown
    assert "labelyard up," not in shown
    assert "next: wait, then: labelyard doctor" in shown
