"""The table of metrics: what Prometheus, the documents and the dashboard make of it."""

from __future__ import annotations

import json
import re

import pytest

from labelyard.metrics import (
    METRICS,
    WORKER_RUNS,
    Kind,
    Metric,
    count_cvat_response,
    count_store_response,
    status_class,
)
from labelyard.operations.metrics import Exporter, Sample
from tests.support.metric_values import no_ledger, values
from tests.support.paths import ROOT

DASHBOARD = json.loads((ROOT / "deployments" / "grafana-dashboard.json").read_text())
BY_SERIES: dict[str, Metric] = {
    series: metric
    for metric in METRICS
    for series in (
        [f"{metric.name}_{part}" for part in ("bucket", "count", "sum")]
        if metric.kind is Kind.HISTOGRAM
        else [metric.name]
    )
}


def expressions() -> list[str]:
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*found, *(one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")]


def test_names_are_unique_and_those_of_counters_end_with_total() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert [one.name for one in METRICS if (one.kind is Kind.COUNTER) is not one.name.endswith("_total")] == []


def test_the_dashboard_names_only_metrics_and_labels_that_exist() -> None:
    assert len(expressions()) > 20
    for expression in expressions():
        series = re.findall(r"labelyard_\w+", expression)
        assert [name for name in series if name not in BY_SERIES] == [], expression
        known = {"le", "instance", "job", *(label for name in series for label in BY_SERIES[name].labels)}
        matched = re.findall(r"(\w+)=~?\"", expression)
        grouped = [name for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")]
        assert set(matched) | set(grouped) <= known, expression
        # It keeps Kubernetes' labels (pod, container), so a sum of it counts each process.
        assert "without" not in expression


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_documented(metric: Metric) -> None:
    assert f"| `{metric.name}` | {metric.kind} |" in (ROOT / "docs" / "metrics.md").read_text()


def test_responses_are_counted_by_class() -> None:
    assert [status_class(status) for status in (200, 204, 404, 503, None)] == ["2xx", "2xx", "4xx", "5xx", "none"]
    count_cvat_response("http://cvat.of.this.test", "GET", 503, 0.2)
    count_store_response("service-of-this-test", None)
    found = values(Exporter(no_ledger, list).text())
    cvat = {"server": "http://cvat.of.this.test"}
    assert found("labelyard_cvat_responses_total", **cvat, method="GET", status="5xx") == 1
    assert found("labelyard_cvat_request_seconds_count", **cvat) == 1
    assert found("labelyard_store_responses_total", service="service-of-this-test", status="none") == 1


def test_without_a_ledger_the_metrics_of_the_process_remain() -> None:
    found = values(Exporter(no_ledger, list).text())
    assert found("labelyard_ledger_up") == 0
    assert found("process_cpu_seconds_total") > 0
    assert found.names.isdisjoint({"labelyard_batches", "labelyard_dead_letters"})


def test_a_part_that_fails_takes_no_other_with_it() -> None:
    def failing() -> list[Sample]:
        raise ValueError("a fault")

    found = values(Exporter(no_ledger, failing, lambda: [(WORKER_RUNS, (), 2.0)]).text())
    assert (found("labelyard_worker_runs"), found("labelyard_ledger_up")) == (2, 0)
