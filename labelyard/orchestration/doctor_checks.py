"""The checks of Prefect, of alert channels and of people's channels in `labelyard doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import yaml

import labelyard
from labelyard.errors import AlertNotSent, LabelyardError, PrefectUnreachable, SettingsError
from labelyard.ledger import Ledger, alerts, datasets, messages, problems
from labelyard.ledger.alert_tables import AlertChannel
from labelyard.operations.doctor.check import Check, CheckResult, Installation, Subject, fail, ok, unknown, warning
from labelyard.orchestration import MOST_AT_ONCE, WATCHES_HOUSEKEEPING
from labelyard.orchestration.alert_channels import check
from labelyard.orchestration.fast_worker import SUPPORTED_PREFECT, is_supported, slower_without, worker_type
from labelyard.orchestration.one_installation import refuse_second_installation
from labelyard.orchestration.prefect_api import refuse_failed_login
from labelyard.orchestration.pull import find_project
from labelyard.settings import Settings

_TIMEOUT = 10.0
_USE_POSTGRESQL = (
    "if Prefect's server is on SQLite, give it a PostgreSQL: PREFECT_SERVER_DATABASE_CONNECTION_URL (docs/settings.md)"
)
_CORRECT_CHANNEL = "correct LABELYARD_MESSAGES__PEOPLE__… in the settings (docs/people.md)"
_LATE = timedelta(minutes=1)
_LATE_RUNS_ALLOWED = 10
_DAY = timedelta(days=1)


def checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of Prefect."""
    return {"Prefect": check_prefect}


def alert_checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of the alert channels."""
    return {"alerts": check_alerts}


def message_checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of the channels of people."""
    return {"messages": check_messages}


PREFECT_CHECKS: Mapping[str, Subject] = {"Prefect": checks, "alerts": alert_checks, "messages": message_checks}
"""Subject -> the function that returns its checks, as in operations/doctor."""


def check_prefect(installation: Installation) -> Iterator[CheckResult]:
    """Check that Prefect answers, has this labelyard's deployments and automations, and a worker that is online."""
    yield _check_fast_worker()
    with _client(installation.settings) as http:
        version = _ask(http, "GET", "/admin/version")
        yield ok("Prefect", f"{installation.settings.prefect_api_or_ours}: {version}")
        config = yaml.safe_load((find_project() / "prefect.yaml").read_text(encoding="utf-8"))
        yield _check_deployments(_ask(http, "POST", "/deployments/filter", {}), config["deployments"])
        yield _check_automations(_ask(http, "POST", "/automations/filter", {}), config["deployments"])
        yield _check_worker(http, installation.settings.deploy.pool)
        yield _check_load(http)
        yield _check_secrets(http)
    yield _check_installation(installation.settings)


def check_alerts(installation: Installation) -> Iterator[CheckResult]:
    """Check that each channel can work, and accepted the last message; and that housekeeping looks what to send."""
    settings = installation.settings.alerts
    with closing(Ledger(installation.settings.ledger)) as ledger, ledger.read_only() as tx:
        known, last, now = alerts.channels(tx), problems.last_life(tx, problems.HOUSEKEEPING), tx.now
    if last is not None and now - last > timedelta(seconds=settings.housekeeping_silence_seconds):
        yield fail(
            "housekeeping", f"no sign of life since {last:%Y-%m-%d %H:%M} UTC", "labelyard up, or start a worker"
        )
    if not settings.channels:
        yield ok("alerts", "no channel is set: nobody gets a message about what needs a person (docs/alerts.md)")
    for name, channel in settings.channels.items():
        try:
            kind = check(channel)
        except AlertNotSent as error:
            yield fail(f"alert channel {name}", error.what, error.next_step)
        else:
            yield _check_channel(f"alert channel {name}", kind, known.get(name))


