"""Inspect files before they are uploaded, exactly as the pipeline will."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from labelyard.blocks import complete
from labelyard.cvat import connect
from labelyard.domain.objects import parse_address
from labelyard.errors import InputError, LabelyardError, NotFound
from labelyard.images import INSPECTORS, SERVERS, Inspection, Server, decoder_memory, inspect_image
from labelyard.settings import Settings
from labelyard.storage import Store

DEFAULT_FAMILY = "v2"
"""The family without a CVAT in the settings."""


@dataclass(frozen=True)
class InspectedFile:
    """A file and its inspection, or why it could not be read."""

    name: str
    result: Inspection | LabelyardError


def family(settings: Settings) -> str:
    """Return the family of the CVAT in the settings; with the dialect `auto` the server is asked."""
    if not settings.cvat:
        return DEFAULT_FAMILY
    cvats = complete(settings).cvat
    at = cvats.get("default") or next(iter(cvats.values()))
    if at.dialect != "auto":
        return at.dialect
    cvat = connect(at.url, timeout=at.timeout_seconds)
    try:
        return cvat.family
    except LabelyardError as error:
        error.next_step = "labelyard inspect --dialect v1|v2 … asks no server"
        raise
    finally:
        cvat.close()


def inspect_all(addresses: Sequence[str], settings: Settings, family_name: str) -> Iterator[InspectedFile]:
    """Yield the inspection of each file, of each file in a folder, and of each object below s3://bucket/prefix.

    Raises NotFound before anything is read if an address names nothing.
    """
    server = SERVERS[family_name]
    sources = [_objects if address.startswith("s3://") else _files for address in addresses]
    started = [source(address, settings, server) for source, address in zip(sources, addresses, strict=True)]
    for inspections in started:
        yield from inspections


def _files(address: str, settings: Settings, server: Server) -> Iterator[InspectedFile]:
    path = Path(address)
    if not path.exists():
        raise NotFound("no such file or folder", where=address)
    found = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if not found:
        raise NotFound("the folder is empty", where=address)
    return _inspect_files(found, settings, server)


def _inspect_files(files: Sequence[Path], settings: Settings, server: Server) -> Iterator[InspectedFile]:
    memory = decoder_memory(settings.inspection_bytes)

    def inspect(file: Path) -> InspectedFile:
        try:
            return InspectedFile(str(file), inspect_image(file, server, memory))
        except OSError as error:
            return InspectedFile(str(file), InputError(f"cannot be read: {error.strerror}", where=str(file)))

    with ThreadPoolExecutor(INSPECTORS, thread_name_prefix="inspect") as pool:
        yield from pool.map(inspect, files)


def _objects(address: str, settings: Settings, server: Server) -> Iterator[InspectedFile]:
    bucket, prefix = parse_address(address) or ("", "")
    store = Store(complete(settings).store)
    objects = [found for found in store.list(bucket, prefix) if not found.key.endswith("/")]
    if not objects:
        raise NotFound("no object has this prefix", where=address)

    def inspections() -> Iterator[InspectedFile]:
        memory = decoder_memory(settings.inspection_bytes)
        with (
            tempfile.TemporaryDirectory(prefix="labelyard-inspect-") as folder,
            store.spool(objects, Path(folder), settings.spool_bytes) as spool,
        ):
            for spooled in spool:
                result = spooled.failure or inspect_image(spooled.path, server, memory)
                spooled.discard()
                yield InspectedFile(spooled.object.url, result)

    return inspections()
