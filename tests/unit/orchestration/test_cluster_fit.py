"""What `labelyard doctor --cluster` says of servers that do not fit together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelyard.operations.doctor.check import Status
from labelyard.orchestration.cluster_checks import ServerFacts, misfits
from labelyard.settings import DeploySettings

SHARED = {
    "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
    "PREFECT_SERVER_DOCKET_URL": "redis://:secret@redis:6379/1",
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "False",
}
GOOD = ServerFacts("3.8.8", SHARED, "pool-1", 0.4)


def test_equal_servers_that_share_everything_fit() -> None:
    assert list(misfits({"one": GOOD, "two": GOOD})) == []


@pytest.mark.parametrize(
    ("other", "name", "said"),
    [
        (replace(GOOD, version="3.7.6"), "versions of the servers", "3.7.6 (two)"),
        (replace(GOOD, pool="pool-2"), "database of the servers", "pool-2 (two)"),
        (replace(GOOD, clock_seconds=-9.0), "clocks of the servers", "-9 s (two)"),
    ],
)
def test_what_differs_is_named_with_the_server(other: ServerFacts, name: str, said: str) -> None:
    [found] = misfits({"one": GOOD, "two": other})
    assert found.name == name
    assert said in found.message
    assert found.next_step


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PREFECT_MESSAGING_BROKER", "prefect.server.utilities.messaging.memory"),
        ("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", "prefect.server.concurrency.lease_storage.filesystem"),
        ("PREFECT_SERVER_DOCKET_URL", "memory://"),
        ("PREFECT_SERVER_DATABASE_MIGRATE_ON_START", "True"),
    ],
)
def test_what_a_server_keeps_for_itself_is_a_failure_even_if_all_do(variable: str, value: str) -> None:
    alone = replace(GOOD, settings=SHARED | {variable: value})
    [found] = misfits({"one": alone, "two": alone})
    assert (found.name, found.status) == (variable, Status.FAIL)
    assert "set " in found.next_step


def test_two_redis_are_a_failure_whose_text_has_no_password() -> None:
    other = replace(GOOD, settings=SHARED | {"PREFECT_SERVER_DOCKET_URL": "redis://:secret@elsewhere:6379/1"})
    [found] = misfits({"one": GOOD, "two": other})
    assert found.status is Status.FAIL
    assert "secret" not in found.message


def test_limits_are_four_for_each_worker_unless_they_are_set() -> None:
    assert DeploySettings().at_once() == (4, 4)
    assert DeploySettings().at_once(3) == (12, 12)
    assert DeploySettings(batches_at_once=2).at_once(3) == (2, 12)
