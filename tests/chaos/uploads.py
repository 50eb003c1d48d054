"""Files come into the bucket, and the queue is told of them: once, twice, late, or not at all; the ledger is locked."""

from __future__ import annotations

import io
import json
import time
from contextlib import suppress
from functools import cache
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image
from sqlalchemy import create_engine, select
from sqlalchemy.exc import DBAPIError

from labelyard.ledger.tables import Object
from tests.chaos.fault_plan import File
from tests.chaos.postgres import end_connections
from tests.chaos.scenario import Scene

_LOCK = {
    "sqlite": ("BEGIN IMMEDIATE",),
    # It gives up on a run that is stopped in a transaction: to let that one go on is the storm's business, too.
    "postgresql": (
        "BEGIN",
        "SET LOCAL lock_timeout = '2s'",
        "LOCK TABLE batch, object, dataset, outbox IN ACCESS EXCLUSIVE MODE",
    ),
}


@cache
def picture(content: int) -> bytes:
    """A small JPEG of its own; of a negative number, something that is no image."""
    if content < 0:
        return b"\xff\xd8 no image, number %d" % -content
    out = io.BytesIO()
    colour = (content * 37 % 256, content * 91 % 256, content * 13 % 256)
    Image.new("RGB", (24 + content, 20), colour).save(out, "JPEG")
    return out.getvalue()


class Arrivals:
    """What somebody outside does, at its time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._files = list(scene.plan.files)
        self._late: list[tuple[float, str, str]] = []
        self._locks = list(scene.plan.locks)
        if scene.plan.unreadable:
            scene.sqs.send_message(QueueUrl=scene.queue_url, MessageBody="{ nobody can read this")
            scene.faults["notification unreadable"] += 1

    @property
    def waiting(self) -> bool:
        """Whether more will come."""
        return bool(self._files or self._late)

    @property
    def unusable(self) -> frozenset[str]:
        """The keys under which no image lies at the end."""
        last = {self._scene.address(file.key): file.content for file in self._scene.plan.files}
        return frozenset(key for key, content in last.items() if content is not None and content < 0)

    def tick(self, now: float) -> None:
        """Do what is due."""
        scene = self._scene
        with suppress(BotoCoreError, ClientError):  # the store is away for whoever puts files too: they try again
            self._put_and_tell(now)
        for lock in [lock for lock in self._locks if scene.began + lock[0] <= now and not scene.calm]:
            self._locks.remove(lock)
            self._hurt_the_ledger(lock[1])

    def _put_and_tell(self, now: float) -> None:
        while self._files and self._scene.began + self._files[0].after <= now and self._may_come(self._files[0]):
            self._put(self._files[0], now)
            self._files.pop(0)
        for entry in [entry for entry in self._late if entry[0] <= now or self._scene.calm]:
            self._tell(*entry[1:])
            self._late.remove(entry)

    def _may_come(self, file: File) -> bool:
        if not file.settled:
            return True
        with self._scene.ledger.read_only() as tx:
            landed = select(Object.id).where(Object.key == self._scene.address(file.key))
            return tx.scalar(landed.limit(1)) is not None

    def _put(self, file: File, now: float) -> None:
        scene, key = self._scene, self._scene.address(file.key)
        if file.content is None:
            scene.s3.delete_object(Bucket=scene.bucket, Key=key)
        else:
            scene.s3.put_object(Bucket=scene.bucket, Key=key, Body=picture(file.content))
        event = "ObjectRemoved:Delete" if file.content is None else "ObjectCreated:Put"
        if file.told == "late":
            self._late.append((now + scene.rng.uniform(0.1, 0.6), key, event))
        for _ in range({"once": 1, "twice": 2}.get(file.told, 0)):
            self._tell(key, event)
        if file.told != "once":
            scene.faults[f"notification {'repeated' if file.told == 'twice' else file.told}"] += 1

    def _tell(self, key: str, event: str) -> None:
        record = {
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event,
            "s3": {"bucket": {"name": self._scene.bucket}, "object": {"key": quote_plus(key, safe="/")}},
        }  # fmt: skip
        body = json.dumps({"Records": [record]})
        self._scene.sqs.send_message(QueueUrl=self._scene.queue_url, MessageBody=body)

    def _hurt_the_ledger(self, seconds: float) -> None:
        """Lock it, or, if it is a PostgreSQL, as often end every connection to it."""
        scene = self._scene
        if scene.ledger.url.get_backend_name() != "sqlite" and scene.rng.random() < 0.5:
            scene.faults["ledger's connections ended"] += bool(end_connections(scene.ledger.url))
            return
        engine = create_engine(scene.ledger.url, isolation_level="AUTOCOMMIT")
        with suppress(DBAPIError), engine.connect() as connection:
            for statement in _LOCK[engine.dialect.name]:
                connection.exec_driver_sql(statement)
            scene.faults["ledger locked"] += 1
            time.sleep(seconds)
            connection.exec_driver_sql("ROLLBACK")
        engine.dispose()