def check_messages(installation: Installation) -> Iterator[CheckResult]:
    """Check that the channel of each person can work and accepted the last message, and that somebody has that name."""
    channels = installation.settings.messages.by_person
    if not channels:
        yield ok("messages", "no channel of a person is set: nobody is told about work (docs/people.md)")
        return
    with closing(Ledger(installation.settings.ledger)) as ledger, ledger.read_only() as tx:
        known, specs = messages.channels(tx), list(datasets.current(tx, retired=True))
    truths = [one.quality.ground_truth.annotator for one in specs if one.quality.ground_truth]
    people = {*truths, *(name for one in specs for name in (*one.annotators, *one.reviewers))}
    for person, channel in channels.items():
        name = f"channel of {person}"
        try:
            kind = check(channel)
        except AlertNotSent as error:
            yield fail(name, error.what, _CORRECT_CHANNEL)
            continue
        row = known.get(person)
        if row is not None and row.error:
            yield fail(name, f"{kind}: sending failed {row.failures} times in a row: {row.error}", _CORRECT_CHANNEL)
        elif person not in people:
            yield warning(name, f"{kind}: no dataset file names {person!r}", _CORRECT_CHANNEL)
        else:
            last = f"accepted {row.sent_at:%Y-%m-%d %H:%M} UTC" if row and row.sent_at else "none yet"
            yield ok(name, f"{kind}; the last message: {last}")


def failed_block(error: LabelyardError) -> CheckResult:
    """Return the result of a block that settings name and that cannot be read."""
    return fail("blocks", error.happened, error.next_step)


def _check_channel(name: str, kind: str, row: AlertChannel | None) -> CheckResult:
    if row is not None and row.error:
        times = f"{row.failures} times in a row" if row.failures > 1 else "the last time"
        return fail(name, f"{kind}: sending failed {times}: {row.error}", "labelyard alerts test")
    last = (
        f"the last message was accepted {row.sent_at:%Y-%m-%d %H:%M} UTC" if row and row.sent_at else "nothing sent yet"
    )
    return ok(name, f"{kind}: {last}")


def _check_fast_worker() -> CheckResult:
    if is_supported():
        return ok("fast worker", f"supported: Prefect {SUPPORTED_PREFECT} is installed here")
    return ok("fast worker", f"not supported. {slower_without()}")


def _client(settings: Settings) -> httpx.Client:
    api = settings.prefect_api_or_ours

    def check_login(response: httpx.Response) -> None:
        refuse_failed_login(settings, response, api)

    hooks = {"response": [check_login]}
    return httpx.Client(base_url=api, timeout=_TIMEOUT, headers=settings.prefect_login(), event_hooks=hooks)


