"""Set up notifications: read the state of the SQS queue and the buckets, and carry out the plan."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import stamina
from botocore.exceptions import ClientError

from labelyard.config import DatasetSpec
from labelyard.errors import SettingsError, StoreError
from labelyard.settings import Settings
from labelyard.sources.queues.sqs.plan import NotificationState, SqsPlan, plan_notifications
from labelyard.sources.queues.sqs.queue import queue_errors
from labelyard.storage.boto import boto_client, boto_errors

QUEUE = "labelyard"
"""The queue's name if the settings name none."""
_NO_SQS = (
    "set LABELYARD_WATCH__SQS_ENDPOINT_URL in .env (if the store speaks SQS too: its own address); or, with MinIO,"
    " LABELYARD_WATCH__QUEUE_URL to the address of NATS (nats://HOST:4222); or, with MinIO or Ceph, set"
    " LABELYARD_WATCH__WEBHOOK=true and let the store post to /notify of `labelyard watch` (MinIO: `mc event add"
    " ALIAS/BUCKET ARN --event put,delete`); or set LABELYARD_WATCH__SWEEP_ONLY=true"
)
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_SETTLE_SECONDS = 90.0
"""How long S3 may take to see a new queue or policy."""


class SqsSetup:
    """The watcher's SQS queue, and the buckets that notify it; see `NotificationSetup`."""

    def __init__(self, settings: Settings) -> None:
        watch = settings.watch
        if settings.store.endpoint_url and not watch.sqs_endpoint_url:
            raise SettingsError(f"no SQS is known beside {settings.store.endpoint_url}", next_step=_NO_SQS)
        self.queue_name = urlsplit(watch.queue_url).path.rsplit("/", 1)[-1] if watch.queue_url else QUEUE
        self._url = watch.queue_url
        with self._queue_errors():
            self._sqs = boto_client("sqs", settings.store, watch.sqs_endpoint_url)
            self._s3 = boto_client("s3", settings.store, settings.store.endpoint_url)

    @property
    def queue_url(self) -> str | None:
        """The queue's URL, once it exists."""
        return self._url

    def plan(self, spec: DatasetSpec) -> SqsPlan:
        """Return what must change so that the queue is notified of the dataset's objects."""
        return plan_notifications(spec, self.queue_name, self._state(spec))

    def apply(self, spec: DatasetSpec) -> SqsPlan:
        """Carry out the plan and return it. Raises StoreError if a person must first solve a problem."""
        plan = self.plan(spec)
        if plan.problems:
            next_step = f"labelyard notifications {spec.name}"
            raise StoreError("; ".join(plan.problems), where=self.queue_name, next_step=next_step)
        if self._queue_attributes() is None:
            self._create_queue(plan)
        rest = self.plan(spec)  # the queue has an ARN now
        if rest.attributes:
            with self._queue_errors():
                self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes=dict(rest.attributes))
        for bucket, configuration in rest.configurations.items():
            self._configure(bucket, dict(configuration))
        return plan

    def _create_queue(self, plan: SqsPlan) -> None:
        attributes = {name: value for name, value in plan.attributes.items() if name != "Policy"}
        with self._queue_errors():
            self._url = self._sqs.create_queue(QueueName=self.queue_name, Attributes=attributes)["QueueUrl"]

    def _state(self, spec: DatasetSpec) -> NotificationState:
        buckets = sorted({source.bucket for source in spec.sources})
        return NotificationState(self._queue_attributes(), {bucket: self._configuration(bucket) for bucket in buckets})

    def _queue_attributes(self) -> dict[str, str] | None:
        try:
            with self._queue_errors():
                self._url = self._url or self._sqs.get_queue_url(QueueName=self.queue_name)["QueueUrl"]
                found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        except StoreError as error:
            if isinstance(error.__cause__, ClientError) and error.__cause__.response["Error"]["Code"] in _MISSING:
                return None
            raise
        attributes: dict[str, str] = found["Attributes"]
        return attributes

    def _configuration(self, bucket: str) -> dict[str, Any]:
        with boto_errors(f"s3://{bucket}"):
            found = self._s3.get_bucket_notification_configuration(Bucket=bucket)
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def _configure(self, bucket: str, configuration: dict[str, Any]) -> None:
        # S3 tests the queue before it accepts the configuration, and a new policy takes a while to reach S3.
        for attempt in stamina.retry_context(on=_not_settled, attempts=None, timeout=_SETTLE_SECONDS, wait_initial=1):
            with attempt, boto_errors(f"s3://{bucket}"):
                self._s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)

    def _queue_errors(self) -> AbstractContextManager[None]:
        return queue_errors(f"queue {self.queue_name}")


def _not_settled(error: Exception) -> bool:
    return isinstance(error, StoreError) and "Unable to validate" in error.what
