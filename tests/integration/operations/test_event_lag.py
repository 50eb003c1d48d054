"""The events that wait in the Redis of Prefect's servers; the responses are those of a Redis 7.0.15."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.metrics import EVENTS_WAITING
from labelyard.operations.doctor.check import Installation, Status
from labelyard.operations.doctor.events import check_events, checks
from labelyard.operations.event_lag import read_event_lag
from labelyard.operations.metrics_server import of_events
from labelyard.settings import Settings
from labelyard.supervisor.stack import free_ports

GROUPS = (
    b"*2\r\n*12\r\n$4\r\nname\r\n$15\r\nevent-persister\r\n$9\r\nconsumers\r\n:0\r\n$7\r\npending\r\n:0\r\n$17\r\n"
    b"last-delivered-id\r\n$3\r\n0-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n:1507\r\n*12\r\n$4\r\nname\r\n$17\r\n"
    b"reactive-triggers\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:2\r\n$17\r\nlast-delivered-id\r\n$15\r\n"
    b"1796062551447-0\r\n$12\r\nentries-read\r\n:2\r\n$3\r\nlag\r\n:15\r\n"
)
NO_STREAM = b"-ERR no such key\r\n"


@contextmanager
def redis_with(groups: bytes) -> Iterator[Settings]:
    """Settings with a Redis that answers `groups` to XINFO GROUPS, and OK to what clients send first."""

    class Commands(StreamRequestHandler):
        def handle(self) -> None:
            while count := self.rfile.readline()[1:]:
                words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2) for _ in range(int(count))]
                self.wfile.write(groups if words[0].strip() == b"XINFO" else b"+OK\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Commands) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield settings(f"redis://127.0.0.1:{server.server_address[1]}/0")
        server.shutdown()


def settings(url: str) -> Settings:
    return Settings.model_validate({"PREFECT_REDIS_MESSAGING_URL": url})


def test_what_a_consumer_has_not_read_or_not_acknowledged_waits() -> None:
    with redis_with(GROUPS) as used:
        assert read_event_lag(used) == {"event-persister": 1507, "reactive-triggers": 17}
        assert (EVENTS_WAITING, ("reactive-triggers",), 17.0) in list(of_events(used))
        [result] = check_events(Installation(used))
    assert result.status is Status.WARNING
    assert "1,507 events wait in Redis for event-persister" in result.message


def test_before_the_first_event_nothing_waits() -> None:
    with redis_with(NO_STREAM) as used:
        [result] = check_events(Installation(used))
    assert (result.status, result.message) == (Status.OK, "0 wait in Redis")


def test_without_a_redis_in_the_settings_nothing_is_checked() -> None:
    assert checks(Installation(Settings())) == {}
    assert list(of_events(Settings())) == []


def test_a_redis_that_is_away_is_an_error_of_the_doctor_and_no_metric() -> None:
    used = settings(f"redis://127.0.0.1:{free_ports(1)[0]}/0")
    assert list(of_events(used)) == []
    with pytest.raises(PrefectUnreachable, match="PREFECT_REDIS_MESSAGING_URL"):
        read_event_lag(used)


@pytest.mark.parametrize(
    "url", ["localhost:6379", "redis://user:secret/6@host:no/0", "redis://127.0.0.1:1/0?unknown=1"]
)
def test_what_is_no_address_of_a_redis_is_named_by_its_variable_and_is_no_metric(url: str) -> None:
    used = settings(url)
    assert list(of_events(used)) == []
    with pytest.raises(SettingsError, match="PREFECT_REDIS_MESSAGING_URL is not the address of a Redis") as caught:
        read_event_lag(used)
    assert "redis://" in caught.value.next_step
    assert "secret" not in str(caught.value)
