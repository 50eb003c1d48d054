"""What a bucket and a queue lack, so that the queue hears of a dataset's new and deleted files. Pure.

Whatever else is configured there stays as it is: a bucket has one notification configuration for all its users, and
writing it replaces it as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelyard.config import DatasetSpec
from labelyard.domain.objects import s3_url

NEW_QUEUE = "(the new queue)"
CREATED, REMOVED = EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
"""What a queue has to hear of; without the second, deletions are not noticed."""
_MIN_MESSAGE_BYTES = 64 * 1024
WANTED = {
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": str(14 * 86400),
    "ReceiveMessageWaitTimeSeconds": "20",
    "VisibilityTimeout": "60",
}
"""What a new queue is made with: time for a weekend's outage, long polls, a landing's worth of patience."""
_OURS = "labelyard-"


@dataclass(frozen=True)
class Seen:
    """How things are: the queue's attributes (None: there is no such queue), and each bucket's configuration."""

    queue: Mapping[str, str] | None
    buckets: Mapping[str, Mapping[str, Any]]

    @property
    def queue_arn(self) -> str:
        """The queue's ARN, or a stand-in while there is none."""
        return self.queue["QueueArn"] if self.queue is not None else NEW_QUEUE


@dataclass(frozen=True)
class Line:
    """One line of a plan: what concerns which thing, what is done, and whether that changes anything."""

    what: str
    where: str
    does: str
    changes: bool = True


@dataclass(frozen=True)
class Plan:
    """What is to be done; `problems` are what a person has to settle first."""

    lines: tuple[Line, ...]
    problems: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether anything is left to do."""
        return any(line.changes for line in self.lines)


def plan_notification(spec: DatasetSpec, queue_name: str, seen: Seen) -> Plan:
    """What makes `queue_name` hear of every new and every deleted object of the dataset's sources."""
    lines, problems = [], list(_queue_problems(queue_name, seen.queue))
    attributes = _lacking(seen.queue)
    lines.append(_queue_line(queue_name, seen.queue, attributes))
    policy = with_permissions((seen.queue or {}).get("Policy"), seen.queue_arn, sorted(seen.buckets))
    lines.append(_policy_line(queue_name, sorted(seen.buckets), changes=policy is not None))
    if policy is not None:
        attributes = {**attributes, "Policy": policy}
    configurations = {}
    for bucket, present in seen.buckets.items():
        merged: Mapping[str, Any] = present
        for prefix in sorted({source.prefix for source in spec.sources if source.bucket == bucket}):
            merged, line, problem = with_prefix(merged, seen.queue_arn, bucket, prefix)
            lines.append(line)
            problems += [problem] if problem else []
        if merged != present:
            configurations[bucket] = merged
    return Plan(tuple(lines), tuple(problems), attributes, configurations)


def _queue_problems(name: str, queue: Mapping[str, str] | None) -> Sequence[str]:
    if name.endswith(".fifo") or (queue or {}).get("FifoQueue") == "true":
        return [f"{name} is a FIFO queue, which no bucket can notify: name a standard one"]
    if (queue or {}).get("KmsMasterKeyId") == "alias/aws/sqs":
        return [f"{name} is encrypted with AWS's own key, which S3 may not use: choose SSE-SQS or a key of yours"]
    return []


def _lacking(queue: Mapping[str, str] | None) -> dict[str, str]:
    """The attributes to set: all of a new queue; of one that is there only what would lose or delay notifications."""
    if queue is None:
        return dict(WANTED)
    unregistered = {}
    if int(queue.get("MaximumMessageSize", _MIN_MESSAGE_BYTES)) < _MIN_MESSAGE_BYTES:
        unregistered["MaximumMessageSize"] = WANTED["MaximumMessageSize"]
    if queue.get("ReceiveMessageWaitTimeSeconds", "0") == "0":
        unregistered["ReceiveMessageWaitTimeSeconds"] = WANTED["ReceiveMessageWaitTimeSeconds"]
    return unregistered


