"""Checks of the servers: every CVAT with its people, and Prefect with its deployments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import yaml

import labelyard
from labelyard.cvat import Cvat, connect
from labelyard.domain.tasks import User
from labelyard.errors import PrefectUnreachable
from labelyard.operations.doctor.results import Check, Finding, Patient, right, unseen, wrong
from labelyard.orchestration import DEAD_RUNS
from labelyard.orchestration.pull import find_project

_SHORT = 10.0
_POSTGRESQL = (
    "if Prefect's server is on SQLite, give it a PostgreSQL: PREFECT_SERVER_DATABASE_CONNECTION_URL (docs/settings.md)"
)
_LATE = timedelta(minutes=1)
_MANY_LATE = 10
_DAY = timedelta(days=1)
_MAY_CREATE = frozenset({"admin", "user", "business"})
"""The groups of CVAT whose members may create tasks: the first two of 1.x, all of 2.x."""


def cvats(patient: Patient) -> dict[str, Check]:
    """A check for each CVAT that a dataset or the settings name.

    It answers, lets us in, our account may create tasks, and every annotator exists.
    """
    names = {spec.cvat for spec in patient.datasets} | set(patient.settings.cvat)
    if not names:
        return {"CVAT": _no_cvat}
    return {f"CVAT {name}": partial(_cvat, name) for name in sorted(names)}


def _no_cvat(_: Patient) -> Iterator[Finding]:
    yield wrong("CVAT", "none is named", "set LABELYARD_CVAT__DEFAULT__URL and its USERNAME and PASSWORD")


def _cvat(name: str, patient: Patient) -> Iterator[Finding]:
    at = patient.settings.cvat_named(name)
    server = connect(
        at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect, timeout=_SHORT
    )
    try:
        yield from _people(server, patient, name)
    finally:
        server.close()


def _people(server: Cvat, patient: Patient, name: str) -> Iterator[Finding]:
    about, me = server.about(), server.whoami()
    where = f"CVAT {name}"
    if me.is_superuser or _MAY_CREATE & set(me.groups):
        yield right(where, f"{server.url}: {about.name} {about.version}, as {me.username}")
    else:
        groups = ", ".join(me.groups) or "none"
        what = f"{me.username} may not create tasks (its groups: {groups})"
        yield wrong(where, what, f"make {me.username} a member of the group user or admin in {server.url}/admin")
    users = {user.username: user for user in server.users()}
    for spec in (spec for spec in patient.datasets if spec.cvat == name):
        yield _annotators(f"annotators of {spec.name}", spec.annotators, users, server.url)


def _annotators(about: str, names: Sequence[str], users: Mapping[str, User], url: str) -> Finding:
    missing = [name for name in names if name not in users]
    inactive = [name for name in names if name in users and not users[name].is_active]
    if missing or inactive:
        parts = [f"{url} has no user {', '.join(missing)}"] if missing else []
        parts += [f"{', '.join(inactive)} may not log in"] if inactive else []
        return wrong(
            about, "; ".join(parts), "labelyard cvat register, or correct `annotators` and labelyard apply FILE"
        )
    return right(about, ", ".join(names))


def prefect(patient: Patient) -> Iterator[Finding]:
    """Prefect answers, has every deployment and automation of this labelyard, and a worker is there."""
    settings = patient.settings
    url = settings.prefect_api_url or settings.up.prefect_api_url
    secret = settings.prefect_api_auth_string
    user, _, password = secret.get_secret_value().partition(":") if secret else ("", "", "")
    with httpx.Client(base_url=url, timeout=_SHORT, auth=(user, password) if secret else None) as http:
        version = _ask(http, "GET", "/admin/version")
        yield right("Prefect", f"{url}: {version}")
        config = yaml.safe_load((find_project() / "prefect.yaml").read_text(encoding="utf-8"))
        yield _deployments(_ask(http, "POST", "/deployments/filter", {}), config["deployments"])
        yield _automations(_ask(http, "POST", "/automations/filter", {}), config["deployments"])
        yield _worker(http, settings.deploy.pool)
        yield _keeps_up(http)


def _ask(http: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    try:
        answer = http.request(method, path, json=body)
    except httpx.HTTPError as error:
        next_step = "labelyard up, or set PREFECT_API_URL"
        raise PrefectUnreachable(f"no answer: {error}", where=str(http.base_url), next_step=next_step) from error
    if answer.status_code in (401, 403):
        raise PrefectUnreachable("it lets nobody in", where=str(http.base_url), next_step="set PREFECT_API_AUTH_STRING")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise PrefectUnreachable("its database is busy (503)", where=str(http.base_url), next_step=_POSTGRESQL)
    if not answer.is_success:
        what = f"{method} {path}: {answer.status_code} {answer.reason_phrase}"
        raise PrefectUnreachable(what, where=str(http.base_url), next_step="set PREFECT_API_URL to Prefect's /api")
    return answer.json()


def _deployments(present: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> Finding:
    by_name = {deployment["name"]: deployment for deployment in present}
    names = [deployment["name"] for deployment in wanted]
    missing = [name for name in names if name not in by_name]
    other = [name for name in names if name in by_name and by_name[name]["version"] != labelyard.__version__]
    paused = [name for name in names if name in by_name and by_name[name]["paused"]]
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    parts += [f"of another labelyard than {labelyard.__version__}: {', '.join(other)}"] if other else []
    parts += [f"paused: {', '.join(paused)}"] if paused else []
    if parts:
        return wrong("deployments", "; ".join(parts), "labelyard deploy")
    return right("deployments", ", ".join(names))


def _automations(present: Sequence[Mapping[str, Any]], deployments: Sequence[Mapping[str, Any]]) -> Finding:
    """Deploying makes one automation for each trigger, and one that ends dead runs; two would start every run twice."""
    enabled = Counter(automation["name"] for automation in present if automation["enabled"])
    names = [trigger["name"] for deployment in deployments for trigger in deployment.get("triggers", [])]
    names.append(DEAD_RUNS)
    odd = [f"{name!r} is there {enabled[name]} times" for name in names if enabled[name] != 1]
    if odd:
        return wrong("automations", "; ".join(odd), "labelyard deploy")
    return right("automations", ", ".join(names))


def _worker(http: httpx.Client, pool: str) -> Finding:
    if not _ask(http, "POST", "/work_pools/filter", {"work_pools": {"name": {"any_": [pool]}}}):
        return wrong("worker", f"there is no work pool {pool!r}", "labelyard deploy")
    workers = _ask(http, "POST", f"/work_pools/{pool}/workers/filter", {})
    online = [worker["name"] for worker in workers if worker["status"] == "ONLINE"]
    if not online:
        return unseen(
            "worker", f"none is online in the pool {pool!r}", f"labelyard up, or prefect worker start -p {pool}"
        )
    return right("worker", ", ".join(online))


def _keeps_up(http: httpx.Client) -> Finding:
    """Prefect starts runs when they are due, and its database was not too busy for an action within the last day."""
    now = datetime.now(UTC)
    state = {"name": {"any_": ["Late"]}}
    due = {"before_": (now - _LATE).isoformat()}
    late = _ask(http, "POST", "/flow_runs/count", {"flow_runs": {"state": state, "expected_start_time": due}})
    failed = {"event": {"name": ["prefect.automation.action.failed"]}, "occurred": {"since": (now - _DAY).isoformat()}}
    events = _ask(http, "POST", "/events/filter", {"filter": failed, "limit": 50})["events"]
    refused = sum(event["payload"].get("status_code") == httpx.codes.SERVICE_UNAVAILABLE for event in events)
    said = f"{late} runs wait longer than a minute, {refused} actions found the database busy (503) within a day"
    if refused or late > _MANY_LATE:
        return wrong("Prefect's load", f"{said}: work is late, not lost", _POSTGRESQL)
    return right("Prefect's load", said)
