"""Inspection of a batch's images, as its CVAT will make frames of them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from labelyard.errors import ImageError, LabelyardError
from labelyard.images import SERVERS, Inspection, decoder_memory, inspect_image
from labelyard.ledger import Transaction, history
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.storage import Spooled

_log = logging.getLogger(__name__)


def inspector(lease: BatchLease) -> Callable[[Spooled], Inspection | LabelyardError]:
    """Return a function that inspects a fetched object, or returns why it cannot be uploaded. Threads may share it."""
    server = SERVERS[lease.cvat.family]
    memory = decoder_memory(lease.context.settings.inspection_bytes)

    def inspect(spooled: Spooled) -> Inspection | LabelyardError:
        if spooled.failure is not None:
            return spooled.failure
        inspection = inspect_image(spooled.path, server, memory)
        return inspection if inspection.reason is None else ImageError(inspection.reason)

    return inspect


def why_unusable(lease: BatchLease, member: Object) -> LabelyardError | None:
    """Fetch and inspect one object; return why it cannot be uploaded, None if it can."""
    settings = lease.context.settings
    with lease.context.store.spool([member.stored], settings.spool, settings.spool_bytes) as spool:
        found = inspector(lease)(next(iter(spool)))
    return found if isinstance(found, LabelyardError) else None


def record_inspection(tx: Transaction, member: Object, inspection: Inspection) -> None:
    """Record what CVAT shows of an accepted image. `labelyard why` shows the warnings."""
    member.width, member.height, member.sha256 = inspection.width, inspection.height, inspection.sha256
    member.exif_orientation = inspection.exif_orientation
    if inspection.warnings:
        warnings = "; ".join(inspection.warnings)
        history.record(tx, "inspected", f"accepted with a warning: {warnings}", obj=member)
        _log.warning("%s: %s: %s", member.batch_id, member.stored.url, warnings, extra={"object": member.id})
