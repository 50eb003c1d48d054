"""Several servers of Prefect fit together, and their services run: `labelyard doctor --cluster`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from labelyard.errors import PrefectUnreachable
from labelyard.ledger import Ledger, processes
from labelyard.operations.doctor.check import Check, CheckResult, Installation, Subject, fail, ok, warning
from labelyard.operations.doctor.processes import checks as process_checks
from labelyard.operations.event_lag import read_event_readers
from labelyard.orchestration.prefect_api import PrefectApi
from labelyard.settings import Settings

_TIMES_ASKED = 4
"""How often a balancer is asked, each time over a new connection: servers have no name in Prefect's API."""
_MOST_SECONDS_APART = 3.0
"""A response says the time in whole seconds."""
_START_SERVICES = "prefect server services start, with the settings of the servers (docs/many-machines.md)"
_DOCUMENT = "docs/many-machines.md"
_SHARED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "PREFECT_MESSAGING_BROKER": (("events", "messaging_broker"), ("memory",), "prefect_redis.messaging"),
    "PREFECT_MESSAGING_CACHE": (("events", "messaging_cache"), ("memory",), "prefect_redis.messaging"),
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": (("events", "causal_ordering"), ("memory",), "prefect_redis.ordering"),
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        ("concurrency", "lease_storage"),
        ("memory", "filesystem"),
        "prefect_redis.lease_storage",
    ),
    "PREFECT_SERVER_DOCKET_URL": (("docket", "url"), ("memory:",), "redis://HOST:6379/1"),
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": (("database", "migrate_on_start"), ("True",), "false"),
}
"""Setting -> where the API shows it, what in its value says that a server keeps it for itself, and what to write."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself."""

    version: str
    settings: Mapping[str, str]
    """Those of _SHARED that its version has."""
    pool: str
    """The id of the work pool in its database, empty if there is none."""
    clock_seconds: float
    """By how much its clock is ahead of this host's."""


def cluster_checks(servers: Sequence[str] = ()) -> Mapping[str, Subject]:
    """Return the checks by subject; each of `servers` is the address of one server's API, without the balancer."""

    def of_servers(_installation: Installation) -> Mapping[str, Check]:
        return {"Prefect's servers": lambda installation: check_servers(installation, servers)}

    def of_services(_installation: Installation) -> Mapping[str, Check]:
        return {"Prefect's services": check_services}

    def of_limits(_installation: Installation) -> Mapping[str, Check]:
        return {"limits": check_limits}

    return {
        "Prefect's servers": of_servers,
        "Prefect's services": of_services,
        "limits": of_limits,
        "processes": process_checks,
    }


def check_servers(installation: Installation, servers: Sequence[str] = ()) -> Iterator[CheckResult]:
    """Ask each server, or the balancer several times, for version, settings, database and time; compare them."""
    settings, facts = installation.settings, dict[str, ServerFacts]()
    balancer = settings.prefect_api_or_ours
    for name, address in {one: one for one in servers}.items() or {
        f"answer {number} of {balancer}": balancer for number in range(1, _TIMES_ASKED + 1)
    }.items():
        try:
            facts[name] = _facts(settings.model_copy(update={"prefect_api_url": address}))
        except PrefectUnreachable as error:
            yield fail(f"server {name}", error.what, "start it, or take it out of the balancer")
    how = f"{len(facts)} servers" if servers else f"{balancer}, asked {len(facts)} times; each alone: --server ADDRESS"
    problems = list(misfits(facts))
    if facts and not problems:
        [version] = {one.version for one in facts.values()}
        yield ok("Prefect's servers", f"{how}: Prefect {version}, one database, all they share is in Redis")
    yield from problems


def misfits(facts: Mapping[str, ServerFacts]) -> Iterator[CheckResult]:
    """Yield what does not fit together: values that differ, and what a server keeps for itself alone."""
    versions = {name: one.version for name, one in facts.items()}
    pools = {name: one.pool for name, one in facts.items()}
    if len(set(versions.values())) > 1:
        yield warning("versions of the servers", _by_name(versions), "upgrade the older ones: one after the other")
    if len(set(pools.values())) > 1:
        what = f"the servers show different work pools: {_by_name(pools)}"
        yield fail("database of the servers", what, "give all of them one PREFECT_SERVER_DATABASE_CONNECTION_URL")
    for variable, (_, alone, value) in _SHARED.items():
        found = {name: one.settings[variable] for name, one in facts.items() if variable in one.settings}
        wrong = {name: is_set for name, is_set in found.items() if any(word in is_set for word in alone)}
        if wrong:
            what = f"{_by_name(wrong)}: each server has its own"
            if variable.endswith("MIGRATE_ON_START"):
                what = f"{_by_name(wrong)}: two that start at once may both upgrade the database, and one dies"
            yield fail(variable, what, f"set {value} for all servers and services ({_DOCUMENT})")
        elif len(set(found.values())) > 1:
            yield fail(variable, "the servers have different values", f"set the same for all of them ({_DOCUMENT})")
    wrong_clocks = {
        name: f"{one.clock_seconds:+.0f} s"
        for name, one in facts.items()
        if abs(one.clock_seconds) > _MOST_SECONDS_APART
    }
    if wrong_clocks:
        yield warning("clocks of the servers", f"differ from this host's: {_by_name(wrong_clocks)}", "synchronise them")


