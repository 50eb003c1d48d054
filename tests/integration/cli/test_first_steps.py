"""From an empty folder: `labelyard init`, then the commands that it prints, word for word, until `doctor` is green."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvat_sandbox import Serving, serve
from labelyard.cli import labelyard
from labelyard.cli.doctor import CHECKS
from labelyard.operations.doctor.check import CheckResult, Status
from labelyard.operations.doctor.runner import run_checks
from labelyard.settings import load_settings
from tests.support.emulator import StoreServer
from tests.support.nats_server import run_nats

NOT_YET = {"watcher"}
"""What runs only after `labelyard up`."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Serving]:
    with serve(["boss:bosspass:user", "ada:adapass1:annotator"]) as serving:
        yield serving


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("LABELYARD_", "PREFECT_")):
            monkeypatch.delenv(name)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(labelyard, words)


def init(store: StoreServer, sandbox: Serving, *more: str) -> Result:
    """Set up a dataset whose store is not AWS."""
    Path("secrets").write_text("bosspass\ntest\n")
    flags = {
        "name": "street", "bucket": store.new_bucket(), "labels": "car", "annotators": "ada", "cvat-url": sandbox.url,
        "cvat-username": "boss", "store-url": store.url, "access-key-id": "test", "secrets": "secrets",
    }  # fmt: skip
    given = [part for name, value in flags.items() for part in (f"--{name}", value)]
    result = run("init", "--no-questions", *given, *more)
    assert result.exit_code == 0, result.output
    return result


def printed_commands(result: Result) -> list[list[str]]:
    """The commands below `next:`, without their comments."""
    block = result.output.partition("\nnext:\n")[2].partition("\n\n")[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def follow(result: Result) -> dict[str, CheckResult]:
    """Run the printed commands up to `doctor`, and return what its checks but those of Prefect find."""
    commands = printed_commands(result)
    assert [words[0] for words in commands] == ["labelyard"] * len(commands)
    assert [words[1] for words in commands[-2:]] == ["doctor", "up"]
    for _, *words in commands[:-2]:
        done = run(*words)
        assert done.exit_code == 0, (words, done.output, done.exception)
    checks = {name: subject for name, subject in CHECKS.items() if name not in NOT_YET}
    return {found.name: found for found in run_checks(load_settings(), checks)}


def test_the_printed_commands_lead_to_a_green_doctor_with_an_sqs_that_is_not_of_aws(
    store_server: StoreServer, sandbox: Serving
) -> None:
    found = follow(init(store_server, sandbox, "--notifications", "sqs"))
    assert [result for result in found.values() if result.status.is_problem] == []
    assert found["queue"].message.endswith("messages wait")  # the test event of the store, too
    assert "notification of street" in found


def test_the_printed_commands_lead_to_a_green_doctor_with_nats(store_server: StoreServer, sandbox: Serving) -> None:
    with run_nats() as nats:
        found = follow(init(store_server, sandbox, "--notifications", "queue", "--queue-url", nats.url))
    assert [result for result in found.values() if result.status.is_problem] == []
    assert found["queue"].message == f"{nats.url}: 0 messages wait"
    assert found["notification of street"].status is Status.UNKNOWN
    assert "`labelyard notifications street`" in found["notification of street"].message


@pytest.mark.parametrize("more", [["--notifications", "none"], []])
def test_the_printed_commands_lead_to_a_green_doctor_without_notifications(
    store_server: StoreServer, sandbox: Serving, more: list[str]
) -> None:
    """Without an answer, a store that is not AWS is only listed: that works with each of them."""
    result = init(store_server, sandbox, *more)
    assert "notifications" not in {words[1] for words in printed_commands(result)}
    found = follow(result)
    assert [one for one in found.values() if one.status.is_problem] == []
    assert found["queue"].message == "none is wanted: the sweep finds new files, every 300 s"


def test_a_webhook_gets_a_token_of_its_own_and_the_commands_of_the_store_are_shown(
    store_server: StoreServer, sandbox: Serving
) -> None:
    result = init(store_server, sandbox, "--notifications", "webhook", "--webhook-host", "0.0.0.0")
    found = follow(result)
    assert [one for one in found.values() if one.status.is_problem] == []
    watch = load_settings().watch
    assert (watch.webhook, watch.host) == (True, "0.0.0.0")
    assert watch.webhook_token is not None
    assert len(watch.webhook_token.get_secret_value()) >= 32
    assert watch.webhook_token.get_secret_value() not in result.output
    assert "mc event add ALIAS/bucket-" in result.output
    assert "--prefix incoming/" in result.output


def test_a_question_asks_how_the_store_notifies(store_server: StoreServer, sandbox: Serving) -> None:
    words = ["init", "--name", "street", "--bucket", "b-1", "--labels", "car", "--annotators", "ada", "--prefix", "in/",
             "--export-prefix", "out/", "--cvat-url", sandbox.url, "--cvat-username", "boss"]  # fmt: skip
    # password, store, region, access key, kind (the first is impossible), SQS, without an answer that of the store
    answers = f"bosspass\n{store_server.url}\n\n\naws\nsqs\n\n"
    result = CliRunner().invoke(labelyard, words, input=answers)
    assert result.exit_code == 0, result.output
    assert "cannot notify the SQS of AWS: write sqs, queue, webhook or none" in result.output
    assert load_settings().watch.sqs_endpoint_url == store_server.url


def test_with_aws_the_queue_is_that_of_aws(sandbox: Serving) -> None:
    flags = ["--name", "street", "--bucket", "b-1", "--labels", "car", "--annotators", "ada"]
    result = run("init", "--no-questions", *flags)
    assert ["labelyard", "notifications", "street", "--apply"] in printed_commands(result)
    watch = load_settings().watch
    assert (watch.sqs_endpoint_url, watch.webhook, watch.sweep_only) == (None, False, False)
