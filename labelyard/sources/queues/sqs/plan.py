"""What must change in an SQS queue and in buckets, so that the queue is notified of a dataset's objects. Pure.

All other configuration is kept: a bucket has one notification configuration for all its users, and writing it replaces
the whole of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelyard.config import DatasetSpec
from labelyard.domain.objects import s3_url
from labelyard.sources.notification_plan import NotificationPlan, PlanItem

NEW_QUEUE = "(the new queue)"
CREATED, REMOVED = EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
"""Events that the queue must receive; without the second, deletions are missed."""
_MIN_MESSAGE_BYTES = 64 * 1024
WANTED = {
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": str(14 * 86400),
    "ReceiveMessageWaitTimeSeconds": "20",
    "VisibilityTimeout": "60",
}
"""Attributes of a new queue: messages survive a long outage, polls are long, a message stays hidden while handled."""
_OURS = "labelyard-"


@dataclass(frozen=True)
class NotificationState:
    """The present state: the queue's attributes (None if it does not exist) and each bucket's configuration."""

    queue: Mapping[str, str] | None
    buckets: Mapping[str, Mapping[str, Any]]

    @property
    def queue_arn(self) -> str:
        """The queue's ARN; a placeholder if the queue does not exist."""
        return self.queue["QueueArn"] if self.queue is not None else NEW_QUEUE


@dataclass(frozen=True)
class SqsPlan(NotificationPlan):
    """Also the attributes that the queue gets, and the whole notification configuration of each bucket that changes."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def plan_notifications(spec: DatasetSpec, queue_name: str, state: NotificationState) -> SqsPlan:
    """Return what makes `queue_name` receive the creations and deletions of the dataset's objects."""
    buckets = sorted(state.buckets)
    problems = list(_queue_problems(queue_name, state.queue))
    attributes = _attributes_to_set(state.queue)
    items = [_queue_item(queue_name, state.queue, attributes)]
    policy = with_permissions((state.queue or {}).get("Policy"), state.queue_arn, buckets)
    items.append(_policy_item(queue_name, buckets, changes=policy is not None))
    if policy is not None:
        attributes = {**attributes, "Policy": policy}
    configurations = {}
    for bucket, present in state.buckets.items():
        merged: Mapping[str, Any] = present
        for prefix in sorted({source.prefix for source in spec.sources if source.bucket == bucket}):
            merged, item, problem = with_prefix(merged, state.queue_arn, bucket, prefix)
            items.append(item)
            problems += [problem] if problem else []
        if merged != present:
            configurations[bucket] = merged
    return SqsPlan(tuple(items), tuple(problems), attributes=attributes, configurations=configurations)


def _queue_problems(name: str, queue: Mapping[str, str] | None) -> Sequence[str]:
    if name.endswith(".fifo") or (queue or {}).get("FifoQueue") == "true":
        return [f"{name} is a FIFO queue, which no bucket can notify: use a standard queue"]
    if (queue or {}).get("KmsMasterKeyId") == "alias/aws/sqs":
        return [f"{name} is encrypted with AWS's own key, which S3 may not use: choose SSE-SQS or a key of your own"]
    return []


def _attributes_to_set(queue: Mapping[str, str] | None) -> dict[str, str]:
    """Return all attributes for a new queue; for an existing one only those that would lose or delay notifications."""
    if queue is None:
        return dict(WANTED)
    wrong = []
    if int(queue.get("MaximumMessageSize", _MIN_MESSAGE_BYTES)) < _MIN_MESSAGE_BYTES:
        wrong.append("MaximumMessageSize")
    if queue.get("ReceiveMessageWaitTimeSeconds", "0") == "0":
        wrong.append("ReceiveMessageWaitTimeSeconds")
    return {name: WANTED[name] for name in wrong}


def _queue_item(name: str, queue: Mapping[str, str] | None, attributes: Mapping[str, str]) -> PlanItem:
    listed = ", ".join(f"{name}={value}" for name, value in attributes.items())
    if queue is None:
        return PlanItem("queue", name, f"create it with {listed}")
    return PlanItem("queue", name, f"set {listed}") if listed else PlanItem("queue", name, "fine", changes=False)


def _policy_item(name: str, buckets: Sequence[str], *, changes: bool) -> PlanItem:
    allowed = f"{', '.join(buckets)} may send to it"
    return PlanItem("policy", name, f"add: {allowed}" if changes else f"fine: {allowed}", changes)


