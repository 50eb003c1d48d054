"""Prefect's process worker, which no answer of Prefect's API ends: for the versions without the fast worker."""

from __future__ import annotations

from prefect.workers.process import ProcessWorker

from labelyard.orchestration import PROCESS_WORKER
from labelyard.orchestration.worker_failures import ToleratesApiFailures


class LabelyardProcessWorker(ToleratesApiFailures, ProcessWorker):
    """Runs each flow in a process of its own, as Prefect's process worker does, and serves the same pools."""

    type = PROCESS_WORKER
    _description = "Runs each flow of labelyard in its own process, and continues when Prefect's API fails."
