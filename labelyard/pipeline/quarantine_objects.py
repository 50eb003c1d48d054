"""Quarantine of the objects of a batch that cannot be uploaded, each with its reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from labelyard.errors import LabelyardError, ObjectChanged, ObjectDeleted, ObjectRefused
from labelyard.ledger import Transaction, batches, objects, refusals
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease

_log = logging.getLogger(__name__)


def quarantine_unusable(lease: BatchLease, unusable: Mapping[int, LabelyardError]) -> None:
    """Quarantine objects of the batch; `unusable` maps an object's id to the reason."""
    with lease.transaction() as tx:
        for member in batches.members(tx, lease.batch_id, quarantined=False, lock=True):
            failure = unusable.get(member.id)
            if failure is not None:
                _quarantine(tx, member, failure)
                about = {"object": member.id}
                _log.warning("%s: %s quarantined: %s", lease.batch_id, member.stored.url, failure.what, extra=about)


def _quarantine(tx: Transaction, member: Object, failure: LabelyardError) -> None:
    if isinstance(failure, (ObjectDeleted, ObjectChanged)):
        objects.quarantine_until_found_again(tx, member, failure.what)
    elif isinstance(failure, ObjectRefused):
        refusals.quarantine_refused(tx, member, f"{failure.what}; {failure.next_step}")
    else:
        objects.quarantine(tx, member, failure.what)
