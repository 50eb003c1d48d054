"""What is particular to SQS: its URLs, errors and regions."""

from __future__ import annotations

import pytest

from labelyard.errors import SettingsError, StoreError, StoreUnreachable
from labelyard.server_settings import StoreSettings
from labelyard.sources.queues.sqs import SqsQueue
from labelyard.supervisor.stack import free_ports
from tests.support.emulator import StoreServer


def test_a_fifo_queue_is_a_settings_error(store_server: StoreServer) -> None:
    with pytest.raises(SettingsError, match="FIFO") as caught:
        SqsQueue("https://sqs.eu-central-1.amazonaws.com/1/pictures.fifo", store_server.settings)
    assert "LABELYARD_WATCH__QUEUE_URL" in caught.value.next_step


def test_the_error_for_a_missing_queue_names_the_command_that_creates_it(store_server: StoreServer) -> None:
    url = f"{store_server.url}/000000000000/no-such-queue"
    with pytest.raises(StoreError) as caught:
        SqsQueue(url, store_server.settings, store_server.url).receive(0)
    assert not caught.value.retry
    assert "labelyard notifications" in caught.value.next_step
    assert caught.value.where == url


def test_an_unreachable_queue_is_a_temporary_error(store_server: StoreServer) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(StoreUnreachable):
        SqsQueue(f"{url}/1/q", store_server.settings, url).receive(0)


def test_a_queue_of_aws_needs_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StoreError, match="no region") as caught:
        SqsQueue("https://sqs.eu-central-1.amazonaws.com/1/pictures", StoreSettings())
    assert "LABELYARD_STORE__REGION" in caught.value.next_step
