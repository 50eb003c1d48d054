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
from labelyard.sources import webhook
from labelyard.sources.parsers import MAX_BODY_BYTES
from labelyard.sources.watcher import Watch
from labelyard.sources.webhook import application, listening
from tests.support.notification_recorder import Recorder
from tests.support.paths import RECORDINGS
from tests.support.waiting import eventually

MESSAGES = RECORDINGS / "s3-events"
PUT = json.dumps(json.loads((MESSAGES / "ceph-rgw-16.2.15__http_Put.json").read_text())["payload"]).encode()


@contextmanager
def serving(work: Recorder, token: str | None = None, *, off: bool = False) -> Iterator[str]:
    loop, secret = Watch(work), SecretStr(token) if token is not None else None
    with listening(application(None if off else loop.take, loop.health, secret), "127.0.0.1", 0, secret) as address:
        yield address


def test_a_notification_is_committed_before_it_is_answered() -> None:
    work = Recorder()
    with serving(work) as url:
        answer = httpx.post(f"{url}/notify", content=PUT)
        assert (answer.status_code, answer.text) == (200, "committed\n")
        assert work.landed == ["dir/sub dir/a b+c.txt"]
        assert work.via == {"webhook"}


def test_a_body_of_unknown_length_is_taken() -> None:
    work = Recorder()
    with serving(work) as url:
        assert httpx.post(f"{url}/notify", content=iter([PUT[:100], PUT[100:]])).status_code == 200
    assert work.landed == ["dir/sub dir/a b+c.txt"]


def test_what_cannot_be_read_is_kept_and_not_sent_again() -> None:
    work = Recorder()
    with serving(work) as url:
        assert httpx.post(f"{url}/notify", content=b"hello").status_code == 200
    ((body, source, reason),) = work.letters
    assert (body, source) == (b"hello", "webhook")
    assert "not JSON" in reason


def test_while_the_ledger_is_away_the_store_shall_send_it_again(caplog: pytest.LogCaptureFixture) -> None:
    work = Recorder()
    work.fail("land", LedgerUnreachable("the ledger does not answer"), times=3)
    with serving(work) as url, caplog.at_level(logging.INFO, "labelyard.sources"):
        assert [httpx.post(f"{url}/notify", content=PUT).status_code for _ in range(4)] == [503, 503, 503, 200]
    assert work.landed == ["dir/sub dir/a b+c.txt"]
    assert len([r for r in caplog.records if "does not answer" in r.message]) == 1
    assert len([r for r in caplog.records if "works again" in r.message]) == 1


def test_a_failure_that_nobody_foresaw_is_an_error_and_no_loss() -> None:
    work = Recorder()
    work.fail("land", ZeroDivisionError("oh"))
    with serving(work) as url:
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
    work = Recorder()
    with serving(work, token) as url:
        assert httpx.post(url + path, content=PUT, headers=headers).status_code == 200
    assert work.landed


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
def test_without_the_token_nothing_is_taken(path: str, headers: dict[str, str]) -> None:
    work = Recorder()
    with serving(work, "s3cr3t") as url:
        assert httpx.post(url + path, content=PUT, headers=headers).status_code in (401, 404)
    assert work.landed == work.letters == []


def test_the_token_is_never_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    work = Recorder()
    work.fail("land", ZeroDivisionError("oh"))
    with serving(work, "s3cr3t") as url, caplog.at_level(logging.DEBUG):
        logging.getLogger("httpx").setLevel(logging.WARNING)
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        for path, content in (("/notify/s3cr3t", PUT), ("/notify/s3cr3t/x", PUT), ("/notify/s3cr3t", b"hello")):
            httpx.post(url + path, content=content)
        httpx.get(f"{url}/notify/s3cr3t")
    assert "oh" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert "s3cr3t" not in "".join(capfd.readouterr())
    assert "s3cr3t" not in str(work.letters)


def test_a_body_that_is_too_large_is_refused() -> None:
    work = Recorder()
    with serving(work) as url:
        assert httpx.post(f"{url}/notify", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
        assert httpx.post(f"{url}/notify", content=(b"x" * 65536 for _ in range(17))).status_code in (400, 413)
        assert httpx.post(f"{url}/notify", content=PUT).status_code == 200
    assert work.letters == []


@pytest.mark.parametrize(
    "sent", [b"POST /notify HT", b"POST /notify HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf"]
)
def test_a_client_who_never_ends_is_hung_up_on(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_REQUEST_SECONDS", 0.3)
    work = Recorder()
    with serving(work) as url, socket.create_connection(("127.0.0.1", httpx.URL(url).port), timeout=20) as client:
        client.sendall(sent)
        while client.recv(4096):
            pass
        assert httpx.post(f"{url}/notify", content=PUT).status_code == 200
    assert len(work.landed) == 1


def test_a_landing_may_take_longer_than_a_client_may_take_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_REQUEST_SECONDS", 0.2)
    work = Recorder()
    work.slow.clear()
    threading.Timer(0.6, work.slow.set).start()
    with serving(work) as url:
        assert httpx.post(f"{url}/notify", content=PUT, timeout=20).status_code == 200


def test_many_stores_may_speak_at_once() -> None:
    work = Recorder()
    with serving(work) as url:
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
    assert len(work.landed) == 60


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.invalid"])
@pytest.mark.parametrize("token", [None, SecretStr("")])
def test_a_host_that_others_can_reach_wants_a_token(host: str, token: SecretStr | None) -> None:
    app = application(None, dict, token)
    with pytest.raises(SettingsError, match="no token") as caught, listening(app, host, 0, token):
        pass
    assert "LABELYARD_WATCH__WEBHOOK_TOKEN" in caught.value.next_step


def test_with_a_token_it_may_listen_everywhere() -> None:
    token = SecretStr("s3cr3t")
    with listening(application(None, lambda: {"alive": True}, token), "0.0.0.0", 0, token) as address:
        assert httpx.get(address.replace("0.0.0.0", "127.0.0.1") + "/healthz").status_code == 200


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = application(None, dict, None)
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            listening(app, "127.0.0.1", port, None).__enter__()
    assert "LABELYARD_WATCH__PORT" in caught.value.next_step


def test_a_webhook_that_is_off_says_so() -> None:
    work = Recorder()
    with serving(work, off=True) as url:
        answer = httpx.post(f"{url}/notify", content=PUT)
        assert answer.status_code == 404
        assert "LABELYARD_WATCH__WEBHOOK" in answer.text
    assert work.landed == []


def test_health_is_bad_until_the_loop_runs_and_good_while_it_does() -> None:
    work = Recorder()
    loop = Watch(work)
    with listening(application(loop.take, loop.health, None), "127.0.0.1", 0, None) as url:
        assert httpx.get(f"{url}/healthz").status_code == 503
        running = threading.Thread(target=loop.run)
        running.start()
        try:
            eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200)
            httpx.post(f"{url}/notify", content=PUT)
            seen: dict[str, Any] = httpx.get(f"{url}/healthz").json()
        finally:
            loop.stop()
            running.join()
    assert seen["alive"] is True
    assert seen["last_commit"]
    assert seen["queue"] is None
    assert seen["problems"] == {}
