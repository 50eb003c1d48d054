"""The outbox is published until Prefect accepts it, and a batch without a run is published again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labelyard.domain.states import Event
from labelyard.errors import PrefectUnreachable
from labelyard.ledger import Ledger, batches, outbox
from labelyard.pipeline.acquire_batch import acquire_batch
from labelyard.pipeline.publish_events import (
    EventToPublish,
    publish_again,
    publish_events,
    publish_waiting,
    record_not_started,
)
from tests.support.ledger_samples import Clock
from tests.support.workspace import FIRST, Workspace


class Prefect:
    """Accepts events, unless it is `down`; `queued` are batches whose run has not started."""

    def __init__(self, *queued: str) -> None:
        self.down = False
        self.queued = set(queued)
        self.accepted: list[EventToPublish] = []

    def publish(self, events: Sequence[EventToPublish]) -> None:
        if self.down:
            raise PrefectUnreachable("no answer")
        self.accepted += events

    def batches_with_queued_run(self) -> set[str]:
        return self.queued


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = datetime.now(UTC)
    return clock


@pytest.fixture
def impatient(closed: Workspace) -> Workspace:
    """A closed batch that is published again at once."""
    closed.context.settings.publish_again_seconds = 0.001
    return closed


def test_an_event_names_batch_dataset_and_attempt_and_is_published_once(closed: Workspace) -> None:
    prefect = Prefect()
    assert (publish_events(closed.context, prefect), publish_events(closed.context, prefect)) == (1, 0)
    [event] = prefect.accepted
    assert (event.name, event.batch, event.dataset, event.attempt) == (Event.BATCH_CLOSED, "street-00001", "street", 1)


def test_an_event_that_prefect_does_not_accept_stays_in_the_outbox_with_its_id(closed: Workspace) -> None:
    prefect = Prefect()
    with closed.context.ledger.read_only() as tx:
        [(row, _)] = outbox.unpublished(tx)
        event_id = str(outbox.event_id(tx, row))
    prefect.down = True
    with pytest.raises(PrefectUnreachable):
        publish_events(closed.context, prefect)
    prefect.down = False
    assert publish_events(closed.context, prefect) == 1
    assert [event.id for event in prefect.accepted] == [event_id]


def test_a_batch_without_a_run_is_published_again_as_the_next_attempt(impatient: Workspace) -> None:
    prefect = Prefect()
    publish_events(impatient.context, prefect)
    assert publish_again(impatient.context, prefect) == 1
    publish_events(impatient.context, prefect)
    assert [event.attempt for event in prefect.accepted] == [1, 2]


def test_a_batch_whose_events_start_no_run_is_published_again_after_waits_that_double_until_a_run_has_it(
    closed: Workspace, clock: Clock
) -> None:
    prefect, began = Prefect(), clock.now
    with closing(Ledger(closed.context.settings.ledger, clock=clock)) as ledger:
        context = replace(closed.context, ledger=ledger)
        published = []
        for _ in range(200):
            if publish_waiting(context, prefect):
                published.append(round((clock.now - began).total_seconds() / 60))
            clock.advance(minutes=1)
        assert published == [0, 1, 3, 7, 15, 31, 63, 123, 183]
        with acquire_batch(context, FIRST):
            pass
        assert publish_waiting(context, prefect) == 1


def test_a_batch_with_a_queued_or_a_working_run_is_not_published_again(impatient: Workspace) -> None:
    publish_events(impatient.context, Prefect())
    assert publish_again(impatient.context, Prefect("street-00001")) == 0
    with acquire_batch(impatient.context, "street-00001"):
        assert publish_again(impatient.context, Prefect()) == 0


def test_a_run_that_prefect_did_not_start_is_shown_in_the_status_of_its_batch(closed: Workspace) -> None:
    assert record_not_started(closed.context, "street-00001", "503")
    assert closed.line().error == "Prefect did not start a run: 503"
    assert not record_not_started(closed.context, "street-99999", "503")


def test_a_batch_that_waits_gets_a_run_when_its_wait_is_over_and_not_a_minute_later(closed: Workspace) -> None:
    prefect = Prefect()
    publish_events(closed.context, prefect)
    with closed.context.ledger.transaction() as tx:
        batches.wait_for_server(tx, batches.get(tx, FIRST), timedelta(minutes=1))
    assert publish_again(closed.context, prefect) == 0
    closed.end_wait()
    assert publish_again(closed.context, prefect) == 1
    publish_events(closed.context, prefect)
    assert publish_again(closed.context, prefect) == 0, "the new event has its own quiet time"
