"""The webhook over real HTTP."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from labelyard.errors import LedgerUnreachable, SettingsError
from labelyard.sources import http_deadline
from labelyard.sources.parsers import MAX_BODY_BYTES
from labelyard.sources.watcher import Watcher
from labelyard.sources.webhook import Webhook, serve
from tests.support.notification_recorder import NotificationRecorder
from tests.support.paths import RECORDINGS
from tests.support.waiting import eventually

MESSAGES = RECORDINGS / "s3-events"
PUT = json.dumps(json.loads((MESSAGES / "ceph-rgw-16.2.15__http_Put.json").read_text())["payload"]).encode()


@contextmanager
def serving(handler: NotificationRecorder, token: str | None = None, *, off: bool = False) -> Iterator[str]:
    watcher, secret = Watcher(handler), SecretStr(token) if token is not None else None
    with serve(Webhook(None if off else watcher.handle, watcher.health, secret), "127.0.0.1", 0) as address:
        yield address


def test_a_notification_is_committed_before_it_is_answered() -> None:
    handler = NotificationRecorder()
    with serving(handler) as url:
        answer = httpx.post(f"{url}/notify", content=PUT)
        assert (answer.status_code, answer.text) == (200, "committed\n")
        assert handler.registered == ["dir/sub dir/a b+c.txt"]
        assert handler.via == {"webhook"}


def test_a_body_of_unknown_length_is_accepted() -> None:
    handler = NotificationRecorder()
    with serving(handler) as url:
        assert httpx.post(f"{url}/notify", content=iter([PUT[:100], PUT[100:]])).status_code == 200
    assert handler.registered == ["dir/sub dir/a b+c.txt"]


def test_a_body_that_cannot_be_parsed_becomes_a_dead_letter_and_is_accepted() -> None:
    handler = NotificationRecorder()
    with serving(handler) as url:
        assert httpx.post(f"{url}/notify", content=b"hello").status_code == 200
    ((body, source, reason),) = handler.dead_letters
    assert (body, source) == (b"hello", "webhook")
    assert "not JSON" in reason


def test_while_the_ledger_is_unreachable_the_store_is_asked_to_retry(caplog: pytest.LogCaptureFixture) -> None:
    handler = NotificationRecorder()
    handler.fail("register", LedgerUnreachable("the ledger does not answer"), times=3)
    with serving(handler) as url, caplog.at_level(logging.INFO, "labelyard.sources"):
        assert [httpx.post(f"{url}/notify", content=PUT).status_code for _ in range(4)] == [503, 503, 503, 200]
    assert handler.registered == ["dir/sub dir/a b+c.txt"]
    assert len([r for r in caplog.records if "does not answer" in r.message]) == 1
    assert len([r for r in caplog.records if "works again" in r.message]) == 1


def test_an_unexpected_exception_is_a_500_and_a_retry_succeeds() -> None:
    handler = NotificationRecorder()
    handler.fail("register", ZeroDivisionError("oh"))
    with serving(handler) as url:
        assert httpx.post(f"{url}/notify", content=PUT).status_code == 500
        assert httpx.post(f"{url}/notify", content=PUT).status_code == 200


@pytest.mark.parametrize(
    ("token", "path", "headers"),
    [
        ("s3cr3t-Ünïcode+=?", "/notify/s3cr3t-%C3%9Cn%C3%AFcode+=%3F", {}),
        ("s3cr3t", "/notify/s3cr3t", {"Authorization": "Basic x"}),
        ("s3cr3t", "/notify", {"Authorization": "Bearer s3cr3t"}),
        ("s3cr3t", "/notify", {"Authorization": "bearer  s3cr3t"}),
        ("s3cr3t", "/notify/s3cr3t", {}),
        ("s3cr3t", "/notify/s3cr3t?x=1", {}),
    ],
)
def test_the_token_may_be_in_the_path_or_in_a_header(token: str, path: str, headers: dict[str, str]) -> None:
    handler = NotificationRecorder()
    with serving(handler, token) as url:
        assert httpx.post(url + path, content=PUT, headers=headers).status_code == 200
    assert handler.registered


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/notify", {}),
        ("/notify/", {}),
        ("/notify/wrong", {}),
        ("/notify/s3cr3", {}),
        ("/notify/s3cr3t/more", {}),
        ("/notify", {"Authorization": "Bearer wrong"}),
        ("/notify", {"Authorization": "Bearer"}),
        ("/notify", {"Authorization": "Basic s3cr3t"}),
        ("/notify", {"Authorization": "s3cr3t"}),
        ("/notify?token=s3cr3t", {}),
    ],
)
def test_without_the_token_nothing_is_accepted(path: str, headers: dict[str, str]) -> None:
    handler = NotificationRecorder()
    with serving(handler, "s3cr3t") as url:
        assert httpx.post(url + path, content=PUT, headers=headers).status_code in (401, 404)
    assert handler.registered == handler.dead_letters == []


def test_the_token_is_never_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    handler = NotificationRecorder()
    handler.fail("register", ZeroDivisionError("oh"))
    with serving(handler, "s3cr3t") as url, caplog.at_level(logging.DEBUG):
        logging.getLogger("httpx").setLevel(logging.WARNING)
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        for path, content in (("/notify/s3cr3t", PUT), ("/notify/s3cr3t/x", PUT), ("/notify/s3cr3t", b"hello")):
            httpx.post(url + path, content=content)
        httpx.get(f"{url}/notify/s3cr3t")
    assert "oh" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert "s3cr3t" not in "".join(capfd.readouterr())
    assert "s3cr3t" not in str(handler.dead_letters)


def test_a_body_that_is_too_large_is_rejected() -> None:
    handler = NotificationRecorder()
    with serving(handler) as url:
        assert httpx.post(f"{url}/notify", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
        assert httpx.post(f"{url}/notify", content=(b"x" * 65536 for _ in range(17))).status_code in (400, 413)
        assert httpx.post(f"{url}/notify", content=PUT).status_code == 200
    assert handler.dead_letters == []


@pytest.mark.parametrize(
    "sent", [b"POST /notify HT", b"POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf"]
)
def test_a_connection_is_closed_when_its_client_takes_too_long_to_send_a_request(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_deadline, "REQUEST_SECONDS", 0.3)
    handler = NotificationRecorder()
    with serving(handler) as url, socket.create_connection(("127.0.0.1", httpx.URL(url).port), timeout=20) as client:
        client.sendall(sent)
        while client.recv(4096):
            pass
        assert httpx.post(f"{url}/notify", content=PUT).status_code == 200
    assert len(handler.registered) == 1


def test_handling_a_request_may_take_longer_than_sending_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_deadline, "REQUEST_SECONDS", 0.2)
    handler = NotificationRecorder()
    handler.may_register.clear()
    threading.Timer(0.6, handler.may_register.set).start()
    with serving(handler) as url:
        assert httpx.post(f"{url}/notify", content=PUT, timeout=20).status_code == 200


def test_many_clients_are_served_concurrently() -> None:
    handler = NotificationRecorder()
    with serving(handler) as url:
        codes: list[int] = []

        def post() -> None:
            with httpx.Client() as client:
                codes.extend(client.post(f"{url}/notify", content=PUT).status_code for _ in range(5))

        threads = [threading.Thread(target=post) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes == [200] * 60
    assert len(handler.registered) == 60


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.invalid"])
@pytest.mark.parametrize("token", [None, SecretStr("")])
def test_a_host_that_other_machines_can_reach_requires_a_token(host: str, token: SecretStr | None) -> None:
    webhook = Webhook(None, dict, token)
    with pytest.raises(SettingsError, match="no token") as caught, serve(webhook, host, 0):
        pass
    assert "LABELYARD_WATCH__WEBHOOK_TOKEN" in caught.value.next_step


def test_with_a_token_it_may_listen_on_every_address() -> None:
    token = SecretStr("s3cr3t")
    with serve(Webhook(None, lambda: {"alive": True}, token), "0.0.0.0", 0) as address:
        assert httpx.get(address.replace("0.0.0.0", "127.0.0.1") + "/healthz").status_code == 200


def test_a_port_in_use_is_a_settings_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        webhook = Webhook(None, dict, None)
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            serve(webhook, "127.0.0.1", port).__enter__()
    assert "LABELYARD_WATCH__PORT" in caught.value.next_step


def test_a_webhook_that_is_off_names_the_setting() -> None:
    handler = NotificationRecorder()
    with serving(handler, off=True) as url:
        answer = httpx.post(f"{url}/notify", content=PUT)
        assert answer.status_code == 404
        assert "LABELYARD_WATCH__WEBHOOK" in answer.text
    assert handler.registered == []


def test_healthz_is_503_until_the_watcher_runs() -> None:
    handler = NotificationRecorder()
    watcher = Watcher(handler)
    with serve(Webhook(watcher.handle, watcher.health, None), "127.0.0.1", 0) as url:
        assert httpx.get(f"{url}/healthz").status_code == 503
        running = threading.Thread(target=watcher.run)
        running.start()
        try:
            eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200)
            httpx.post(f"{url}/notify", content=PUT)
            health: dict[str, Any] = httpx.get(f"{url}/healthz").json()
        finally:
            watcher.stop()
            running.join()
    assert health["alive"] is True
    assert health["last_commit"]
    assert health["queue"] is None
    assert health["problems"] == {}
