"""The policy `forecast` learns from the ledger who is fast, and the history and the page of the batch say why."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from labelyard.ledger import batches, jobs
from labelyard.operations.figure_words import forecast
from labelyard.operations.figures import read_figures
from labelyard.operations.foresee import forecast_of_batch
from labelyard.operations.people import read_people
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.page_links import PageLinks
from labelyard.pipeline.collect_finished import collect
from tests.integration.pipeline.test_assign_waiting_jobs import reasons
from tests.support.assigning import begin, complete, who
from tests.support.cvat_families import V2
from tests.support.workspace import FIRST, Workspace

SECOND = "street-00002"
FORECAST = {"policy": "forecast", "limit": 9}
LENGTHS = {"ann": timedelta(minutes=2), "bob": timedelta(minutes=20)}


def pretend_lengths(workspace: Workspace) -> None:
    """Let the completed jobs have taken their people as long as LENGTHS says, until two days ago."""
    with workspace.context.ledger.transaction() as tx:
        for name, length in LENGTHS.items():
            rows = [row for row in jobs.of_batch(tx, FIRST) if row.assignee == name]
            for number, row in enumerate(rows):
                row.assigned_at = tx.now - timedelta(days=2) + number * length
                row.status_since = row.assigned_at + length


@pytest.mark.parametrize("cvat_version", [V2])
def test_who_was_fast_gets_the_next_jobs_and_the_history_says_why(workspace: Workspace) -> None:
    names = [f"{number}.jpg" for number in range(6)]
    begin(workspace, *names, assignment=FORECAST)
    assert {*who(workspace)} == {"ann", "bob"}
    assert "forecast knows too little yet; least loaded" in reasons(workspace, "assigned")[0]
    for number in range(6):
        complete(workspace, number)
    collect(workspace.context)
    pretend_lengths(workspace)

    begin(workspace, "a.jpg", "b.jpg", "c.jpg", "d.jpg", batch=SECOND, assignment=FORECAST)
    assert who(workspace, SECOND) == ["ann"] * 4
    said = reasons(workspace, "assigned", SECOND)[0]
    assert "to ann: forecast: " in said
    assert said.endswith("UTC, before bob")
    assert "minutes an image, learned from 3 jobs: ann completes it first, about" in said
    with workspace.context.ledger.read_only() as tx:
        page, *_ = batch_markdown(tx, SECOND, PageLinks("http://prefect", {}), UTC)
        of_batch = forecast_of_batch(tx, batches.get(tx, SECOND), UTC)
    assert "ann completes it first" in page
    assert "**Forecast**: none yet" in page
    assert of_batch is not None
    assert (of_batch.images, of_batch.done) == (4, None), "nobody had work for a whole day"
    assert forecast(read_figures(workspace.context.ledger)).startswith("none yet, it needs 5 completed jobs")
    learned = {one.person: one.minutes_an_image for one in read_people(workspace.context.ledger).people}
    assert (learned["ann"] or 0) < (learned["bob"] or 0) / 3
