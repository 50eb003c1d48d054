"""Uploads: files are put into the bucket and notified once, twice, late or not at all; the ledger is locked.

Predictions are there before the images: people with a model write them first.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import cache
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import create_engine, select
from sqlalchemy.exc import DBAPIError

from labelyard.domain.objects import base_name
from labelyard.domain.preannotation import BESIDE_NAME
from labelyard.ledger.tables import Object
from tests.chaos.boxes import prediction_file
from tests.chaos.fault_plan import FaultyUpload
from tests.chaos.scenario import Scenario
from tests.chaos.snapshot import is_retired
from tests.support.pictures import picture
from tests.support.postgres import end_connections

_LOCK = {
    "sqlite": ("BEGIN IMMEDIATE",),
    # With a timeout: a stopped run may hold a transaction open, and this thread has to continue that run.
    "postgresql": (
        "BEGIN",
        "SET LOCAL lock_timeout = '2s'",
        "LOCK TABLE batch, object, dataset, outbox IN ACCESS EXCLUSIVE MODE",
    ),
}


@cache
def file_content(content: int) -> bytes:
    """Return a small JPEG, different for each number; for a negative number, bytes that are no image."""
    if content < 0:
        return b"\xff\xd8 no image, number %d" % -content
    return picture(content, (24 + content, 20))


class Uploads:
    """Makes the uploads, notifications and ledger locks of a plan when they are due."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._uploads = list(scenario.plan.uploads)
        self._late_notifications: list[tuple[float, str, str]] = []
        self._locks = list(scenario.plan.ledger_locks)
        for folder, state in (scenario.plan.predictions or {}).items():
            self._upload_predictions(folder, state)
        if scenario.plan.unreadable_message:
            scenario.sqs.send_message(QueueUrl=scenario.queue_url, MessageBody="{ nobody can read this")
            scenario.fault_counts["notification unreadable"] += 1

    @property
    def pending(self) -> bool:
        """Whether more uploads or notifications will follow."""
        return bool(self._uploads or self._late_notifications)

    @property
    def unusable_keys(self) -> frozenset[str]:
        """The keys whose last upload is no image."""
        last = {self._scenario.key(upload.key): upload.content for upload in self._scenario.plan.uploads}
        return frozenset(key for key, content in last.items() if content is not None and content < 0)

    def tick(self, now: float) -> None:
        """Do everything that is due."""
        scenario = self._scenario
        with suppress(BotoCoreError, ClientError):  # the store's faults hit uploaders too: they retry
            self._upload_and_notify(now)
        for lock in [lock for lock in self._locks if scenario.started_at + lock[0] <= now]:
            if not scenario.faults_stopped:
                self._locks.remove(lock)
                self._disturb_ledger(lock[1])

    def _upload_and_notify(self, now: float) -> None:
        while self._uploads and self._is_due(self._uploads[0], now):
            self._upload(self._uploads[0], now)
            self._uploads.pop(0)
        for late in [late for late in self._late_notifications if late[0] <= now or self._scenario.faults_stopped]:
            self._notify(*late[1:])
            self._late_notifications.remove(late)

    def _is_due(self, upload: FaultyUpload, now: float) -> bool:
        if self._scenario.started_at + upload.after > now:
            return False
        if not upload.once_registered or self._is_registered(self._scenario.key(upload.key)):
            return True
        return is_retired(self._scenario.ledger, self._scenario.spec.name)  # it will never be registered

    def _is_registered(self, key: str) -> bool:
        with self._scenario.ledger.read_only() as tx:
            return tx.scalar(select(Object.id).where(Object.key == key).limit(1)) is not None

    def _upload(self, upload: FaultyUpload, now: float) -> None:
        scenario, key = self._scenario, self._scenario.key(upload.key)
        if upload.content is None:
            scenario.s3.delete_object(Bucket=scenario.bucket, Key=key)
        else:
            scenario.s3.put_object(Bucket=scenario.bucket, Key=key, Body=file_content(upload.content))
        event = "ObjectRemoved:Delete" if upload.content is None else "ObjectCreated:Put"
        if upload.notification == "late":
            self._late_notifications.append((now + scenario.rng.uniform(0.1, 0.6), key, event))
        for _ in range({"once": 1, "twice": 2}.get(upload.notification, 0)):
            self._notify(key, event)
        if upload.notification != "once":
            fault = "repeated" if upload.notification == "twice" else upload.notification
            scenario.fault_counts[f"notification {fault}"] += 1

    def _upload_predictions(self, folder: str, state: str) -> None:
        """Put the file with the predictions for the images of a folder beside them, before the first of them."""
        scenario, key = self._scenario, self._scenario.key(f"{folder}/{BESIDE_NAME}")
        if state == "missing":
            return
        names = {base_name(upload.key) for upload in scenario.plan.uploads if upload.key.startswith(f"{folder}/")}
        body = prediction_file(sorted(names)) if state == "good" else b"<html>the model is away</html>"
        scenario.s3.put_object(Bucket=scenario.bucket, Key=key, Body=body)
        self._notify(key, "ObjectCreated:Put")

    def _notify(self, key: str, event: str) -> None:
        record = {
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event,
            "s3": {"bucket": {"name": self._scenario.bucket}, "object": {"key": quote_plus(key, safe="/")}},
        }  # fmt: skip
        body = json.dumps({"Records": [record]})
        self._scenario.sqs.send_message(QueueUrl=self._scenario.queue_url, MessageBody=body)

    def _disturb_ledger(self, seconds: float) -> None:
        """Lock the ledger; on PostgreSQL, every second time end all its connections instead."""
        scenario = self._scenario
        if scenario.ledger.url.get_backend_name() != "sqlite" and scenario.rng.random() < 0.5:
            scenario.fault_counts["ledger's connections ended"] += bool(end_connections(scenario.ledger.url))
            return
        engine = create_engine(scenario.ledger.url, isolation_level="AUTOCOMMIT")
        with suppress(DBAPIError), engine.connect() as connection:
            for statement in _LOCK[engine.dialect.name]:
                connection.exec_driver_sql(statement)
            scenario.fault_counts["ledger locked"] += 1
            time.sleep(seconds)
            connection.exec_driver_sql("ROLLBACK")
        engine.dispose()