def check_services(installation: Installation) -> Iterator[CheckResult]:
    """Check that the scheduler plans runs, and that processes read the events, as far as API and Redis show it."""
    wanted = {
        "flow_runs": {
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
        },
        "deployments": {"name": {"any_": ["housekeeping"]}},
    }
    with PrefectApi(installation.settings) as api:
        planned: int = api.call("POST", "flow_runs/count", wanted)
    if planned:
        yield ok("Prefect's scheduler", f"{planned} runs of housekeeping are planned")
    else:
        yield fail(
            "Prefect's scheduler",
            "no run of housekeeping is planned: no services run, or its schedule is paused",
            _START_SERVICES,
        )
    readers = read_event_readers(installation.settings)
    silent = [name for name, count in readers.items() if not count]
    if silent:
        yield fail("Prefect's services", f"nobody reads the events for {', '.join(sorted(silent))}", _START_SERVICES)
    elif readers:
        least = min(readers.values())
        more = "" if least > 1 else " (nothing takes over if its host dies)"
        yield ok("Prefect's services", f"{least} read the events in Redis{more}")
    elif installation.settings.prefect_redis_url is None:
        yield warning(
            "Prefect's services",
            "no Redis is set, so nothing shows who reads events",
            "set PREFECT_REDIS_MESSAGING_URL",
        )
    else:
        yield fail("Prefect's services", "Redis has no readers of events", _START_SERVICES)


def check_limits(installation: Installation) -> Iterator[CheckResult]:
    """Compare the limits of the work queues, which are those of the whole site, with the workers that run."""
    with closing(Ledger(installation.settings.ledger)) as ledger, ledger.read_only() as tx:
        workers = processes.count(tx, processes.WORKER)
    with PrefectApi(installation.settings) as api:
        answer = api.request("POST", f"work_pools/{installation.settings.deploy.pool}/queues/filter", {})
    if answer.is_error:
        yield fail("limits", f"Prefect has no work pool {installation.settings.deploy.pool}", "labelyard deploy")
        return
    queues = answer.json()
    limits = {queue["name"]: queue["concurrency_limit"] for queue in queues if queue["name"] in ("ingest", "export")}
    shown = ", ".join(f"{name} {limit or 'without a limit'}" for name, limit in sorted(limits.items()))
    what = f"batches at once on the whole site: {shown}; {workers} workers"
    wanted = dict(zip(("ingest", "export"), installation.settings.deploy.at_once(workers), strict=True))
    if any(limit is not None and limit < wanted[name] for name, limit in limits.items()):
        yield warning("limits", f"{what} could do more: {wanted['ingest']} and {wanted['export']}", "labelyard deploy")
    else:
        yield ok("limits", what)


def _facts(settings: Settings) -> ServerFacts:
    with PrefectApi(settings) as api:
        answer = api.request("GET", "admin/version")
        date = answer.headers.get("date")
        ahead = parsedate_to_datetime(date).timestamp() - time.time() if date else 0.0
        pools = api.call("POST", "work_pools/filter", {"work_pools": {"name": {"any_": [settings.deploy.pool]}}})
        shown = api.call("GET", "admin/settings").get("server", {})
    values = {variable: _value(shown, path) for variable, (path, _, _) in _SHARED.items()}
    known = {variable: str(value) for variable, value in values.items() if value is not None}
    return ServerFacts(answer.json(), known, next((pool["id"] for pool in pools), ""), ahead)


def _value(shown: Any, path: Sequence[str]) -> Any:
    for name in path:
        shown = shown.get(name) if isinstance(shown, dict) else None
    return shown


def _by_name(values: Mapping[str, str]) -> str:
    """Return each value with the servers that have it; passwords in it are not shown."""
    names: dict[str, list[str]] = {}
    for name, value in values.items():
        names.setdefault(value.rpartition("@")[2], []).append(name)
    return "; ".join(f"{value} ({', '.join(which)})" for value, which in names.items())
