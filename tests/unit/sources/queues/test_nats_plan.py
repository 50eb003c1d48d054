"""The plan for notifications over NATS: what must change in the stream and its consumer."""

from __future__ import annotations

from typing import Any

import pytest

from labelyard.config import DatasetSpec
from labelyard.sources.queues.nats.plan import NatsPlan, covers, plan_stream
from labelyard.watch_settings import NatsSettings

SPEC = DatasetSpec.model_validate(
    {
        "name": "street",
        "sources": [{"bucket": "pictures", "prefix": "in/"}, {"bucket": "other"}],
        "task": {"labels": ["car"]},
        "annotators": ["ann"],
        "export": {"bucket": "pictures", "prefix": "out/"},
    }
)
STREAM = {"name": "labelyard", "subjects": ["labelyard"]}
CONSUMER = {
    "durable_name": "labelyard", "ack_policy": "explicit", "ack_wait": 30 * 10**9, "max_deliver": -1,
    "max_ack_pending": 1000, "filter_subject": "labelyard", "priority_groups": ["theirs"],
}  # fmt: skip


def plan(
    stream: dict[str, Any] | None = STREAM, consumer: dict[str, Any] | None = CONSUMER, **options: Any
) -> NatsPlan:
    url = options.pop("url", "nats://nats.example.com")
    return plan_stream(SPEC, url, NatsSettings.model_validate(options), stream, consumer)


def test_what_does_not_exist_is_created() -> None:
    found = plan(None, None, subject="minio.events")
    assert [item.subject for item in found.items] == ["stream", "consumer"]
    assert (
        found.items[0].action
        == "create it with subjects=minio.events, retention=workqueue, storage=file, max_age=1209600s"
    )
    assert found.items[1].action == "create it with ack_wait=60s, max_deliver=-1, max_ack_pending=10000"
    assert found.stream["subjects"] == ["minio.events"]
    assert (found.consumer["ack_policy"], found.consumer["filter_subject"]) == ("explicit", "minio.events")


def test_what_fits_stays_as_it_is() -> None:
    found = plan()
    assert not found.changes
    assert (found.stream, found.consumer, found.problems) == ({}, {}, ())


@pytest.mark.parametrize(
    ("wrong", "action"),
    [
        ({"max_deliver": 3}, "set max_deliver=-1"),
        ({"ack_wait": 10**9}, "set ack_wait=60s"),
        ({"max_ack_pending": 1}, "set max_ack_pending=10000"),
    ],
)
def test_what_would_lose_or_delay_messages_is_corrected_and_the_rest_is_kept(
    wrong: dict[str, Any], action: str
) -> None:
    found = plan(consumer={**CONSUMER, **wrong})
    assert found.items[1].action == action
    assert found.consumer == {**CONSUMER, **{name: found.consumer[name] for name in wrong}}
    assert not found.problems


@pytest.mark.parametrize(
    ("stream", "consumer", "words"),
    [
        ({**STREAM, "subjects": ["a.*", "b"]}, CONSUMER, "has the subjects a.*, b, not labelyard"),
        (STREAM, {**CONSUMER, "deliver_subject": "x"}, "is a push consumer"),
        (STREAM, {**CONSUMER, "ack_policy": "none"}, "has ack_policy=none"),
        (STREAM, {**CONSUMER, "filter_subject": "b"}, "receives b and not labelyard"),
        (STREAM, {**CONSUMER, "filter_subject": None, "filter_subjects": ["b", "c"]}, "receives b, c and not"),
    ],
)
def test_what_labelyard_cannot_correct_is_a_problem(
    stream: dict[str, Any], consumer: dict[str, Any], words: str
) -> None:
    [problem] = plan(stream, consumer).problems
    assert words in problem
    assert "LABELYARD_WATCH__NATS__" in problem


def test_a_stream_of_other_streams_and_a_consumer_of_everything_fit() -> None:
    assert plan({"name": "labelyard", "sources": [{"name": "x"}]}, {**CONSUMER, "filter_subject": ""}).problems == ()


def test_the_commands_for_minio_have_the_address_the_subject_and_placeholders_of_secrets() -> None:
    secret = {"username": "lab", "password": "secret"}
    commands = plan(url="tls://[::1],tls://b:4333", subject="minio.events", **secret).store_commands
    assert commands[0] == (
        "mc admin config set ALIAS notify_nats:labelyard address=[::1]:4222 subject=minio.events jetstream=on tls=on"
        " username=USER password=PASSWORD queue_dir=/A/FOLDER/OF/MINIO"
    )
    assert commands[2:] == (
        "mc event add ALIAS/pictures arn:minio:sqs::labelyard:nats --event put,delete --prefix in/",
        "mc event add ALIAS/other arn:minio:sqs::labelyard:nats --event put,delete",
    )


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("a", "a", True), ("a", "b", False), (">", "a.b", True), ("a.>", "a.b.c", True), ("a.>", "a", False),
        ("a.*", "a.b", True), ("a.*", "a.b.c", False), ("*.b", "a.b", True), ("a.b", "a", False),
    ],
)  # fmt: skip
def test_subjects_match_as_in_nats(pattern: str, subject: str, *, fits: bool) -> None:
    assert covers(pattern, subject) is fits
