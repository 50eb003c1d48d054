"""Deliveries of webhooks: signed POST requests from worker threads, and their repetition after failures.

A delivery goes to the address of its webhook and nowhere else: no redirects and no proxies. The deliveries of a webhook
are sent one after another in the order of the changes; a failed one is sent again later and does not hold up others.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import urllib3

from cvat_sandbox.errors import JobForgotten, WorkerError
from cvat_sandbox.state import webhooks
from cvat_sandbox.state.database import now
from cvat_sandbox.workers.pool import WorkerPool

if TYPE_CHECKING:
    import sqlite3

    from cvat_sandbox.faults import Faults
    from cvat_sandbox.state.database import Database

RETRY_SECONDS = (5.0, 300.0, 1800.0, 10800.0, 86400.0, 86400.0, 86400.0, 86400.0)
"""The pauses after failed attempts, as CVAT has them; after the last one the delivery is given up."""
TIMEOUT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 2**20
SENDERS = 4
RETRYABLE = (408, 429)
"""Statuses that are tried again, besides those of 500 and above."""
STOP_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What came of an attempt. `status` is 502 without a connection and 504 without a response in time."""

    status: int
    response: str
    milliseconds: int

    @property
    def is_retryable(self) -> bool:
        """Whether the delivery is sent again."""
        return self.status >= 500 or self.status in RETRYABLE


class Deliveries:
    """The deliveries of all webhooks. One thread looks for those whose time has come, others send them."""

    def __init__(
        self, db: Database, faults: Faults, retry_seconds: Sequence[float] = RETRY_SECONDS, *, agent: str = "CVAT"
    ) -> None:
        self._db, self._faults, self._retry_seconds, self._agent = db, faults, tuple(retry_seconds), agent
        self._wake, self._stopping, self._abandoned = threading.Event(), threading.Event(), threading.Event()
        self._busy: set[int] = set()
        self._thread: threading.Thread | None = None

    @cached_property
    def _senders(self) -> WorkerPool:
        return WorkerPool(SENDERS)

    def start(self) -> None:
        """Send what is queued, also by an earlier process, until `stop` is called."""
        self._thread = threading.Thread(target=self._dispatch, name="sandbox-deliveries", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """Stop; return whether the running deliveries ended in time. What is queued remains in the database."""
        self._stopping.set()
        self._wake.set()
        if self._thread is None:
            return True
        self._thread.join(STOP_SECONDS)
        ended = self._senders.stop(STOP_SECONDS)
        self._abandoned.set()
        return ended

    def wake(self) -> None:
        """Say that a delivery has been queued."""
        self._wake.set()

    def send_now(self, webhook: sqlite3.Row, payload: str) -> int:
        """Send a delivery from this thread, once, and return its id."""
        return self._record(webhook, payload, self._post(webhook, payload), attempt=1, redelivery=False)

    def _dispatch(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            for webhook_id in set(webhooks.with_due_deliveries(self._db)) - self._busy:
                self._busy.add(webhook_id)
                self._senders.submit(partial(self._send_all, webhook_id))
            next_due = webhooks.next_due(self._db)
            self._wake.wait(None if next_due is None else max(0.0, next_due - time.time()))

    def _send_all(self, webhook_id: int) -> None:
        """Send the due deliveries of a webhook in order."""
        try:
            while not self._stopping.is_set() and (queued := webhooks.next_delivery(self._db, webhook_id)):
                self._send(queued)
        finally:
            self._busy.discard(webhook_id)
            self._wake.set()

    def _send(self, queued: sqlite3.Row) -> None:
        """Send a queued delivery, and queue it again if it failed. An inactive webhook gets nothing."""
        webhook = self._db.one("SELECT * FROM webhook WHERE id = ? AND is_active", queued["webhook_id"])
        if webhook is None:
            webhooks.dequeue(self._db, queued)
            return
        try:
            self._faults.run_worker("delivery", webhook["id"])
            result = self._post(webhook, queued["payload"])
        except JobForgotten:
            webhooks.dequeue(self._db, queued)
            return
        except WorkerError as error:
            result = Result(502, str(error), 0)
        if not self._abandoned.is_set():  # else the database is closed, and the next start sends it again
            self._end(webhook, queued, result)

    def _end(self, webhook: sqlite3.Row, queued: sqlite3.Row, result: Result) -> None:
        """Record an attempt and remove it from the queue, or queue the next one."""
        retries, redelivery = queued["attempt"] - 1, bool(queued["redelivery"])
        with self._db.transaction():
            if not webhooks.is_queued(self._db, queued):
                return
            self._record(webhook, queued["payload"], result, attempt=queued["attempt"], redelivery=redelivery)
            if result.is_retryable and retries < len(self._retry_seconds):
                webhooks.postpone(self._db, queued, self._retry_seconds[retries])
            else:
                webhooks.dequeue(self._db, queued)

    def _record(self, webhook: sqlite3.Row, payload: str, result: Result, *, attempt: int, redelivery: bool) -> int:
        body = json.loads(payload)
        return self._db.insert(
            "webhook_delivery", webhook_id=webhook["id"], event=body["event"], status_code=result.status,
            redelivery=redelivery, attempt=attempt, request_duration=result.milliseconds,
            changed_fields=",".join(body.get("before_update", {})), request=payload, response=result.response,
            created_date=now(), updated_date=now(),
        )  # fmt: skip

    def _post(self, webhook: sqlite3.Row, payload: str) -> Result:
        begun, body = time.perf_counter(), payload.encode()
        certificates = "CERT_REQUIRED" if webhook["enable_ssl"] else "CERT_NONE"
        try:
            with urllib3.PoolManager(cert_reqs=certificates) as pool:
                response = pool.request(
                    "POST", webhook["target_url"], body=body, headers=self._headers(webhook, body), redirect=False,
                    retries=urllib3.Retry(0, read=False), timeout=TIMEOUT_SECONDS, preload_content=False,
                )  # fmt: skip
                status, text = response.status, _text(response)
        except urllib3.exceptions.ReadTimeoutError as error:
            status, text = 504, str(error)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            status, text = 502, str(error)
        return Result(status, text, int((time.perf_counter() - begun) * 1000))

    def _headers(self, webhook: sqlite3.Row, body: bytes) -> dict[str, str]:
        headers = {"User-Agent": self._agent, "Accept-Encoding": "gzip, deflate", "Accept": "*/*",
                   "Content-Type": webhook["content_type"]}  # fmt: skip
        if webhook["secret"]:
            headers["X-Signature-256"] = signature(webhook["secret"], body)
        return headers


def signature(secret: str, body: bytes) -> str:
    """Return the header X-Signature-256 of a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _text(response: urllib3.BaseHTTPResponse) -> str:
    """Return the body of a response; empty if it is too long."""
    body = response.read(MAX_RESPONSE_BYTES + 1, decode_content=True)
    response.close()
    return body.decode(errors="replace") if len(body) <= MAX_RESPONSE_BYTES else ""
