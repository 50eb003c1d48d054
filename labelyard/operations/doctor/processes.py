"""The watchers and workers of all hosts run, have one version, and agree on the time: `labelyard doctor --cluster`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime

import labelyard
from labelyard.ledger import Ledger, processes
from labelyard.ledger.engine import sqlite_file
from labelyard.ledger.process_tables import RunningProcess
from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok, warning
from labelyard.operations.signs_of_life import clock_seconds

_MOST_SECONDS_APART = 2.0
"""Prefect starts runs by its servers' clocks, the ledger ends leases by the database's."""
_UPGRADE = "start it again with labelyard {version} (docs/many-machines.md#upgrade)"
_COMMANDS = {processes.WATCHER: "labelyard watch", processes.WORKER: "prefect worker start --pool labelyard"}


def checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of the processes."""
    return {"processes": check_processes}


def check_processes(installation: Installation) -> Iterator[CheckResult]:
    """Read from the ledger which watchers and workers run, with their versions and clocks."""
    with closing(Ledger(installation.settings.ledger)) as ledger, ledger.read_only() as tx:
        asked = time.time()
        now, known, on_sqlite = tx.now, processes.known(tx), sqlite_file(ledger.url) is not None
        ahead = clock_seconds(asked, now, time.time())
    running = [one for one in known if now - one.seen_at <= processes.SILENCE]
    hosts = {_host(one) for one in running}
    if on_sqlite and len(hosts) > 1:
        what = f"the ledger is a SQLite file, and {len(hosts)} hosts use it: {', '.join(sorted(hosts))}"
        yield fail("ledger of many hosts", what, "give it a PostgreSQL: LABELYARD_LEDGER, then labelyard db upgrade")
    for kind, command in _COMMANDS.items():
        yield _running(kind, [one for one in running if one.kind == kind], command)
    yield from _killed([one for one in known if one not in running], running)
    yield _versions(running)
    yield _clocks({"this host": ahead, **{one.name: one.clock_seconds for one in running}}, now)


def _running(kind: str, found: Sequence[RunningProcess], command: str) -> CheckResult:
    if not found:
        return fail(f"{kind}s", "none has shown its life in the ledger", command)
    only = " (nothing takes over if its host dies)" if len({_host(one) for one in found}) == 1 else ""
    return ok(f"{kind}s", f"{len(found)}: {', '.join(one.name for one in found)}{only}")


def _killed(lost: Sequence[RunningProcess], running: Sequence[RunningProcess]) -> Iterator[CheckResult]:
    """Yield a warning for each process in whose place none has started on its host since, as systemd starts one."""
    successors = list(running)
    for one in sorted(lost, key=lambda one: one.seen_at):
        part = (one.kind, _host(one))
        new = [other for other in successors if (other.kind, _host(other)) == part and other.since > one.seen_at]
        if new:
            successors.remove(new[0])
            continue
        what = f"{one.name} shows no life since {one.seen_at:%H:%M:%S} UTC, and did not say that it ends"
        yield warning(f"lost {one.kind}", what, f"look at that host, or: {_COMMANDS[one.kind]}")


def _versions(running: Sequence[RunningProcess]) -> CheckResult:
    own = labelyard.__version__
    others = [f"{one.name} {one.version}" for one in running if one.version != own]
    if others:
        what = f"here is labelyard {own}, and others run: {', '.join(others)}"
        return warning("versions", what, _UPGRADE.format(version=max(own, *(one.version for one in running))))
    prefects = sorted({one.prefect for one in running if one.prefect})
    if len(prefects) > 1:
        what = f"workers have different versions of Prefect: {', '.join(prefects)}"
        return warning("versions", what, "install the same on all hosts: pip install -r requirements.lock")
    return ok("versions", f"labelyard {own}" + (f", Prefect {prefects[0]} on the workers" if prefects else ""))


def _clocks(ahead: Mapping[str, float], now: datetime) -> CheckResult:
    wrong = [f"{name} by {seconds:+.0f} s" for name, seconds in ahead.items() if abs(seconds) > _MOST_SECONDS_APART]
    if wrong:
        what = f"differ from the ledger's database ({now:%H:%M:%S} UTC): {', '.join(wrong)}"
        return warning("clocks", what, "synchronise the clocks (NTP) of these hosts and of the database")
    return ok("clocks", f"within {_MOST_SECONDS_APART:g} s of the ledger's database")


def _host(one: RunningProcess) -> str:
    return one.name.rpartition(":")[0]
