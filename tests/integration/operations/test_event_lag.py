"""The events that wait in the Redis of Prefect's servers."""

from __future__ import annotations

import pytest

from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.metrics import EVENTS_WAITING
from labelyard.operations.doctor.check import Installation, Status
from labelyard.operations.doctor.events import check_events, checks
from labelyard.operations.event_lag import read_event_lag
from labelyard.operations.metrics_server import of_events
from labelyard.settings import Settings
from labelyard.supervisor.stack import free_ports
from tests.support.prefect_redis import PrefectRedis


def settings(url: str) -> Settings:
    return Settings.model_validate({"PREFECT_REDIS_MESSAGING_URL": url})


def test_what_a_consumer_has_not_read_or_not_acknowledged_waits(prefect_redis: PrefectRedis) -> None:
    for consumer in ("event-persister", "reactive-triggers"):
        prefect_redis.add_consumer(consumer)
    prefect_redis.add_events(1507)
    prefect_redis.read("reactive-triggers", 1490, acknowledge=True)
    prefect_redis.read("reactive-triggers", 2)
    used = settings(prefect_redis.url)
    assert read_event_lag(used) == {"event-persister": 1507, "reactive-triggers": 17}
    assert (EVENTS_WAITING, ("reactive-triggers",), 17.0) in list(of_events(used))
    [result] = check_events(Installation(used))
    assert result.status is Status.WARNING
    assert "1,507 events wait in Redis for event-persister" in result.message


def test_before_the_first_event_nothing_waits(prefect_redis: PrefectRedis) -> None:
    [result] = check_events(Installation(settings(prefect_redis.url)))
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
