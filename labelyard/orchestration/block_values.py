"""Reads the blocks that settings name, over REST and once per process. Secrets stay in memory."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

import httpx

from labelyard.errors import SettingsError
from labelyard.orchestration.prefect_api import PrefectApi
from labelyard.settings import Settings

_known: dict[tuple[str, str, str], Mapping[str, object]] = {}
"""Address of the server, type and name of the block -> its values."""
_lock = Lock()


def read_block(settings: Settings, block_type: str, name: str) -> Mapping[str, object]:
    """Return the values of a block by field; empty ones are left out.

    Raises SettingsError if there is no such block, PrefectUnreachable. What was read once is not read again.
    """
    key = (settings.prefect_api_or_ours, block_type, name)
    with _lock:
        if key not in _known:
            with PrefectApi(settings) as api:
                _known[key] = _read(api, block_type, name)
        return _known[key]


def _read(api: PrefectApi, block_type: str, name: str) -> Mapping[str, object]:
    path = f"block_types/slug/{block_type}/block_documents/name/{name}?include_secrets=true"
    answer = api.request("GET", path)
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise _no_such_block(api, block_type, name)
    return {field: value for field, value in answer.json()["data"].items() if value not in (None, "")}


def _no_such_block(api: PrefectApi, block_type: str, name: str) -> SettingsError:
    where = f"block {block_type}/{name}"
    if api.request("GET", f"block_types/slug/{block_type}").status_code == httpx.codes.NOT_FOUND:
        what = "Prefect does not know this type of block"
        return SettingsError(what, where=where, next_step="labelyard deploy, then create the block in Prefect's UI")
    others = api.call("POST", "block_documents/filter", {"block_documents": {"name": {"any_": [name]}}})
    types = ", ".join(sorted(one["block_type"]["slug"] for one in others))
    what = f"the block {name} is of another type: {types}" if types else "Prefect has no such block"
    create = f"create one of the type {block_type} in Prefect's UI, below Blocks, or correct the setting that names it"
    return SettingsError(what, where=where, next_step=create)
