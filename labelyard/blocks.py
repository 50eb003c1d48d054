"""Servers whose settings are in blocks of Prefect: what a block must hold, and how it becomes settings.

Code that talks to a server calls `complete` first. Only `orchestration` knows Prefect: it sets the function that reads
a block (`read_with`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.server_settings import CVAT_FIELDS, STORE_FIELDS, CvatSettings, StoreSettings
from labelyard.settings import Settings

CVAT_TYPE, STORE_TYPE = "labelyard-cvat", "labelyard-store"
"""The types of blocks, as Prefect's addresses name them."""
CORRECT_IT = "correct it in Prefect's UI, below Blocks"
"""What to do about a block with a wrong value."""
_FIELDS = {CVAT_TYPE: CVAT_FIELDS, STORE_TYPE: STORE_FIELDS}
_Server = TypeVar("_Server", CvatSettings, StoreSettings)


class Reader(Protocol):
    """Reads a block from the Prefect server of the settings."""

    def __call__(self, settings: Settings, block_type: str, name: str, /) -> Mapping[str, object]:
        """Return the values of a block by field, secrets in plain text; empty ones are left out.

        Raises SettingsError if there is no such block, PrefectUnreachable.
        """


_readers: list[Reader] = []


def read_with(reader: Reader) -> None:
    """Read blocks with this function from now on."""
    _readers[:] = [reader]


def complete(settings: Settings) -> Settings:
    """Return the settings with the values of all blocks that they name: all of them, or an error.

    Raises SettingsError, which names block and field, and PrefectUnreachable.
    """
    read, errors = complete_each(settings)
    if errors:
        raise errors[0]
    return read


def complete_each(settings: Settings) -> tuple[Settings, list[SettingsError | PrefectUnreachable]]:
    """Return the settings with the values of those blocks that can be read, and the errors of the others.

    A server whose block cannot be read keeps its `block`, and has no address.
    """
    if settings.store.block is None and not any(one.block for one in settings.cvat.values()):
        return settings, []
    errors = list[SettingsError | PrefectUnreachable]()

    def read(server: _Server, block_type: str) -> _Server:
        try:
            return _completed(settings, server, block_type)
        except (SettingsError, PrefectUnreachable) as error:
            errors.append(error)
            return server

    cvat = {name: read(one, CVAT_TYPE) for name, one in settings.cvat.items()}
    return settings.model_copy(update={"cvat": cvat, "store": read(settings.store, STORE_TYPE)}), errors


def _completed(settings: Settings, server: _Server, block_type: str) -> _Server:
    if server.block is None:
        return server
    where = f"block {block_type}/{server.block}"
    found = _readers[0](settings, block_type, server.block)
    wrong = list(_missing(block_type, found)) + [
        f"{name}: this labelyard knows no such field" for name in found if name not in _FIELDS[block_type]
    ]
    try:
        completed = type(server).model_validate({**_own(server), **found})
    except ValidationError as error:
        wrong += [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
            for one in error.errors(include_input=False)
            if one["loc"] and one["loc"][0] in _FIELDS[block_type]
        ]
    if wrong:
        raise SettingsError("; ".join(wrong), where=where, next_step=CORRECT_IT)
    return completed


def _own(server: BaseModel) -> dict[str, object]:
    """Return the settings that stand beside the name of the block."""
    return {name: getattr(server, name) for name in server.model_fields_set - {"block"}}


def _missing(block_type: str, found: Mapping[str, object]) -> Iterator[str]:
    """Yield what a form of Prefect's UI lets a person leave empty and labelyard needs."""
    if block_type == CVAT_TYPE:
        if "url" not in found:
            yield "url: it is missing"
        if "token" not in found and not {"username", "password"} <= found.keys():
            yield "token: write one, or username and password"
    elif ("access_key_id" in found) != ("secret_access_key" in found):
        missing = "secret_access_key" if "access_key_id" in found else "access_key_id"
        yield f"{missing}: it is missing beside the other half of the key"