def _ask(http: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    try:
        response = http.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise _unreachable(http, f"no answer: {error}", "labelyard up, or set PREFECT_API_URL") from error
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise _unreachable(http, "its database is busy (503)", _USE_POSTGRESQL)
    if not response.is_success:
        what = f"{method} {path}: {response.status_code} {response.reason_phrase}"
        raise _unreachable(http, what, "set PREFECT_API_URL to Prefect's /api")
    return response.json()


def _unreachable(http: httpx.Client, what: str, next_step: str) -> PrefectUnreachable:
    return PrefectUnreachable(what, where=str(http.base_url), next_step=next_step)


def _check_deployments(present: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> CheckResult:
    by_name = {deployment["name"]: deployment for deployment in present}
    names = [deployment["name"] for deployment in wanted]
    found = [by_name[name] for name in names if name in by_name]
    problems = {
        "missing": [name for name in names if name not in by_name],
        f"of another labelyard than {labelyard.__version__}": [
            one["name"] for one in found if one["version"] != labelyard.__version__
        ],
        "paused": [one["name"] for one in found if one["paused"]],
    }
    message = "; ".join(f"{what}: {', '.join(which)}" for what, which in problems.items() if which)
    return fail("deployments", message, "labelyard deploy") if message else ok("deployments", ", ".join(names))


def _check_automations(present: Sequence[Mapping[str, Any]], deployments: Sequence[Mapping[str, Any]]) -> CheckResult:
    """Check that each trigger has one automation: a second would start each run twice."""
    enabled = Counter(automation["name"] for automation in present if automation["enabled"])
    names = [trigger["name"] for deployment in deployments for trigger in deployment.get("triggers", [])]
    names.append(WATCHES_HOUSEKEEPING)
    wrong = [f"{name!r} exists {enabled[name]} times" for name in names if enabled[name] != 1]
    if wrong:
        return fail("automations", "; ".join(wrong), "labelyard deploy")
    return ok("automations", ", ".join(names))


def _check_worker(http: httpx.Client, pool: str) -> CheckResult:
    if not _ask(http, "POST", "/work_pools/filter", {"work_pools": {"name": {"any_": [pool]}}}):
        return fail("worker", f"there is no work pool {pool!r}", "labelyard deploy")
    workers = _ask(http, "POST", f"/work_pools/{pool}/workers/filter", {})
    online = [worker["name"] for worker in workers if worker["status"] == "ONLINE"]
    if not online:
        start = f"labelyard up, or prefect worker start --pool {pool} --type {worker_type()}"
        return unknown("worker", f"none is online in the pool {pool!r}", start)
    return ok("worker", ", ".join(online))


def _check_load(http: httpx.Client) -> CheckResult:
    """Check that runs start when they are due, and that no action failed within a day because of a busy database."""
    late, busy = _late_runs(http), _actions_rejected(http)
    message = f"{late} runs wait longer than a minute, {busy} actions found the database busy (503) within a day"
    if busy or late > _LATE_RUNS_ALLOWED:
        return warning("Prefect's load", f"{message}: work is late, not lost", _USE_POSTGRESQL)
    return ok("Prefect's load", message)


def _check_secrets(http: httpx.Client) -> CheckResult:
    """Check that blocks with secrets are only on a server that asks for a login."""
    if _requires_login(http):
        return ok("secrets", "Prefect requires a login")
    blocks = _ask(http, "POST", "/block_documents/filter", {"limit": MOST_AT_ONCE})
    secret = sorted(
        f"{block['block_type']['slug']}/{block['name']}"
        for block in blocks
        if (block.get("block_schema") or {}).get("fields", {}).get("secret_fields")
    )
    if not secret:
        return ok("secrets", "Prefect requires no login, and no block has secrets")
    blocks = ", ".join(secret)
    message = f"Prefect requires no login: everybody who can connect to it can read the secrets of the blocks {blocks}"
    next_step = (
        "set PREFECT_SERVER_API_AUTH_STRING for the server and PREFECT_API_AUTH_STRING here, or keep them in .env"
    )
    return warning("secrets", message, next_step)


def _requires_login(http: httpx.Client) -> bool:
    """Ask as somebody without a password: that the settings have one does not mean that the server wants it."""
    with httpx.Client(base_url=http.base_url, timeout=_TIMEOUT) as anybody:
        answer = anybody.post("/block_documents/filter", json={"limit": 1})
        return answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def _check_installation(settings: Settings) -> CheckResult:
    """Check that no other installation uses the server."""
    try:
        refuse_second_installation(settings)
    except SettingsError as error:
        return fail("installation", error.what, error.next_step)
    return ok("installation", "no other one uses this Prefect server")


def _late_runs(http: httpx.Client) -> int:
    due = {"before_": (datetime.now(UTC) - _LATE).isoformat()}
    wanted = {"state": {"name": {"any_": ["Late"]}}, "expected_start_time": due}
    count: int = _ask(http, "POST", "/flow_runs/count", {"flow_runs": wanted})
    return count


def _actions_rejected(http: httpx.Client) -> int:
    since = {"since": (datetime.now(UTC) - _DAY).isoformat()}
    wanted = {"event": {"name": ["prefect.automation.action.failed"]}, "occurred": since}
    events = _ask(http, "POST", "/events/filter", {"filter": wanted, "limit": 50})["events"]
    return sum(event["payload"].get("status_code") == httpx.codes.SERVICE_UNAVAILABLE for event in events)
