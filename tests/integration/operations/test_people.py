"""The figures of people agree with the operations page, and say what reviews said."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from labelyard.cli import labelyard
from labelyard.errors import NotFound
from labelyard.operations import absences
from labelyard.operations.figures import read_figures
from labelyard.operations.people import read_people
from labelyard.pipeline.collect_finished import collect
from tests.support.cvat_families import V2
from tests.support.pictures import picture
from tests.support.workspace import Workspace, draw_and_complete, export, finish_jobs, ingest

on_cvat_2 = pytest.mark.parametrize("cvat_version", [V2])


@on_cvat_2
def test_the_figures_of_people_are_those_of_the_operations_page_and_of_their_reviews(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.apply(annotators=["ann"], review={"reviewers": ["bob"]})
    for number in range(2):
        workspace.put(f"{number}.jpg", picture(number))
        workspace.close_batch()
        ingest(workspace, f"street-0000{number + 1}")
    ledger = workspace.context.ledger
    finish_jobs(workspace)  # it goes to bob
    [ann, bob] = read_people(ledger).people
    assert (ann.person, ann.open_jobs, ann.to_review, bob.open_jobs, bob.to_review) == ("ann", 1, 0, 0, 1)

    cvat = workspace.context.cvat("default")
    [job] = cvat.jobs(workspace.line().task_id or 0)
    workspace.person("root").reject_job(job.id)
    collect(workspace.context)
    draw_and_complete(workspace)
    collect(workspace.context)  # to bob again
    draw_and_complete(workspace)  # who accepts it
    collect(workspace.context)
    collect(workspace.context)
    export(workspace)
    absences.away(ledger, "ann", None)

    [ann] = [one for one in read_people(ledger, "street").people if one.person == "ann"]
    assert (ann.open_jobs, ann.done_jobs, ann.images, ann.is_away) == (1, 1, 1, True)
    assert (ann.reviewed, ann.accepted_at_once, ann.mean_rounds) == (1, 0, 2.0)
    assert sum(ann.annotations.values()) == len(workspace.exported_document()["annotations"])
    shown = next(one for one in read_figures(ledger, "street").people if one.name == "ann")
    assert (shown.open_jobs, shown.open_images, shown.images_week, shown.returned, shown.images_per_hour) == (
        ann.open_jobs, ann.open_images, ann.images, ann.returned, ann.images_per_hour,
    )  # fmt: skip

    with ledger.read_only() as tx:
        later = tx.now + timedelta(days=1)
    assert [one.done_jobs for one in read_people(ledger, since=later).people] == [0]
    with pytest.raises(NotFound):
        read_people(ledger, "nothing")

    monkeypatch.setenv("LABELYARD_LEDGER", workspace.context.settings.ledger)
    printed = {
        option: CliRunner().invoke(labelyard, ["people", *option]).output for option in ((), ("--csv",), ("--json",))
    }
    assert "ann (away)" in printed[()]
    [row] = [one for one in csv.DictReader(io.StringIO(printed["--csv",])) if one["person"] == "ann"]
    [one] = [one for one in json.loads(printed["--json",])["people"] if one["person"] == "ann"]
    assert (row["images"], json.loads(row["annotations"])) == (str(one["images"]), one["annotations"])
    assert (row["dataset"], one["dataset"]) == ("street", "street")
