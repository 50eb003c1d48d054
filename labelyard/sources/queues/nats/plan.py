"""What must change in a NATS JetStream, so that its consumer receives what the store publishes. Pure.

Configurations are those of JetStream's API, with times in nanoseconds. All other configuration is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from labelyard.config import DatasetSpec
from labelyard.sources.notification_plan import NotificationPlan, PlanItem
from labelyard.watch_settings import NatsSettings

Config = Mapping[str, Any]
_SECOND = 10**9
_SHORTEST_ACK_WAIT = 20 * _SECOND
"""The watcher extends after ten seconds what it has not acknowledged."""
_FEWEST_PENDING = 1000
_WANTED_STREAM = {"retention": "workqueue", "storage": "file", "max_age": 14 * 86400 * _SECOND}
"""Of a new stream: acknowledged messages are deleted, and others survive a long outage."""
_WANTED_CONSUMER = {"ack_wait": 60 * _SECOND, "max_deliver": -1, "max_ack_pending": 10_000}
"""Of a new consumer: a message stays hidden while it is handled, and the watcher decides what becomes a dead letter."""


@dataclass(frozen=True)
class NatsPlan(NotificationPlan):
    """Also the configurations to be sent: of a new stream, and of a consumer that is new or changes; else empty."""

    stream: Config = field(default_factory=dict)
    consumer: Config = field(default_factory=dict)


def plan_stream(
    spec: DatasetSpec, url: str, options: NatsSettings, stream: Config | None, consumer: Config | None
) -> NatsPlan:
    """Return what makes stream and consumer receive notifications; None is one that does not exist."""
    new_stream: Config = {}
    if stream is None:
        new_stream = {"name": options.stream, "subjects": [options.subject], **_WANTED_STREAM}
    changes = dict(_WANTED_CONSUMER) if consumer is None else _consumer_changes(consumer)
    kept = consumer if consumer is not None else _new_consumer(options)
    name = f"{options.stream}/{options.consumer}"
    items = (
        _item("stream", options.stream, {**new_stream}, is_new=stream is None),
        _item("consumer", name, changes, is_new=consumer is None),
    )
    problems = (*_stream_problems(options, stream), *_consumer_problems(options, consumer))
    return NatsPlan(
        items, problems, store_commands(spec, url, options), stream=new_stream,
        consumer={**kept, **changes} if changes else {},
    )  # fmt: skip


def _new_consumer(options: NatsSettings) -> Config:
    return {
        "durable_name": options.consumer,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "filter_subject": options.subject,
    }


def _consumer_changes(consumer: Config) -> dict[str, Any]:
    """Return only what would lose or delay notifications."""
    wrong = []
    if consumer.get("ack_wait", _SHORTEST_ACK_WAIT) < _SHORTEST_ACK_WAIT:
        wrong.append("ack_wait")
    if consumer.get("max_deliver", -1) > 0:  # after these deliveries JetStream forgets a message
        wrong.append("max_deliver")
    if 0 < consumer.get("max_ack_pending", -1) < _FEWEST_PENDING:
        wrong.append("max_ack_pending")
    return {name: _WANTED_CONSUMER[name] for name in wrong}


def _item(subject: str, where: str, changes: Config, *, is_new: bool) -> PlanItem:
    shown = ", ".join(f"{name}={_shown(name, value)}" for name, value in changes.items() if name != "name")
    if is_new:
        return PlanItem(subject, where, f"create it with {shown}")
    return PlanItem(subject, where, f"set {shown}" if changes else "fine", changes=bool(changes))


def _shown(name: str, value: Any) -> str:
    if name in ("max_age", "ack_wait"):
        return f"{value // _SECOND}s"
    return ",".join(value) if isinstance(value, list) else str(value)


def _stream_problems(options: NatsSettings, stream: Config | None) -> Sequence[str]:
    if stream is None or stream.get("mirror") or stream.get("sources"):  # its messages come from other streams
        return []
    subjects = stream.get("subjects") or [options.stream]
    if any(covers(subject, options.subject) for subject in subjects):
        return []
    next_step = "correct LABELYARD_WATCH__NATS__SUBJECT, or name another one in LABELYARD_WATCH__NATS__STREAM"
    return [f"the stream {options.stream} has the subjects {', '.join(subjects)}, not {options.subject}: {next_step}"]


def _consumer_problems(options: NatsSettings, consumer: Config | None) -> Sequence[str]:
    if consumer is None:
        return []
    wrong = []
    if consumer.get("deliver_subject"):
        wrong.append("is a push consumer")
    if consumer.get("ack_policy", "explicit") != "explicit":
        wrong.append(f"has ack_policy={consumer['ack_policy']}, not explicit")
    filters = consumer.get("filter_subjects") or [consumer.get("filter_subject") or ">"]
    if not any(covers(one, options.subject) for one in filters):
        wrong.append(f"receives {', '.join(filters)} and not {options.subject}")
    other = "name another one in LABELYARD_WATCH__NATS__CONSUMER, or delete it"
    return [f"the consumer {options.consumer} {one}: {other}" for one in wrong]


def covers(pattern: str, subject: str) -> bool:
    """Return whether a subject with wildcards (`*` for a part, `>` for all further ones) matches another subject."""
    parts, wanted = pattern.split("."), subject.split(".")
    if parts[-1] == ">" and len(wanted) >= len(parts):
        parts, wanted = parts[:-1], wanted[: len(parts) - 1]
    return len(parts) == len(wanted) and all(part in ("*", name) for part, name in zip(parts, wanted, strict=True))


def store_commands(spec: DatasetSpec, url: str, options: NatsSettings) -> tuple[str, ...]:
    """Return what makes MinIO publish to the stream. Secrets are placeholders."""
    server = urlsplit(url.split(",", maxsplit=1)[0].strip())
    values = [
        f"address={server.netloc if server.port else f'{server.netloc}:4222'}",
        f"subject={options.subject}",
        "jetstream=on",
        *(["tls=on"] if server.scheme == "tls" else []),
        *(["username=USER", "password=PASSWORD"] if options.username else []),
        *(["token=TOKEN"] if options.token else []),
        "queue_dir=/A/FOLDER/OF/MINIO",
    ]
    events = [
        f"mc event add ALIAS/{source.bucket} arn:minio:sqs::labelyard:nats --event put,delete"
        + (f" --prefix {source.prefix}" if source.prefix else "")
        for source in spec.sources
    ]
    return (
        f"mc admin config set ALIAS notify_nats:labelyard {' '.join(values)}",
        "mc admin service restart ALIAS",
        *events,
    )
