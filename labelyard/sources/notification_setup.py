"""Looking at a queue and at buckets' notifications, and carrying out what `labelyard.sources.notification_plan` plans."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import stamina
from botocore.exceptions import ClientError

from labelyard.config import DatasetSpec
from labelyard.errors import SettingsError, StoreError
from labelyard.settings import Settings
from labelyard.sources.notification_plan import Plan, Seen, plan_notification
from labelyard.sources.sqs import NEXT_STEPS
from labelyard.storage.store import client, failures

QUEUE = "labelyard"
"""The queue's name, where the settings name none."""
_NO_SQS = (
    "set LABELYARD_WATCH__SQS_ENDPOINT_URL in .env (where the store speaks SQS too: its own address); or, with MinIO or"
    " Ceph, set LABELYARD_WATCH__WEBHOOK=true and let the store post to /notify of `labelyard watch`"
    " (MinIO: `mc event add ALIAS/BUCKET ARN --event put,delete`)"
)
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_SETTLE_SECONDS = 90.0
"""How long a new queue or policy may take until S3 sees it."""


class Notifier:
    """The queue that the watcher listens to, and the buckets that shall tell it."""

    def __init__(self, settings: Settings) -> None:
        at = settings.watch
        if settings.store.endpoint_url and not at.sqs_endpoint_url:
            raise SettingsError(f"no SQS is known beside {settings.store.endpoint_url}", next_step=_NO_SQS)
        self.name = urlsplit(at.queue_url).path.rsplit("/", 1)[-1] if at.queue_url else QUEUE
        self._url = at.queue_url
        with failures(f"queue {self.name}", NEXT_STEPS):
            self._sqs = client("sqs", settings.store, at.sqs_endpoint_url)
            self._s3 = client("s3", settings.store, settings.store.endpoint_url)

    @property
    def url(self) -> str | None:
        """The queue's URL, once it exists."""
        return self._url

    def plan(self, spec: DatasetSpec) -> Plan:
        """What is there, and what is to be done."""
        return plan_notification(spec, self.name, self._look(spec))

    def apply(self, spec: DatasetSpec) -> Plan:
        """Do what is to be done; what was done. Raises StoreError where something stands against it."""
        plan = self.plan(spec)
        if plan.problems:
            raise StoreError(
                "; ".join(plan.problems), where=self.name, next_step=f"labelyard notifications {spec.name}"
            )
        if self._look_at_queue() is None:
            with failures(f"queue {self.name}", NEXT_STEPS):
                attributes = {name: value for name, value in plan.attributes.items() if name != "Policy"}
                self._url = self._sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        rest = self.plan(spec)  # the queue has an ARN now
        if rest.attributes:
            with failures(f"queue {self.name}", NEXT_STEPS):
                self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes=dict(rest.attributes))
        for bucket, configuration in rest.configurations.items():
            self._configure(bucket, dict(configuration))
        return plan

    def _look(self, spec: DatasetSpec) -> Seen:
        buckets = sorted({source.bucket for source in spec.sources})
        return Seen(self._look_at_queue(), {bucket: self._look_at_bucket(bucket) for bucket in buckets})

    def _look_at_queue(self) -> dict[str, str] | None:
        try:
            with failures(f"queue {self.name}", NEXT_STEPS):
                self._url = self._url or self._sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
                found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        except StoreError as error:
            if isinstance(error.__cause__, ClientError) and error.__cause__.response["Error"]["Code"] in _MISSING:
                return None
            raise
        attributes: dict[str, str] = found["Attributes"]
        return attributes

    def _look_at_bucket(self, bucket: str) -> dict[str, Any]:
        with failures(f"s3://{bucket}"):
            found = self._s3.get_bucket_notification_configuration(Bucket=bucket)
        return {name: value for name, value in found.items() if name != "ResponseMetadata"}

    def _configure(self, bucket: str, configuration: dict[str, Any]) -> None:
        # S3 tries the queue before it takes the configuration, and a new policy needs its time to reach S3.
        for attempt in stamina.retry_context(on=_not_settled, attempts=None, timeout=_SETTLE_SECONDS, wait_initial=1):
            with attempt, failures(f"s3://{bucket}"):
                self._s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def _not_settled(error: Exception) -> bool:
    return isinstance(error, StoreError) and "Unable to validate" in error.what
