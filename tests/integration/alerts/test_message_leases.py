"""Messages to people from the ledger alone: each once whatever runs beside, at little cost, and an end of failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

from pydantic import SecretStr
from sqlalchemy import Engine, event

from labelyard.alert_settings import MessageSettings, PersonChannel
from labelyard.context import Context
from labelyard.domain.attention import causes
from labelyard.domain.messages import REFUSED_OFTEN
from labelyard.domain.review import Phase
from labelyard.domain.states import BatchState
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import Ledger, Transaction, batches, messages, workload
from labelyard.ledger.people_tables import JobNotice
from labelyard.ledger.review_tables import Review
from labelyard.ledger.situation import read_situation
from labelyard.ledger.tables import Dataset, Job
from labelyard.operations.doctor.check import Status
from labelyard.operations.doctor.runner import run_checks
from labelyard.operations.send_messages import send_messages
from labelyard.orchestration.doctor_checks import message_checks
from tests.support.alerting import Channels
from tests.support.ledger_samples import Clock, apply, closed_batch, dataset_spec

BATCH = "street-00001"
AT_ONCE = timedelta(0)
T = TypeVar("T")


def with_people(context: Context, *people: str) -> None:
    found = {name: PersonChannel(url=SecretStr(f"json://{name}")) for name in people}
    context.settings.messages = MessageSettings(people=found, bundle_minutes=0)


def begin(context: Context, jobs: Mapping[int, str], **sections: object) -> None:
    """Let people have the jobs of a batch; those with a channel are ann and bob."""
    spec = dataset_spec().model_copy(update=sections)
    apply(context.ledger, spec)
    closed_batch(context.ledger, spec)
    with context.ledger.transaction() as tx:
        batches.get(tx, BATCH).state = BatchState.ASSIGNED
        tx.add_all(
            Job(
                batch_id=BATCH, server_id=number, start_frame=number, stop_frame=number, status=JobStatus.ANNOTATION,
                status_since=tx.now, assignee=person, chosen_assignee=person, returned=0, manual=False,
            )
            for number, person in jobs.items()
        )  # fmt: skip
    with_people(context, "ann", "bob")


def look_and_send(context: Context, channels: Channels) -> list[tuple[str, str]]:
    send_messages(context, channels.send)
    return channels.new()


def read(context: Context, *people: str) -> list[messages.DuePerson]:
    with context.ledger.read_only() as tx:
        return [*messages.read(tx, dict.fromkeys(people, False), AT_ONCE)]


def lease(context: Context) -> messages.DuePerson:
    """Lease the message to ann, as a process that then sends it."""
    [due] = read(context, "ann")
    leased = acquire(context, due)
    assert leased is not None
    return leased


def move(context: Context, state: BatchState) -> None:
    with context.ledger.transaction() as tx:
        batches.get(tx, BATCH).state = state


def test_of_many_processes_at_once_one_sends(context: Context, ledger_url: str, clock: Clock) -> None:
    begin(context, {1: "ann", 2: "ann"})
    channels = Channels()

    def look_elsewhere(_: int) -> int:
        with closing(Ledger(ledger_url, clock=clock)) as ledger:
            return send_messages(Context(context.settings, ledger, context.store), channels.send)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look_elsewhere, range(8))) == 1
    assert channels.new() == [("ann", "2 jobs to label")]


def test_a_look_that_read_before_another_one_sent_sends_nothing(context: Context, channels: Channels) -> None:
    begin(context, {1: "ann"})
    [due] = read(context, "ann")
    assert look_and_send(context, channels) == [("ann", "1 job to label")]
    assert acquire(context, due) is None


def test_who_sent_too_slowly_records_nothing_about_the_lease_of_another(context: Context, clock: Clock) -> None:
    begin(context, {1: "ann"})
    slow = lease(context)
    assert read(context, "ann") == [], "the lease lasts"
    clock.advance(minutes=3)
    lease(context)
    with context.ledger.transaction() as tx:
        messages.record_sent(tx, slow)
        messages.record_failure(tx, slow, "503")
        assert (messages.channels(tx)["ann"].sent_at, messages.channels(tx)["ann"].error) == (None, None)


def test_forgetting_a_person_and_recording_never_wait_for_each_other(
    context: Context, channels: Channels, clock: Clock
) -> None:
    begin(context, {1: "ann"})
    sending = lease(context)
    assert read(context) == [], "nobody touches a person who is leased"
    clock.advance(minutes=3)
    [forgetting] = read(context)
    assert during(context.ledger, record(sending), lambda: acquire(context, forgetting)) is None
    with context.ledger.read_only() as tx:
        assert messages.channels(tx)["ann"].sent_at == clock.now, "what was recorded is not lost"

    move_job(context, 1, returned=1)
    sending = lease(context)
    clock.advance(minutes=3)
    with_people(context)
    assert look_and_send(context, channels) == []
    clock.advance(days=2)
    [forgetting] = read(context)
    during(context.ledger, lambda tx: messages.acquire(tx, forgetting), lambda: run(context, record(sending)))
    with context.ledger.read_only() as tx:
        assert (tx.query(JobNotice).count(), messages.channels(tx)) == (0, {})


def record(due: messages.DuePerson) -> Callable[[Transaction], None]:
    return lambda tx: messages.record_sent(tx, due)


def run(context: Context, does: Callable[[Transaction], None]) -> None:
    with context.ledger.transaction() as tx:
        does(tx)


def acquire(context: Context, due: messages.DuePerson) -> messages.DuePerson | None:
    with context.ledger.transaction() as tx:
        return messages.acquire(tx, due)


def during(ledger: Ledger, first: Callable[[Transaction], object], second: Callable[[], T]) -> T:
    """Return the result of `second`, which begins after `first` has written and before it commits."""
    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction() as tx:
            first(tx)
            tx.flush()
            running = pool.submit(second)
            with suppress(NotYet):
                running.result(timeout=0.3)  # it waits for the first transaction
        return running.result()


def test_an_idle_look_reads_each_table_once_and_writes_nothing(context: Context, channels: Channels) -> None:
    people = [f"person{number}" for number in range(30)]
    begin(context, {number: people[number % 30] for number in range(3000)})
    with_people(context, *people)
    assert len(look_and_send(context, channels)) == 30
    with statements() as said:
        assert look_and_send(context, channels) == []
    assert [one for one in said if not one.startswith(("SELECT", "PRAGMA", "BEGIN"))] == []
    assert len(said) <= 8


@contextmanager
def statements() -> Iterator[list[str]]:
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_a_failed_batch_that_is_retried_is_not_mentioned_again_and_a_cancelled_one_is(
    context: Context, channels: Channels
) -> None:
    begin(context, {1: "ann", 2: "bob"})
    assert len(look_and_send(context, channels)) == 2
    for state in (BatchState.FAILED, BatchState.ASSIGNED, BatchState.FAILED):
        move(context, state)
        assert look_and_send(context, channels) == []
    move(context, BatchState.CANCELLED)
    assert look_and_send(context, channels) == [(name, "1 job not with you any more") for name in ("ann", "bob")]
    assert look_and_send(context, channels) == []
    with context.ledger.read_only() as tx:
        assert tx.query(JobNotice).count() == 0


def test_a_review_that_a_person_has_to_decide_repeats_no_message(context: Context, channels: Channels) -> None:
    begin(context, {1: "bob"})
    with context.ledger.transaction() as tx:
        [job] = tx.query(Job)
        tx.add(Review(
            job_id=job.id, phase=Phase.REVIEW, selected=True, annotator="ann", reviewer="bob", round=1,
            earlier_rounds=0, since=tx.now,
        ))  # fmt: skip
    assert look_and_send(context, channels) == [("bob", "1 job to review")]
    for problem in ("bob is no member of the organization", None):
        with context.ledger.transaction() as tx:
            [review] = tx.query(Review)
            review.problem = problem
        assert look_and_send(context, channels) == []


def test_the_hours_of_a_retired_dataset_count_and_the_doctor_knows_its_people(
    context: Context, ledger_url: str, channels: Channels, clock: Clock
) -> None:
    context.settings.ledger = ledger_url
    spec = dataset_spec()
    hours = spec.assignment.model_validate({"hours": ["mon-fri 14:00-17:00"], "timezone": "UTC"})
    begin(context, {1: "ann"}, assignment=hours)
    with context.ledger.transaction() as tx:
        tx.get_one(Dataset, "street").retired_at = tx.now
    assert look_and_send(context, channels) == []
    found = {one.name: one.status for one in run_checks(context.settings, {"messages": message_checks})}
    assert found["channel of ann"] is Status.OK
    clock.advance(hours=3)
    assert look_and_send(context, channels) == [("ann", "1 job to label")]


def test_the_lead_hears_no_more_of_a_person_whose_channel_was_removed(
    context: Context, channels: Channels, clock: Clock
) -> None:
    begin(context, {1: "ann", 2: "bob"})
    assert look_and_send(context, channels)
    move_job(context, 1, returned=1)
    channels.down = {"ann"}
    for _ in range(REFUSED_OFTEN):
        before = marker(context)
        assert look_and_send(context, channels) == []
        clock.advance(hours=1)
    assert marker(context) != before, "the page shows it"
    assert not_reached(context) == ["ann gets no messages about work: 503"]
    with_people(context)
    assert look_and_send(context, channels) == []
    assert not_reached(context) == []
    with_people(context, "ann", "bob")
    channels.down = set()
    assert look_and_send(context, channels) == [("ann", "1 job back to be corrected")], (
        "bob was told before the mistake"
    )
    with_people(context)
    look_and_send(context, channels)
    clock.advance(days=2)
    look_and_send(context, channels)
    with context.ledger.read_only() as tx:
        assert (tx.query(JobNotice).count(), messages.channels(tx)) == (0, {})


def test_failures_end_with_the_work(context: Context, channels: Channels, clock: Clock) -> None:
    begin(context, {1: "ann"})
    channels.down = {"ann"}
    for _ in range(REFUSED_OFTEN):
        look_and_send(context, channels)
        clock.advance(hours=1)
    assert len(not_reached(context)) == 1
    move_job(context, 1, status=JobStatus.COMPLETED)
    look_and_send(context, channels)
    assert not_reached(context) == []


def move_job(context: Context, number: int, **changes: object) -> None:
    with context.ledger.transaction() as tx:
        [row] = tx.query(Job).filter_by(server_id=number)
        for name, value in changes.items():
            setattr(row, name, value)


def not_reached(context: Context) -> list[str]:
    with context.ledger.read_only() as tx:
        return [cause.what for cause in causes(read_situation(tx)) if "messages" in cause.what]


def marker(context: Context) -> str:
    with context.ledger.read_only() as tx:
        return str(workload.marker(tx))
