"""Objects that the store refuses are quarantined alone; a refusal of everything quarantines nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labelyard.domain.objects import StoredObject
from labelyard.errors import NoUsableImage, StoreError, StoreUnauthorized
from labelyard.ledger import breakers
from labelyard.operations.explain import explain
from labelyard.operations.status import problems, read_status
from labelyard.pipeline.register_objects import register_deletions, register_objects, sweep_sources
from labelyard.sources.notifications import NotifiedObject
from labelyard.storage import Store
from tests.support import refusing_store
from tests.support.pictures import picture
from tests.support.refusing_store import RefusingStore, refusing
from tests.support.workspace import Workspace, ingest

SECOND = "street-00002"


@pytest.fixture
def refusal(workspace: Workspace) -> Iterator[RefusingStore]:
    """The workspace's store behind a proxy that refuses what the test says."""
    settings = workspace.context.settings.store
    with refusing(settings.endpoint_url or "") as proxy:
        workspace.context.store = Store(settings.model_copy(update={"endpoint_url": proxy.url}))
        yield proxy


def put(workspace: Workspace, *names: str) -> None:
    for number, name in enumerate(names):
        workspace.put(name, picture(number))


def notified(workspace: Workspace, name: str, etag: str = "") -> NotifiedObject:
    return NotifiedObject(StoredObject(workspace.bucket, f"in/{name}", etag), "ObjectCreated:Put", "aws:s3")


@pytest.mark.parametrize(
    ("how", "advice"),
    [
        (refusing_store.DENIED, "s3:GetObject"),
        (refusing_store.KMS_DENIED, "kms:Decrypt"),
        (refusing_store.KMS_DISABLED, "kms:Decrypt"),
        (refusing_store.SSE_C, "SSE-C"),
    ],
)
def test_an_object_that_the_store_refuses_is_quarantined_alone_with_reason_and_advice(
    workspace: Workspace, refusal: RefusingStore, how: refusing_store.Refusal, advice: str
) -> None:
    put(workspace, "1.jpg", "2.jpg", "3.jpg")
    refusal.keys["in/2.jpg"] = how
    workspace.close_batch()
    ingest(workspace)
    assert workspace.line().state == "assigned"
    assert workspace.frames() == ["1.jpg", "3.jpg"]
    [(url, reason)] = workspace.line().quarantined.items()
    assert url == workspace.url("2.jpg")
    assert how[1] in reason
    assert advice in reason
    [one] = explain(workspace.context, url)
    assert "the next sweep registers it again" in one.now[-1]


def test_a_refused_object_returns_by_itself_once_it_can_be_read(workspace: Workspace, refusal: RefusingStore) -> None:
    put(workspace, "1.jpg", "2.jpg")
    refusal.keys["in/2.jpg"] = refusing_store.DENIED
    workspace.close_batch()
    ingest(workspace)
    assert sweep_sources(workspace.context).registered["street"].new == 0
    del refusal.keys["in/2.jpg"]
    assert sweep_sources(workspace.context).registered["street"].new == 1
    workspace.close_batch()
    ingest(workspace, SECOND)
    assert workspace.frames(SECOND) == ["2.jpg"]
    assert workspace.line().quarantined == {}
    assert sweep_sources(workspace.context).registered["street"].new == 0


def test_a_refused_object_that_is_put_again_readable_is_labelled(workspace: Workspace, refusal: RefusingStore) -> None:
    put(workspace, "1.jpg", "2.jpg")
    refusal.keys["in/2.jpg"] = refusing_store.DENIED
    workspace.close_batch()
    ingest(workspace)
    workspace.put("2.jpg", picture(7))
    refusal.keys.clear()
    workspace.close_batch()
    ingest(workspace, SECOND)
    assert workspace.frames(SECOND) == ["2.jpg"]
    assert sweep_sources(workspace.context).failed == []
    assert [row.refused_at for row in workspace.objects("2.jpg")] == [None, None]