def _queue_line(name: str, queue: Mapping[str, str] | None, attributes: Mapping[str, str]) -> Line:
    told = ", ".join(f"{name}={value}" for name, value in attributes.items())
    if queue is None:
        return Line("queue", name, f"make it with {told}")
    return Line("queue", name, f"set {told}", changes=True) if told else Line("queue", name, "fine", changes=False)


def _policy_line(name: str, buckets: Sequence[str], *, changes: bool) -> Line:
    may = f"{', '.join(buckets)} may send to it"
    return Line("policy", name, f"add: {may}" if changes else f"fine: {may}", changes)


def with_permissions(policy: str | None, queue_arn: str, buckets: Sequence[str]) -> str | None:
    """The queue's policy with leave for the buckets to send to it, its other statements kept; None if it has that."""
    document: dict[str, Any] = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    present = document.get("Statement", [])
    statements = [present] if isinstance(present, dict) else list(present)
    wanted = [_statement(queue_arn, bucket) for bucket in buckets]
    known = [_without_sid(statement) for statement in statements]
    unregistered = [statement for statement in wanted if _without_sid(statement) not in known]
    if not unregistered:
        return None
    renewed = {statement["Sid"] for statement in unregistered}
    kept = [statement for statement in statements if statement.get("Sid") not in renewed]
    return json.dumps({**document, "Statement": [*kept, *unregistered]})


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
) -> tuple[Mapping[str, Any], Line, str | None]:
    """A bucket's configuration that also tells the queue of `prefix`, with the plan's line and what stands against it.

    A store takes no two configurations that would both fit an event, wherever they lead. Where deletions already tell
    somebody else, the queue hears of new objects alone.
    """
    where, queues = s3_url(bucket, prefix), list(present.get("QueueConfigurations", ()))
    told = [one for one in queues if one["QueueArn"] == queue_arn]
    old = [one for one in told if _is_ours(one) and any(_meets(one, prefix, event) for event in EVENTS)]
    start = min([prefix, *(_filter(one)[0] for one in old)], key=len)
    kept = [one for one in queues if one not in old]
    others = [*kept, *present.get("TopicConfigurations", ()), *present.get("LambdaFunctionConfigurations", ())]
    unregistered = [event for event in EVENTS if not any(_covers(one, start, event) for one in told if one in kept)]
    against = {event: one for event in unregistered for one in others if _meets(one, start, event)}
    if CREATED in against:
        taken = against[CREATED]
        problem = (
            f"{where} already tells {_destination(taken)} (configuration {taken.get('Id')!r}), and a store takes"
            " only one for the same objects: let that one send to an SNS topic, and the topic to both"
        )
        return present, Line("notification", where, f"impossible: it tells {_destination(taken)}"), problem
    what = f"new objects (deletions tell {_destination(against[REMOVED])})" if against else "new and deleted objects"
    ours = _configuration(bucket, start, queue_arn, [event for event in unregistered if event not in against])
    if not ours["Events"] or (len(old) == 1 and _same(old[0], ours)):
        return present, Line("notification", where, f"fine: it tells the queue of {what}", changes=False), None
    renewed = {**present, "QueueConfigurations": [*kept, ours]}
    return renewed, Line("notification", where, f"tell the queue of {what}"), None


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


def _meets(configuration: Mapping[str, Any], prefix: str, event: str) -> bool:
    starts, _ = _filter(configuration)
    tells = any(one.startswith(event.removesuffix("*")) for one in configuration["Events"])
    return tells and (starts.startswith(prefix) or prefix.startswith(starts))


def _filter(configuration: Mapping[str, Any]) -> tuple[str, str]:
    """What keys must start and end with."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    found = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return found.get("prefix", ""), found.get("suffix", "")


def _is_ours(configuration: Mapping[str, Any]) -> bool:
    return str(configuration.get("Id", "")).startswith(_OURS)


def _destination(configuration: Mapping[str, Any]) -> str:
    return next(str(value) for name, value in configuration.items() if name.endswith("Arn"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
