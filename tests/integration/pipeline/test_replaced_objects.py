"""A quarantined file is replaced or deleted in the bucket: a new object is labelled, and the quarantine is over."""

from __future__ import annotations

import pytest

from labelyard.domain.causes import Kind
from labelyard.domain.objects import StoredObject
from labelyard.domain.quarantine import REFUSED
from labelyard.errors import NoUsableImage
from labelyard.ledger import objects, refusals
from labelyard.operations import manual
from labelyard.operations.explain import explain
from labelyard.operations.figures import read_figures
from labelyard.operations.status import problems, read_status
from labelyard.orchestration.batch_artifact import batch_markdown
from labelyard.orchestration.operations_artifact import operations_markdown
from labelyard.orchestration.page_links import PageLinks
from labelyard.pipeline.register_objects import register_deletions, sweep_sources
from labelyard.sources.notifications import NotifiedObject
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest

ADVICE = "upload a good file under the same key: it is labelled with the next batch"


@pytest.fixture
def rejected(workspace: Workspace) -> Workspace:
    """A batch that is labelled without its file bad.jpg, which is no image."""
    workspace.put("good.jpg", picture(1))
    workspace.put("bad.jpg", b"no image")
    workspace.close_batch()
    ingest(workspace)
    return workspace


def quarantined(workspace: Workspace) -> int:
    """How many objects the page names; `labelyard status` names the same ones."""
    causes = [one for one in read_figures(workspace.context.ledger).causes if one.kind is Kind.QUARANTINED]
    lines = [line for line in problems(read_status(workspace.context.ledger)) if "quarantined" in line]
    assert len(lines) == len(causes)
    return sum(cause.objects for cause in causes)


def page_of_batch(workspace: Workspace) -> str:
    with workspace.context.ledger.read_only() as tx:
        return batch_markdown(tx, "street-00001", PageLinks("http://ui"), workspace.context.settings.zone)[0]


def test_a_good_file_under_the_same_key_is_a_new_object_and_ends_the_quarantine(rejected: Workspace) -> None:
    assert quarantined(rejected) == 1
    shown = [operations_markdown(read_figures(rejected.context.ledger), PageLinks("http://ui"))]
    shown += [page_of_batch(rejected), "\n".join(problems(read_status(rejected.context.ledger)))]
    shown += ["\n".join(explain(rejected.context, rejected.url("bad.jpg"))[0].now)]
    for text in shown:
        assert ADVICE in text.replace("\\", "")
    rejected.put("bad.jpg", picture(2))
    sweep_sources(rejected.context)
    assert quarantined(rejected) == 0
    assert ADVICE not in page_of_batch(rejected)
    rejected.close_batch()
    ingest(rejected, "street-00002")
    assert rejected.line("street-00002").state == "assigned"
    old, new = explain(rejected.context, rejected.url("bad.jpg"))
    assert old.history[-1].what == "replaced"
    assert "street-00002 is assigned" in new.now[0]
    assert rejected.line().quarantined.keys() == {rejected.url("bad.jpg")}, "the batch was labelled without it"


def test_another_bad_file_is_one_entry_and_deleting_it_ends_that(rejected: Workspace) -> None:
    rejected.put("bad.jpg", b"no image either")
    rejected.close_batch()
    with pytest.raises(NoUsableImage, match="upload good files under the same keys"):
        ingest(rejected, "street-00002")
    assert quarantined(rejected) == 1
    rejected.s3.delete_object(Bucket=rejected.bucket, Key="in/bad.jpg")
    deleted = StoredObject(rejected.bucket, "in/bad.jpg", "")
    register_deletions(rejected.context, [NotifiedObject(deleted, "ObjectRemoved:Delete", "aws:s3")], "sqs")
    assert quarantined(rejected) == 0


def test_what_a_person_quarantined_stays_so_when_it_comes_back(rejected: Workspace) -> None:
    manual.quarantine(rejected.context, rejected.url("good.jpg"), "a private person")
    for content in (2, 1):
        rejected.put("good.jpg", picture(content))
        sweep_sources(rejected.context)
    old, _ = rejected.objects("good.jpg")
    assert (old.quarantine_reason, old.deleted_at) == ("manually: a private person", None)


def test_a_refused_object_that_was_replaced_is_not_asked_for_again(rejected: Workspace) -> None:
    with rejected.context.ledger.transaction() as tx:
        [row] = objects.of_key(tx, rejected.bucket, "in/bad.jpg")
        refusals.quarantine_refused(tx, row, f"{REFUSED}AccessDenied")
    rejected.put("bad.jpg", picture(2))
    sweep_sources(rejected.context)
    with rejected.context.ledger.read_only() as tx:
        assert not refusals.waiting(tx, "street", limit=9)
