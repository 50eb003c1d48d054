"""Messages to people about their work, by a real mail server and a real webhook, while work comes, goes and returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from labelyard import failpoints
from labelyard.alert_settings import MessageSettings, PersonChannel
from labelyard.domain.attention import causes
from labelyard.domain.causes import Kind
from labelyard.domain.tasks import JobStatus
from labelyard.ledger import messages
from labelyard.ledger.situation import read_situation
from labelyard.operations import absences
from labelyard.operations.people import read_people
from labelyard.operations.reassign import reassign
from labelyard.operations.send_messages import send_messages
from labelyard.orchestration.alert_channels import send
from labelyard.pipeline.collect_finished import collect
from tests.chaos.fault_plan import MESSAGE_FAILPOINTS
from tests.support.assigning import begin, complete, move
from tests.support.cvat_families import V2
from tests.support.own_process import send_messages_in_own_process
from tests.support.smtp_receiver import Mailbox, mailbox
from tests.support.webhook_receiver import Receiver, receiver
from tests.support.workspace import FIRST, Workspace

on_cvat_2 = pytest.mark.parametrize("cvat_version", [V2])


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    with mailbox() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


def with_channels(workspace: Workspace, bundle_minutes: float = 0, **urls: str) -> None:
    people = {name: PersonChannel(url=SecretStr(url)) for name, url in urls.items()}
    workspace.context.settings.messages = MessageSettings(people=people, bundle_minutes=bundle_minutes)


def text(mail: Mailbox, number: int) -> str:
    body = mail.received[number].get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def send_due(workspace: Workspace) -> int:
    return send_messages(workspace.context, send)


def try_again_now(workspace: Workspace, person: str) -> None:
    """Let the wait after a failure, or the lease of a dead process, be over."""
    with workspace.context.ledger.transaction() as tx:
        row = messages.channels(tx)[person]
        row.not_before = row.leased_until = None


@on_cvat_2
def test_people_are_notified_of_work_that_arrives_goes_and_comes_back(
    workspace: Workspace, mail: Mailbox, hook: Receiver
) -> None:
    begin(workspace, "0.jpg", "1.jpg", "2.jpg")  # ann, bob, ann
    with_channels(workspace, bundle_minutes=5, ann=mail.url, bob=hook.url.replace("http://", "json://"))
    assert send_due(workspace) == 0, "more may come"
    with_channels(workspace, ann=mail.url, bob=hook.url.replace("http://", "json://"))
    assert (send_due(workspace), send_due(workspace)) == (2, 0)
    assert mail.subjects() == ["labelyard: 2 jobs to label"]
    task = workspace.line().task_url
    [first, _, third] = [job.id for job in workspace.context.cvat("default").jobs(workspace.line().task_id or 0)]
    said = text(mail, 0)
    assert f"{task}/jobs/{first}" in said
    assert f"{task}/jobs/{third}" in said
    assert (hook.received[0].body["title"], hook.received[0].body["type"]) == ("labelyard: 1 job to label", "info")

    complete(workspace, 2)
    reassign(workspace.context, "ann")
    assert (send_due(workspace), send_due(workspace)) == (2, 0)
    assert mail.subjects()[1:] == ["labelyard: 1 job not with you any more"], "of the completed one nothing is said"
    assert "now with bob: " in text(mail, 1)
    assert f"job {first} of {FIRST} (ann had it before): {task}" in hook.received[1].body["message"]

    collect(workspace.context)
    move(workspace, 2, JobStatus.ANNOTATION)
    collect(workspace.context)
    absences.away(workspace.context.ledger, "ann", None)
    assert send_due(workspace) == 0, "ann is away"
    absences.back(workspace.context.ledger, "ann")
    assert send_due(workspace) == 1
    assert mail.subjects()[2:] == ["labelyard: 1 job back to be corrected"]


@on_cvat_2
def test_a_channel_that_refuses_is_tried_again_and_the_lead_is_notified(workspace: Workspace, mail: Mailbox) -> None:
    begin(workspace, "0.jpg")
    with_channels(workspace, ann=mail.url)
    mail.refusal = "451 try later"
    for failures in (1, 2, 3):
        assert send_due(workspace) == 0
        assert send_due(workspace) == 0, "it waits"
        [not_reached] = read_people(workspace.context.ledger).not_reached
        assert (not_reached.person, not_reached.failures) == ("ann", failures)
        with workspace.context.ledger.read_only() as tx:
            found = causes(read_situation(tx))
            assert messages.channels(tx)["ann"].not_before > tx.now + timedelta(seconds=50)
        assert [cause.kind for cause in found] == ([Kind.NOT_REACHED] if failures == 3 else [])
        try_again_now(workspace, "ann")
    mail.refusal = ""
    assert send_due(workspace) == 1
    with workspace.context.ledger.read_only() as tx:
        assert causes(read_situation(tx)) == []


@pytest.mark.slow
@on_cvat_2
@pytest.mark.parametrize("at", MESSAGE_FAILPOINTS)
def test_after_a_kill_a_message_comes_at_most_twice_and_is_never_lost(
    workspace: Workspace, mail: Mailbox, at: str
) -> None:
    begin(workspace, "0.jpg")
    with_channels(workspace, ann=mail.url)
    assert send_messages_in_own_process(workspace, "ann", mail.url, at) == failpoints.EXIT_STATUS
    assert send_due(workspace) == 0, "the dead process may still be sending"
    try_again_now(workspace, "ann")
    assert (send_due(workspace), send_due(workspace)) == (1, 0)
    assert len(mail.received) == (2 if at == "send_messages.sent" else 1)