def test_a_single_object_of_a_bucket_that_is_refused_does_not_hold_its_batch(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    put(workspace, "1.jpg")
    refusal.keys["in/1.jpg"] = refusing_store.DENIED
    workspace.close_batch()
    with pytest.raises(NoUsableImage):
        ingest(workspace)
    assert workspace.line().state == "quarantined"
    refusal.keys.clear()
    workspace.close_batch()
    ingest(workspace, SECOND)
    assert workspace.line(SECOND).state == "assigned"


def test_a_batch_of_refused_objects_is_quarantined_if_others_of_the_bucket_can_be_read(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    put(workspace, "0.jpg")
    workspace.close_batch()
    ingest(workspace)
    put(workspace, "1.jpg", "2.jpg")
    refusal.keys |= {"in/1.jpg": refusing_store.DENIED, "in/2.jpg": refusing_store.DENIED}
    workspace.close_batch()
    with pytest.raises(NoUsableImage):
        ingest(workspace, SECOND)
    assert workspace.line(SECOND).state == "quarantined"


def test_a_bucket_that_is_refused_as_a_whole_quarantines_nothing_and_its_batch_waits(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    put(workspace, "1.jpg", "2.jpg")
    workspace.close_batch()
    refusal.all_objects = refusing_store.DENIED
    with pytest.raises(StoreError, match="none can be read") as caught:
        ingest(workspace)
    assert "s3:GetObject" in caught.value.next_step
    line = workspace.line()
    assert (line.state, line.not_before is not None, line.quarantined) == ("created", True, {})
    refusal.all_objects = None
    workspace.retry()
    ingest(workspace)
    assert workspace.frames() == ["1.jpg", "2.jpg"]


def test_wrong_credentials_open_the_breaker_of_the_store_and_quarantine_nothing(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    put(workspace, "1.jpg", "2.jpg")
    workspace.close_batch()
    refusal.everything = refusing_store.WRONG_KEY
    for _ in range(breakers.FAILURES_TO_OPEN):
        with pytest.raises(StoreUnauthorized, match="InvalidAccessKeyId"):
            ingest(workspace)
        workspace.retry()
    with workspace.context.ledger.read_only() as tx:
        assert [row.server for row in breakers.failing(tx)] == [breakers.STORE]
    assert workspace.line().quarantined == {}


@pytest.mark.parametrize("how", [refusing_store.DENIED, refusing_store.SSE_C])
def test_a_notified_object_whose_head_is_refused_is_registered(
    workspace: Workspace, refusal: RefusingStore, how: refusing_store.Refusal
) -> None:
    put(workspace, "1.jpg", "2.jpg")
    refusal.keys["in/1.jpg"] = how
    events = [notified(workspace, name) for name in ("1.jpg", "2.jpg", "deleted.jpg")]
    refusal.keys["in/deleted.jpg"] = how
    assert register_objects(workspace.context, events, "event").new == 2
    assert workspace.objects("1.jpg")[0].size == len(picture(0))
    assert register_deletions(workspace.context, events, "event") == 0
    assert sweep_sources(workspace.context).registered["street"].new == 0


def test_while_the_credentials_are_wrong_no_notification_is_given_up(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    put(workspace, "1.jpg")
    refusal.everything = refusing_store.WRONG_KEY
    with pytest.raises(StoreUnauthorized) as caught:
        register_objects(workspace.context, [notified(workspace, "1.jpg")], "event")
    assert caught.value.retry  # so the watcher leaves the message in the queue
    refusal.everything = None
    assert register_objects(workspace.context, [notified(workspace, "1.jpg")], "event").new == 1


def test_an_object_that_can_neither_be_headed_nor_listed_is_registered_as_notified(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    put(workspace, "1.jpg")
    etag = workspace.context.store.head(workspace.bucket, "in/1.jpg").etag
    refusal.everything = refusing_store.DENIED
    assert register_objects(workspace.context, [notified(workspace, "1.jpg", etag)], "event").new == 1
    refusal.everything = None
    workspace.close_batch()
    ingest(workspace)
    assert workspace.frames() == ["1.jpg"]


def test_status_shows_one_line_for_all_objects_refused_for_the_same_reason(
    workspace: Workspace, refusal: RefusingStore
) -> None:
    names = [f"{number}.jpg" for number in range(9)]
    put(workspace, *names)
    refusal.keys |= {f"in/{name}": refusing_store.DENIED for name in names[1:]}
    workspace.close_batch()
    ingest(workspace)
    [line, more] = problems(read_status(workspace.context.ledger))
    assert line.startswith("8 files quarantined in street-00001: refused by the store: AccessDenied")
    assert more == "each of the 8 quarantined files: labelyard status --all"
