"""The plan for notifications: what must change in a queue and in buckets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.config import DatasetSpec
from labelyard.sources.queues.sqs.plan import (
    CREATED,
    EVENTS,
    NEW_QUEUE,
    REMOVED,
    NotificationState,
    SqsPlan,
    plan_notifications,
    with_permissions,
    with_prefix,
)

ARN = "arn:aws:sqs:eu-central-1:123456789012:pictures"
GOOD = {"QueueArn": ARN, "MaximumMessageSize": "262144", "ReceiveMessageWaitTimeSeconds": "20"}


def dataset(*sources: tuple[str, str]) -> DatasetSpec:
    return DatasetSpec.model_validate(
        {
            "name": "cats",
            "sources": [{"bucket": bucket, "prefix": prefix} for bucket, prefix in sources],
            "task": {"labels": ["cat"]},
            "annotators": ["ann"],
            "export": {"bucket": "elsewhere", "prefix": "coco/"},
        }
    )


def plan(queue: dict[str, str] | None = None, spec: DatasetSpec | None = None, **buckets: Any) -> SqsPlan:
    spec = spec or dataset(("pictures", "in/"))
    return plan_notifications(spec, "pictures", NotificationState(queue, buckets or {"pictures": {}}))


def configuration(prefix: str, arn: str = ARN, events: tuple[str, ...] = EVENTS, **more: Any) -> dict[str, Any]:
    rules = [{"Name": "Prefix", "Value": prefix}]
    return {"Id": "theirs", "QueueArn": arn, "Events": list(events), "Filter": {"Key": {"FilterRules": rules}}, **more}


def test_a_missing_queue_is_created_with_long_polls_and_large_messages() -> None:
    made = plan()
    assert made.changes
    assert made.attributes["ReceiveMessageWaitTimeSeconds"] == "20"
    assert int(made.attributes["MaximumMessageSize"]) >= 65536
    assert made.items[0].action.startswith("create it")
    assert made.configurations["pictures"]["QueueConfigurations"][0]["QueueArn"] == NEW_QUEUE


def test_a_complete_setup_needs_no_change() -> None:
    policy = with_permissions(None, ARN, ["pictures"])
    assert policy is not None
    after, _, _ = with_prefix({}, ARN, "pictures", "in/")
    done = plan({**GOOD, "Policy": policy}, pictures=after)
    assert not done.changes
    assert (done.attributes, done.configurations, done.problems) == ({}, {}, ())
    assert [item.changes for item in done.items] == [False, False, False]


@pytest.mark.parametrize(
    ("attributes", "set_"),
    [
        ({"MaximumMessageSize": "1024"}, {"MaximumMessageSize": "262144"}),
        ({"MaximumMessageSize": "65536"}, {}),
        ({"ReceiveMessageWaitTimeSeconds": "0"}, {"ReceiveMessageWaitTimeSeconds": "20"}),
        ({"ReceiveMessageWaitTimeSeconds": "5", "VisibilityTimeout": "1", "MessageRetentionPeriod": "60"}, {}),
    ],
)
def test_only_attributes_that_lose_messages_are_changed_on_an_existing_queue(
    attributes: dict[str, str], set_: dict[str, str]
) -> None:
    changed = plan({**GOOD, **attributes}).attributes
    assert {name: value for name, value in changed.items() if name != "Policy"} == set_


@pytest.mark.parametrize(
    ("name", "queue", "problem"),
    [
        ("pictures.fifo", None, "FIFO"),
        ("pictures", {**GOOD, "FifoQueue": "true"}, "FIFO"),
        ("pictures", {**GOOD, "KmsMasterKeyId": "alias/aws/sqs"}, "encrypted"),
    ],
)
def test_a_queue_that_s3_cannot_send_to_is_a_problem(name: str, queue: dict[str, str] | None, problem: str) -> None:
    (found,) = plan_notifications(dataset(("pictures", "")), name, NotificationState(queue, {"pictures": {}})).problems
    assert problem in found


def test_other_statements_are_kept_in_the_policy() -> None:
    theirs = {"Sid": "x", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": ARN}
    policy = with_permissions(json.dumps({"Version": "2008-10-17", "Id": "i", "Statement": theirs}), ARN, ["a", "b"])
    assert policy is not None
    document = json.loads(policy)
    assert (document["Version"], document["Id"]) == ("2008-10-17", "i")
    assert document["Statement"][0] == theirs
    assert [s["Condition"]["ArnLike"]["aws:SourceArn"] for s in document["Statement"][1:]] == [
        "arn:aws:s3:::a",
        "arn:aws:s3:::b",
    ]
    assert len({s["Sid"] for s in document["Statement"]}) == 3
    assert with_permissions(policy, ARN, ["b"]) is None


def test_our_statement_for_another_queue_is_replaced() -> None:
    old = with_permissions(None, NEW_QUEUE, ["a"])
    policy = with_permissions(old, ARN, ["a"])
    assert policy is not None
    assert [statement["Resource"] for statement in json.loads(policy)["Statement"]] == [ARN]


def test_the_policy_names_the_partition_of_the_queue() -> None:
    policy = with_permissions(None, "arn:aws-cn:sqs:cn-north-1:1:q", ["a"])
    assert "arn:aws-cn:s3:::a" in str(policy)


def test_a_bucket_keeps_its_other_configurations() -> None:
    present = {
        "TopicConfigurations": [{"Id": "t", "TopicArn": "arn:t", "Events": ["s3:ObjectTagging:*"]}],
        "QueueConfigurations": [configuration("other/", "arn:q")],
        "LambdaFunctionConfigurations": [
            {"Id": "l", "LambdaFunctionArn": "arn:l", "Events": [CREATED], "Filter": configuration("x/")["Filter"]}
        ],
        "EventBridgeConfiguration": {},
    }
    after, item, problem = with_prefix(present, ARN, "pictures", "in/")
    assert (problem, item.changes) == (None, True)
    assert {**after, "QueueConfigurations": after["QueueConfigurations"][:1]} == present
    assert after["QueueConfigurations"][1]["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "in/"}]
    assert after["QueueConfigurations"][1]["Events"] == [CREATED, REMOVED]


@pytest.mark.parametrize("prefix", ["", "i", "in/"])
def test_a_wider_configuration_to_our_queue_is_enough(prefix: str) -> None:
    present = {"QueueConfigurations": [configuration(prefix)]}
    after, item, problem = with_prefix(present, ARN, "pictures", "in/")
    assert (after, item.changes, problem) == (present, False, None)


def test_our_own_narrower_configuration_is_widened() -> None:
    narrow, _, _ = with_prefix({}, ARN, "pictures", "in/a/")
    wide, _, problem = with_prefix(narrow, ARN, "pictures", "in/")
    assert problem is None
    (one,) = wide["QueueConfigurations"]
    assert one["Filter"]["Key"]["FilterRules"][0]["Value"] == "in/"


def test_a_configuration_without_deletions_is_extended_and_keeps_its_prefix() -> None:
    both, _, _ = with_prefix({}, ARN, "pictures", "in/")
    present = {"QueueConfigurations": [{**both["QueueConfigurations"][0], "Events": [CREATED]}]}
    after, item, problem = with_prefix(present, ARN, "pictures", "in/a/")
    assert (after, item.changes, problem) == (both, True, None)


@pytest.mark.parametrize(("prefix", "missing"), [("", [REMOVED]), ("in/", [REMOVED])])
def test_a_wider_configuration_to_our_queue_is_supplemented(prefix: str, missing: list[str]) -> None:
    theirs = configuration(prefix, events=(CREATED,))
    after, item, problem = with_prefix({"QueueConfigurations": [theirs]}, ARN, "pictures", "in/")
    assert (item.changes, problem) == (True, None)
    assert after["QueueConfigurations"][0] == theirs
    assert after["QueueConfigurations"][1]["Events"] == missing
    assert not with_prefix(after, ARN, "pictures", "in/")[1].changes


@pytest.mark.parametrize("event", [REMOVED, "s3:ObjectRemoved:Delete"])
def test_if_deletions_go_elsewhere_the_queue_is_notified_of_new_objects_alone(event: str) -> None:
    theirs = {"Id": "t", "TopicArn": "arn:t", "Events": [event]}
    after, item, problem = with_prefix({"TopicConfigurations": [theirs]}, ARN, "pictures", "in/")
    assert (item.changes, problem) == (True, None)
    assert item.action == "notify the queue of new objects (deletions go to arn:t)"
    assert after["QueueConfigurations"][0]["Events"] == [CREATED]
    _, again, _ = with_prefix(after, ARN, "pictures", "in/")
    assert (again.action, again.changes) == (
        f"fine: it notifies the queue of {item.action.removeprefix('notify the queue of ')}",
        False,
    )


@pytest.mark.parametrize(
    "theirs",
    [
        {"QueueConfigurations": [configuration("in/", "arn:q")]},
        {"QueueConfigurations": [configuration("in/a/", events=("s3:ObjectCreated:Put",))]},
        {"TopicConfigurations": [{"Id": "t", "TopicArn": "arn:t", "Events": ["s3:ObjectCreated:Copy"]}]},
        {"LambdaFunctionConfigurations": [{"Id": "l", "LambdaFunctionArn": "arn:l", "Events": [CREATED]}]},
    ],
)
def test_a_conflicting_configuration_is_a_problem_and_is_kept(theirs: dict[str, Any]) -> None:
    made = plan(GOOD, pictures=theirs)
    (problem,) = made.problems
    assert "only one configuration for the same objects" in problem
    assert "s3://pictures/in/" in problem
    assert made.configurations == {}


def test_each_source_of_a_dataset_is_configured() -> None:
    spec = dataset(("one", "a/"), ("one", "b/"), ("two", ""))
    made = plan(GOOD, spec, one={}, two={})
    assert [item.where for item in made.items if item.subject == "notification"] == [
        "s3://one/a/",
        "s3://one/b/",
        "s3://two/",
    ]
    assert len(made.configurations["one"]["QueueConfigurations"]) == 2
    assert "Filter" not in made.configurations["two"]["QueueConfigurations"][0]


prefixes = st.lists(st.text("ab/", max_size=4), max_size=5)
others = st.lists(st.tuples(st.text("ab/", max_size=4), st.sampled_from([EVENTS, (CREATED,), (REMOVED,)])), max_size=5)


def prefixes_of(configurations: list[dict[str, Any]], event: str) -> list[str]:
    """The prefixes that configurations notify of an event."""
    rules = [one.get("Filter", {}).get("Key", {}).get("FilterRules", [{"Value": ""}]) for one in configurations]
    return [rule[0]["Value"] for rule, one in zip(rules, configurations, strict=True) if event in one["Events"]]


@given(theirs=others, ours=prefixes)
def test_configurations_never_conflict_and_planning_is_idempotent(
    theirs: list[tuple[str, tuple[str, ...]]], ours: list[str]
) -> None:
    present: Any = {
        "QueueConfigurations": [configuration(prefix, f"arn:{prefix}", events) for prefix, events in theirs]
    }
    after = present
    for prefix in ours:
        after, _, problem = with_prefix(after, ARN, "pictures", prefix)
        again, item, _ = with_prefix(after, ARN, "pictures", prefix)
        assert again == after
        assert problem is not None or not item.changes
        assert problem is not None or any(
            prefix.startswith(start) for start in prefixes_of(after["QueueConfigurations"], CREATED)
        )
    assert after["QueueConfigurations"][: len(theirs)] == present["QueueConfigurations"]
    added = after["QueueConfigurations"][len(theirs) :]
    for event in EVENTS:
        present_starts = prefixes_of(present["QueueConfigurations"], event)
        starts = prefixes_of(added, event)
        assert not [
            (a, b)
            for n, a in enumerate(starts)
            for b in [*present_starts, *starts[:n]]
            if a.startswith(b) or b.startswith(a)
        ]
