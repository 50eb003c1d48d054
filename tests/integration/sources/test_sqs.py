"""What is particular to SQS: its URLs, errors and regions."""

from __future__ import annotations

import pytest

from labelyard.errors import SettingsError, StoreError
from labelyard.server_settings import StoreSettings
from labelyard.sources.queues.sqs import SqsQueue
from tests.support.emulator import StoreServer


def test_a_fifo_queue_is_a_settings_error(store_server: StoreServer) -> None:
    with pytest.raises(SettingsError, match="FIFO") as caught:
        SqsQueue("https://sqs.eu-central-1.amazonaws.com/1/pictures.fifo", store_server.settings)
    assert "LABELYARD_WATCH__QUEUE_URL" in caught.value.next_step


def test_a_queue_of_aws_needs_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StoreError, match="no region") as caught:
        SqsQueue("https://sqs.eu-central-1.amazonaws.com/1/pictures", StoreSettings())
    assert "LABELYARD_STORE__REGION" in caught.value.next_step
