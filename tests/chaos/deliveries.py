"""Deliveries of CVAT's webhook, on their way to the watchers: some are lost, late, refused, or arrive twice."""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable, Sequence
from http import HTTPStatus
from threading import Lock, Timer

from tests.chaos.scenario import Scenario

_TIMEOUT_SECONDS = 1.0
"""A stopped watcher accepts a connection and does not answer."""


class Deliveries:
    """Forwards the deliveries of a run to one of the watchers, which listen at the ports, as its plan says."""

    def __init__(self, scenario: Scenario, ports: Callable[[], Sequence[int]]) -> None:
        self._scenario, self._ports = scenario, ports
        self._faults = list(scenario.plan.delivery_faults)
        self._lock, self._rng = Lock(), random.Random(scenario.plan.seed)

    def receive(self, body: bytes, signature: str) -> int:
        """Take a delivery, and return the status that CVAT gets."""
        with self._lock:
            fault = "accepted" if self._scenario.faults_stopped or not self._faults else self._faults.pop(0)
            seconds = self._rng.uniform(0.1, 0.8)
            if fault != "accepted":
                self._scenario.fault_counts[f"delivery {fault}"] += 1
        if fault == "refused":
            return HTTPStatus.SERVICE_UNAVAILABLE
        if fault in {"twice", "late"}:
            Timer(seconds, self._forward, (body, signature)).start()
        return HTTPStatus.NO_CONTENT if fault in {"lost", "late"} else self._forward(body, signature)

    def _forward(self, body: bytes, signature: str) -> int:
        """Post to a watcher; return its status, or that of a gateway without one."""
        ports = self._ports()
        if not ports:
            return HTTPStatus.BAD_GATEWAY
        connection = http.client.HTTPConnection("127.0.0.1", self._rng.choice(ports), timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/cvat/default", body, {"X-Signature-256": signature})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return HTTPStatus.BAD_GATEWAY
        finally:
            connection.close()
