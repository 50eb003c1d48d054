"""The metrics of a ledger with work in it, and the address at which a process serves them."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import httpx
from sqlalchemy import text

from labelyard.domain.states import INGESTING
from labelyard.ledger import Ledger, dead_letters, leases
from labelyard.metrics import METRICS, Kind, Origin
from labelyard.operations.metrics import Exporter
from labelyard.operations.metrics_server import of_watcher, serving_watcher
from labelyard.operations.status import read_status
from labelyard.sources.watcher import Watcher
from tests.support.metric_values import values
from tests.support.notification_recorder import NotificationRecorder
from tests.support.pictures import picture
from tests.support.workspace import FIRST, Workspace, ingest


def exporter(workspace: Workspace) -> Exporter:
    return Exporter(lambda: Ledger(workspace.context.settings.ledger), list)


def test_the_metrics_follow_a_batch_and_agree_with_the_status(workspace: Workspace) -> None:
    with closing(exporter(workspace)) as metrics:
        workspace.put("a.jpg", picture(1))
        workspace.put("b.jpg", picture(2))
        workspace.put("bad.jpg", b"no image")
        workspace.close_batch()
        waiting = values(metrics.text())
        ingest(workspace)
        with workspace.context.ledger.transaction() as tx:
            dead_letters.put(tx, b"{", "sqs", "no JSON")
        found = values(metrics.text())
        again = values(metrics.text())
    street = {"dataset": "street"}
    assert waiting("labelyard_unfinished_objects", **street, state="closed") == 3
    assert found("labelyard_unfinished_batches", **street, state="assigned") == 1
    assert found.get("labelyard_unfinished_batches", **street, state="closed") == 0
    states = read_status(workspace.context.ledger).states
    assert {state: found("labelyard_batches", state=state) for state in states} == states
    assert found("labelyard_objects_registered_total", **street) == 3
    assert found("labelyard_objects_quarantined_total", **street) == 1
    for step in ("create_task", "upload_data", "wait_for_status", "assign_jobs"):
        assert found("labelyard_step_seconds_count", **street, step=step) == 1
        assert found("labelyard_step_seconds_sum", **street, step=step) < 60
    assert found("labelyard_batch_transitions_total", **street, state="assigned") == 1
    assert found("labelyard_dead_letters") == 1
    assert found("labelyard_server_up", server="CVAT default") == 1
    assert found("labelyard_ledger_up") == 1
    assert found("labelyard_cvat_responses_total", server=workspace.sandbox.url, method="POST", status="2xx") > 0
    assert again("labelyard_objects_registered_total", **street) == 3, "each entry counts once"
    expected = {one.name for one in METRICS if one.origin is not Origin.PROCESS}
    families = {f"{name}_total" for name in found.families} | set(found.families)
    assert expected - {one.name for one in METRICS if one.kind is Kind.HISTOGRAM} <= families


def test_what_a_failed_scrape_has_not_counted_the_next_one_counts(workspace: Workspace) -> None:
    ledger = workspace.context.ledger
    with closing(exporter(workspace)) as metrics:
        workspace.put("a.jpg")
        workspace.close_batch()
        with ledger.transaction() as tx:
            tx.execute(text("ALTER TABLE dead_letter RENAME TO hidden"))
        failed = values(metrics.text())
        with ledger.transaction() as tx:
            tx.execute(text("ALTER TABLE hidden RENAME TO dead_letter"))
        found = values(metrics.text())
    assert (failed("labelyard_ledger_up"), found("labelyard_ledger_up")) == (0, 1)
    assert found("labelyard_objects_registered_total", dataset="street") == 1
    assert found("labelyard_batch_transitions_total", dataset="street", state="closed") == 1


def test_a_lease_that_its_holder_did_not_release_counts_as_lost(workspace: Workspace) -> None:
    workspace.put("a.jpg")
    with closing(exporter(workspace)) as metrics:
        workspace.close_batch()
        for holder in ("killed:1", "next:2"):
            with workspace.context.ledger.transaction() as tx:
                leases.acquire(tx, FIRST, holder, INGESTING, timedelta(seconds=60))
            workspace.expire_lease()
        with workspace.context.ledger.transaction() as tx:
            leases.release(tx, FIRST, "next:2")
            leases.acquire(tx, FIRST, "after:3", INGESTING, timedelta(seconds=60))
        found = values(metrics.text())
    assert found("labelyard_leases_lost_total", dataset="street") == 1
    assert found("labelyard_leased_batches", dataset="street") == 1


def test_a_watcher_serves_probes_and_metrics_without_details(workspace: Workspace) -> None:
    settings, watcher = workspace.context.settings, Watcher(NotificationRecorder())
    with serving_watcher(settings, watcher) as nowhere:
        assert nowhere is None
    settings.metrics.watcher_port = 0
    with serving_watcher(settings, watcher) as address:
        before = httpx.get(f"{address}/readyz")
        answer = httpx.get(f"{address}/metrics")
    assert (before.status_code, before.json()) == (503, {"alive": False, "ready": False})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = values(answer.content)
    assert found("labelyard_ledger_up") == 1
    assert found("labelyard_watcher_failing", activity="closing batches") == 0
    assert [metric.name for metric, _, _ in of_watcher(watcher)] == ["labelyard_watcher_failing"] * 3