def with_permissions(policy: str | None, queue_arn: str, buckets: Sequence[str]) -> str | None:
    """Return the queue's policy with permission for the buckets to send to it; None if it has that already."""
    document: dict[str, Any] = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    present = document.get("Statement", [])
    statements = [present] if isinstance(present, dict) else list(present)
    wanted = [_statement(queue_arn, bucket) for bucket in buckets]
    known = [_without_sid(statement) for statement in statements]
    missing = [statement for statement in wanted if _without_sid(statement) not in known]
    if not missing:
        return None
    replaced = {statement["Sid"] for statement in missing}
    kept = [statement for statement in statements if statement.get("Sid") not in replaced]
    return json.dumps({**document, "Statement": [*kept, *missing]})


def _statement(queue_arn: str, bucket: str) -> dict[str, Any]:
    partition = queue_arn.split(":")[1] if queue_arn.startswith("arn:") else "aws"
    return {
        "Sid": f"labelyard{_hash(bucket)}",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:{partition}:s3:::{bucket}"}},
    }


def _without_sid(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != "Sid"}


def with_prefix(
    present: Mapping[str, Any], queue_arn: str, bucket: str, prefix: str
) -> tuple[Mapping[str, Any], PlanItem, str | None]:
    """Return a bucket's configuration that also notifies the queue of `prefix`, the plan's item, and a problem if any.

    A store accepts no two configurations that match the same event, even with one destination. If deletions already
    have another destination, the queue receives creations alone.
    """
    where, queues = s3_url(bucket, prefix), list(present.get("QueueConfigurations", ()))
    to_queue = [one for one in queues if one["QueueArn"] == queue_arn]
    old = [one for one in to_queue if _is_ours(one) and any(_conflicts(one, prefix, event) for event in EVENTS)]
    start = min([prefix, *(_filter(one)[0] for one in old)], key=len)
    kept = [one for one in queues if one not in old]
    others = [*kept, *present.get("TopicConfigurations", ()), *present.get("LambdaFunctionConfigurations", ())]
    missing = [event for event in EVENTS if not any(_covers(one, start, event) for one in to_queue if one in kept)]
    conflicts = {event: one for event in missing for one in others if _conflicts(one, start, event)}
    if CREATED in conflicts:
        return present, *_conflict(where, conflicts[CREATED])
    what = "new and deleted objects"
    if conflicts:
        what = f"new objects (deletions go to {_destination(conflicts[REMOVED])})"
    ours = _configuration(bucket, start, queue_arn, [event for event in missing if event not in conflicts])
    if not ours["Events"] or (len(old) == 1 and _same(old[0], ours)):
        return present, PlanItem("notification", where, f"fine: it notifies the queue of {what}", changes=False), None
    merged = {**present, "QueueConfigurations": [*kept, ours]}
    return merged, PlanItem("notification", where, f"notify the queue of {what}"), None


def _conflict(where: str, other: Mapping[str, Any]) -> tuple[PlanItem, str]:
    destination = _destination(other)
    problem = (
        f"{where} already notifies {destination} (configuration {other.get('Id')!r}), and a store accepts only one"
        " configuration for the same objects: let that one send to an SNS topic, and the topic to both"
    )
    return PlanItem("notification", where, f"impossible: it notifies {destination}"), problem


def _configuration(bucket: str, prefix: str, queue_arn: str, events: list[str]) -> dict[str, Any]:
    return {
        "Id": f"{_OURS}{_hash(f'{bucket}/{prefix}')}",
        "QueueArn": queue_arn,
        "Events": events,
        **({"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}} if prefix else {}),
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _filter(one) == _filter(other) and set(one["Events"]) == set(other["Events"])


def _covers(configuration: Mapping[str, Any], prefix: str, event: str) -> bool:
    starts, ends = _filter(configuration)
    return event in configuration["Events"] and prefix.startswith(starts) and not ends


def _conflicts(configuration: Mapping[str, Any], prefix: str, event: str) -> bool:
    """Return whether a configuration matches some events that one for `prefix` and `event` would match."""
    starts, _ = _filter(configuration)
    same_event = any(one.startswith(event.removesuffix("*")) for one in configuration["Events"])
    return same_event and (starts.startswith(prefix) or prefix.startswith(starts))


def _filter(configuration: Mapping[str, Any]) -> tuple[str, str]:
    """Return what keys must start and end with."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    found = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return found.get("prefix", ""), found.get("suffix", "")


def _is_ours(configuration: Mapping[str, Any]) -> bool:
    return str(configuration.get("Id", "")).startswith(_OURS)


def _destination(configuration: Mapping[str, Any]) -> str:
    return next(str(value) for name, value in configuration.items() if name.endswith("Arn"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
