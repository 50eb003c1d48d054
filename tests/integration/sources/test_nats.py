"""What is particular to NATS: logins, TLS, a server that dies, and its errors."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from labelyard.errors import SettingsError, StoreError, StoreUnauthorized, StoreUnreachable
from labelyard.settings import Settings
from labelyard.sources.queues import QueueDepth, open_queue
from labelyard.sources.queues.nats.queue import NatsQueue
from labelyard.watch_settings import NatsSettings
from tests.support.certificates import self_signed
from tests.support.nats_accounts import operator_config
from tests.support.nats_server import NatsServer, run_nats
from tests.support.waiting import eventually


@contextmanager
def opened(url: str, **options: Any) -> Iterator[NatsQueue]:
    with closing(NatsQueue(url, NatsSettings.model_validate(options))) as queue:
        yield queue


def test_an_account_and_a_token_log_in_and_others_are_refused() -> None:
    account = 'authorization { user: "lab", password: "secret" }'
    with run_nats(config=account, user="lab", password="secret") as server:
        names = server.new_stream()
        with opened(server.url, username="lab", password="secret", **names) as queue:
            assert queue.depth() == QueueDepth(0, 0)
        for options in ({"username": "lab", "password": "wrong"}, {}):
            with opened(server.url, **options, **names) as queue, pytest.raises(StoreUnauthorized) as caught:
                queue.receive(0)
            assert "LABELYARD_WATCH__NATS__USERNAME" in caught.value.next_step
            assert "wrong" not in str(caught.value)
    with (
        run_nats(config='authorization { token: "secret" }', token="secret") as server,
        opened(server.url, token="secret", **server.new_stream()) as queue,
    ):
        assert queue.depth() == QueueDepth(0, 0)


def test_a_credentials_file_logs_in(tmp_path: Path) -> None:
    file = tmp_path / "labelyard.creds"
    with run_nats(config=operator_config(file)) as server:
        with (
            opened(server.url, credentials_file=file) as queue,
            pytest.raises(StoreError, match=r"not found \(labelyard.labelyard\)"),
        ):
            queue.receive(0)  # logged in: JetStream answers that there is no such stream
        operator_config(file)  # of an operator that the server does not know
        with opened(server.url, credentials_file=file) as queue, pytest.raises(StoreUnauthorized):
            queue.receive(0)


def test_a_wrong_credentials_file_is_a_settings_error(tmp_path: Path) -> None:
    file, jwt = tmp_path / "labelyard.creds", "-----BEGIN NATS USER JWT-----\na\n------END NATS USER JWT------\n"
    seed = "-----BEGIN USER NKEY SEED-----\nSUA\n------END USER NKEY SEED------"
    with run_nats(config=operator_config(file)) as server:
        for content in (None, b"nothing", b"\xff", jwt.encode(), f"{jwt}{seed}".encode()):
            file.unlink() if content is None else file.write_bytes(content)
            with opened(server.url, credentials_file=file) as queue, pytest.raises(SettingsError) as caught:
                queue.receive(0)
            assert caught.value.what.startswith(f"{file}: ")
            assert "LABELYARD_WATCH__NATS__CREDENTIALS_FILE" in caught.value.next_step


def test_tls_is_as_the_url_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nats_server: NatsServer) -> None:
    self_signed(file := tmp_path / "server.pem")
    with run_nats(config=f'tls {{ cert_file: "{file}", key_file: "{file}" }}') as server:
        url = server.url.replace("127.0.0.1", "localhost").replace("nats://", "tls://")
        with opened(url) as queue, pytest.raises(StoreError, match="certificate") as caught:
            queue.receive(0)
        assert "SSL_CERT_FILE" in caught.value.next_step
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with opened(url) as queue, pytest.raises(StoreError, match="stream not found"):
            queue.receive(0)


def test_no_password_is_sent_to_a_server_without_tls_if_the_url_requires_it(nats_server: NatsServer) -> None:
    url = nats_server.url.replace("nats://", "tls://")
    for options in ({"username": "lab", "password": "secret"}, {"token": "secret"}, {}):
        with opened(url, **options) as queue, pytest.raises(StoreError, match="does not require TLS"):
            queue.receive(0)


def test_a_missing_permission_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelyard.sources.queues.nats.connection.ANSWER_SECONDS", 0.3)
    account = 'authorization { users: [ {user: "lab", password: "lab", permissions: { publish: "other" }} ] }'
    with (
        run_nats(config=account) as server,
        opened(server.url, username="lab", password="lab") as queue,
        pytest.raises(StoreError, match="permissions violation for publish") as caught,
    ):
        queue.depth()
    assert not caught.value.retry
    assert "$JS.API" in caught.value.next_step


def test_what_a_killed_server_had_is_received_from_the_next_one_of_the_list(tmp_path: Path) -> None:
    with run_nats(folder=tmp_path) as server:
        names = server.new_stream(ack_wait=1)
        server.publish(names["subject"], ["a", "b"])
        url = server.url
        port = int(url.rsplit(":", 1)[1])
        with opened(f"nats://127.0.0.1:1,{url}", **names) as queue:
            first = queue.receive(0, 1)
            server.process.kill()
            server.process.wait(30)
            with pytest.raises(StoreUnreachable):
                queue.receive(5)
            with pytest.raises(StoreUnreachable):
                queue.acknowledge(first)
            with run_nats(port, folder=tmp_path):
                queue.acknowledge(first)  # on another connection than that on which it was received
                assert [message.body for message in queue.receive(5)] == [b"b"]


def test_a_server_that_hangs_is_a_temporary_error(nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelyard.sources.queues.nats.queue.ANSWER_SECONDS", 0.3)
    names = nats_server.new_stream()
    with opened(nats_server.url, **names) as queue:
        queue.depth()
        nats_server.process.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: psutil.Process(nats_server.process.pid).status() == psutil.STATUS_STOPPED)
            before = time.monotonic()
            with pytest.raises(StoreUnreachable):
                queue.receive(0)
            assert time.monotonic() - before < 10
        finally:
            nats_server.process.send_signal(signal.SIGCONT)
        assert queue.depth() == QueueDepth(0, 0)


def test_a_closed_queue_leaves_no_connection_and_no_thread(nats_server: NatsServer) -> None:
    def own_threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "nats"} - before

    before: set[threading.Thread] = set(threading.enumerate())
    with opened(nats_server.url, **nats_server.new_stream()) as queue:
        queue.receive(0)
        assert len(own_threads()) == 1
    eventually(lambda: not own_threads())


def test_closing_ends_a_poll_of_another_thread(nats_server: NatsServer) -> None:
    queue = NatsQueue(nats_server.url, NatsSettings.model_validate(nats_server.new_stream()))
    queue.depth()
    with ThreadPoolExecutor() as pool:
        poll = pool.submit(queue.receive, 20)
        time.sleep(0.2)
        queue.close()
        with pytest.raises(StoreUnreachable):
            poll.result(5)
    with pytest.raises(StoreUnreachable, match="closed"):
        queue.receive(0)


def test_without_jetstream_the_error_says_what_to_enable() -> None:
    config = 'accounts { A { users: [ {user: "lab", password: "lab"} ] } }'  # an account without JetStream
    with (
        run_nats(config=config) as server,
        opened(server.url, username="lab", password="lab") as queue,
        pytest.raises(StoreError) as caught,
    ):
        queue.receive(0)
    assert "enable JetStream" in caught.value.next_step


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nats://lab:secret@127.0.0.1:4222", "LABELYARD_WATCH__NATS__USERNAME"),
        ("nats://a:4222,tls://b:4222", "one scheme"),
        ("nats://", "nats://HOST:4222"),
        ("nats://a:b", "nats://HOST:4222"),
        ("nats://a:4222/stream", "nats://HOST:4222"),
    ],
)
def test_a_wrong_url_is_a_settings_error(url: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_queue(Settings(watch={"queue_url": url}))
    assert words in caught.value.next_step
    assert "secret" not in str(caught.value)


def test_without_the_client_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelyard.sources.queues.nats.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="not installed") as caught:
        open_queue(Settings(watch={"queue_url": "nats://127.0.0.1:4222"}))
    assert caught.value.next_step == "pip install 'labelyard[nats]'"
