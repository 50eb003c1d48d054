"""The flows of a fast worker: each is loaded once for each version of its deployment."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.steps.core import StepExecutionError, run_steps
from prefect.filesystems import LocalFileSystem
from prefect.flows import load_flow_from_entrypoint

from labelyard.errors import OtherVersion

_log = logging.getLogger(__name__)
_SECONDS_UNTIL_NEXT_LOOK = 60.0
_Version = tuple[UUID | None, str | None]


class LoadedFlows:
    """Loads flows, and remembers which deployments another labelyard made: their runs are for its workers."""

    def __init__(self) -> None:
        self._flows: dict[_Version, Flow[..., Any]] = {}
        self._left_until: dict[_Version, float] = {}

    def are_for_others(self, flow_run: FlowRun) -> bool:
        """Return whether another labelyard made the run's deployment, as far as is known.

        A deployment is looked at again after a minute: `labelyard deploy` may have made it this one's.
        """
        return time.monotonic() < self._left_until.get(_version_of(flow_run), 0.0)

    async def get(self, client: PrefectClient, flow_run: FlowRun) -> Flow[..., Any]:
        """Return the run's flow. Raises OtherVersion, httpx.HTTPError, and whatever loading it raises."""
        if flow_run.deployment_id is None:
            raise ValueError("the run has no deployment, so there is no flow to load")
        version = _version_of(flow_run)
        if version not in self._flows:
            deployment = await client.read_deployment(flow_run.deployment_id)
            try:
                pulled = await run_steps(
                    deployment.pull_steps or [], print_function=_log.debug, deployment=deployment, flow_run=flow_run
                )
            except StepExecutionError as error:
                if isinstance(error.__cause__, OtherVersion):
                    self._left_until[version] = time.monotonic() + _SECONDS_UNTIL_NEXT_LOOK
                    raise error.__cause__ from None
                raise
            folder = pulled.get("directory") or deployment.path or "."
            self._flows[version] = await anyio.to_thread.run_sync(_load, folder, deployment.entrypoint or "")
        return self._flows[version]


def _version_of(flow_run: FlowRun) -> _Version:
    return flow_run.deployment_id, flow_run.deployment_version


def _load(folder: str, entrypoint: str) -> Flow[..., Any]:
    project = str(Path(folder).resolve())
    if project not in sys.path:
        sys.path.insert(0, project)  # flows/ imports tasks/ from here
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{project}/{entrypoint}", use_placeholder_flow=False)
    if flow.persist_result is False:
        flow.result_storage = LocalFileSystem()  # never used; without one each run asks the server for it twice
    return flow
