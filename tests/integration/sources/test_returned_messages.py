"""What a stopped watcher says about the messages that it could not return."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import pytest

from labelyard.errors import StoreError
from labelyard.sources import watcher
from labelyard.sources.queues import QueueMessage
from labelyard.sources.queues.sqs import SqsQueue
from labelyard.sources.watcher import Watcher
from tests.support.emulator import StoreServer
from tests.support.notification_recorder import NotificationRecorder
from tests.support.waiting import eventually

BODY = '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "a"}}}]}'


class ForbiddenQueue(SqsQueue):
    """A queue whose policy lacks sqs:ChangeMessageVisibility; the emulator knows no policies."""

    def extend(self, messages: Sequence[QueueMessage], seconds: int) -> list[str]:  # noqa: ARG002
        raise StoreError("AccessDenied: sqs:ChangeMessageVisibility")


class ForgetfulQueue(SqsQueue):
    """A queue that has redelivered the messages meanwhile."""

    def extend(self, messages: Sequence[QueueMessage], seconds: int) -> list[str]:  # noqa: ARG002
        return ["MessageNotInflight" for _ in messages]


@pytest.mark.parametrize(
    ("queue", "line"),
    [
        (ForbiddenQueue, "not returned to the queue (1), it delivers them later: AccessDenied"),
        (ForgetfulQueue, "not returned to the queue (1): MessageNotInflight"),
    ],
)
def test_messages_that_cannot_be_returned_are_logged(
    queue: type[SqsQueue],
    line: str,
    store_server: StoreServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher, "STOP_SECONDS", 0.1)
    url, handler = store_server.new_queue(), NotificationRecorder()
    store_server.boto("sqs").send_message(QueueUrl=url, MessageBody=BODY)
    handler.may_register.clear()
    used = queue(url, store_server.settings, store_server.url)
    loop = Watcher(handler, used, wait_seconds=1)
    running = threading.Thread(target=loop.run)
    with caplog.at_level(logging.INFO, "labelyard.sources"):
        running.start()
        try:
            eventually(lambda: used.depth().in_flight == 1)
            eventually(lambda: loop.health()["last_receive"])
            loop.stop()
            running.join(10)
        finally:
            handler.may_register.set()
    assert [record for record in caplog.records if line in record.message]
    assert "messages returned to the queue: 1" not in caplog.text
