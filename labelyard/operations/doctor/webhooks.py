"""The webhook of every CVAT that has one in the settings: it is as wanted, and its deliveries arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from labelyard.config import DatasetSpec
from labelyard.cvat import connect
from labelyard.cvat_names import server_of
from labelyard.domain.webhooks import WebhookDelivery
from labelyard.errors import CvatDisagrees, CvatError
from labelyard.ledger import Ledger, database
from labelyard.operations.doctor.check import Check, CheckResult, Installation, ok, warning
from labelyard.sources.webhook_setup import WebhookSetup, wants_webhook

_TIMEOUT = 10.0
_DELIVERIES = 10


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return a check for each organization or project that should have a webhook."""
    wanted = [spec for spec in installation.datasets if wants_webhook(installation.settings, spec)]
    return {_name(installation, spec): partial(_check_webhook, spec) for spec in wanted}


def _name(installation: Installation, spec: DatasetSpec) -> str:
    has_organization = installation.settings.cvat_named(spec.cvat).organization
    of_project = "" if has_organization or not spec.task.project else f", project {spec.task.project}"
    return f"webhook of CVAT {spec.cvat}{of_project}"


def _check_webhook(spec: DatasetSpec, installation: Installation) -> Iterator[CheckResult]:
    """Check one webhook. Whatever is wrong, the scheduled look finds what it does not report."""
    settings, name = installation.settings, _name(installation, spec)
    at = settings.cvat_named(spec.cvat)
    with closing(Ledger(settings.ledger)) as ledger, ledger.read_only() as tx:
        ledger_id = database.ledger_id(tx)
    cvat = connect(
        at.url, username=at.username, password=at.password, token=at.token, dialect=at.dialect,
        organization=at.organization, timeout=_TIMEOUT,
    )  # fmt: skip
    try:
        setup = WebhookSetup(settings, spec, cvat, ledger_id)
        plan = setup.plan()
        deliveries = setup.deliveries(plan, _DELIVERIES)
    except CvatDisagrees as error:
        yield warning(name, error.what, f"remove {_variables(spec)}_URL and {_variables(spec)}_SECRET")
        return
    except CvatError as error:
        yield warning(name, error.what, f"solve first what the line CVAT {spec.cvat} says")
        return
    finally:
        cvat.close()
    apply = f"labelyard notifications {spec.name} --apply"
    if plan.changes:
        yield warning(name, "; ".join(item.action for item in plan.items if item.changes), apply)
    else:
        yield _check_deliveries(name, plan.wanted.target_url, deliveries, spec)


def _check_deliveries(name: str, address: str, deliveries: Sequence[WebhookDelivery], spec: DatasetSpec) -> CheckResult:
    if not deliveries:
        return ok(name, f"to {address}; nothing was delivered yet")
    last, failed = deliveries[0], sum(not delivery.has_arrived for delivery in deliveries)
    if last.has_arrived:
        return ok(name, f"to {address}; of the last {len(deliveries)} deliveries {failed} failed, the latest did not")
    reason = f"{last.status} {last.response}".strip().splitlines()[0][:200]
    message = f"the latest delivery to {address}, at {last.created}, failed: {reason}"
    if last.status in {401, 403}:  # the watcher has another secret than CVAT
        return warning(name, message, f"labelyard notifications {spec.name} --apply, then restart the watcher")
    next_step = f"labelyard watch there, or correct {_variables(spec)}_URL, the watcher's address as CVAT reaches it"
    return warning(name, message, next_step)


def _variables(spec: DatasetSpec) -> str:
    """Return how the variables of the webhook's settings begin."""
    return f"LABELYARD_CVAT__{server_of(spec.cvat).upper().replace('-', '_')}__WEBHOOK_"
