"""The pipeline inspects as its CVAT shows images: what passes makes a task that does not fail."""

from __future__ import annotations

import pytest

from labelyard.operations.explain import explain
from tests.support.paths import ROOT
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest

CASES = ROOT / "tests" / "cases" / "images"


@pytest.fixture
def ingested(workspace: Workspace) -> Workspace:
    """A batch of all cases and one photograph, in a task of the sandbox, which has the rules of CVAT 1.0.0."""
    workspace.put("photograph.jpg", picture())
    for file in CASES.iterdir():
        if file.suffix != ".md":
            workspace.put(file.name, file.read_bytes())
    workspace.close_batch()
    ingest(workspace)
    return workspace


def test_what_cvat_1_0_0_cannot_open_is_quarantined_alone_and_the_rest_becomes_a_task(ingested: Workspace) -> None:
    reasons = {
        file.name: ingested.objects(file.name)[0].quarantine_reason for file in CASES.iterdir() if file.suffix != ".md"
    }
    assert {name for name, reason in reasons.items() if reason} == {"big.tif", "c_zstd.tif", "lab.tif", "hole.jpg"}
    assert len(ingested.frames()) == 1 + len(reasons) - 4


def test_the_ledger_has_the_size_that_cvat_shows(ingested: Workspace) -> None:
    row = ingested.objects("orient6.tif")[0]
    assert (row.width, row.height, row.exif_orientation) == (120, 160, 1)
    frames = ingested.context.cvat("default").frames(ingested.line().task_id or 0)
    assert (120, 160) in {(frame.width, frame.height) for frame in frames}


def test_why_says_what_annotators_will_see(ingested: Workspace) -> None:
    (explanation,) = explain(ingested.context, ingested.url("float.tif"))
    inspected = [entry.reason for entry in explanation.history if entry.what == "inspected"]
    assert len(inspected) == 1
    assert "frames are black" in inspected[0]
