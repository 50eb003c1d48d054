"""What an export says of the predictions with which people began, and what they made of them."""

from __future__ import annotations

from typing import Any

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.corrections import compare_with_predictions
from labelyard.annotations.objects import frame_objects
from labelyard.domain.annotations import Annotations
from labelyard.domain.preannotation import PreannotationState
from labelyard.ledger import preannotations
from labelyard.pipeline.acquire_batch import BatchLease
from labelyard.pipeline.preannotate_task import unpack
from labelyard.pipeline.read_task import TaskReading


def preannotation_document(lease: BatchLease, reading: TaskReading) -> dict[str, Any] | None:
    """Return `info.preannotation` of a file, and record it; None for a task that no predictions were wanted for."""
    with lease.ledger.read_only() as tx:
        row = preannotations.of_batch(tx, lease.batch_id)
        if row is None:
            return None
        state, source, reason, shapes = row.state, row.source, row.reason, row.shapes
    document: dict[str, Any] = {"from": source}
    if state is not PreannotationState.IMPORTED or shapes is None:
        return document | {"imported": 0, "reason": reason or "the task was assigned before"}
    imported = tuple(shape for found in unpack(shapes).values() for shape in found.shapes)
    drawn = reading.annotations
    # The labels of now: one that was renamed in CVAT is the same label.
    predicted = AnnotationSet(drawn.task, drawn.frames, Annotations(shapes=imported), {}, drawn.interpolation)
    corrections = compare_with_predictions(frame_objects(predicted).objects, reading.objects).document()
    with lease.transaction() as tx:
        preannotations.record_corrections(tx, lease.batch_id, corrections)
    return document | {"imported": len(imported)} | ({"reason": reason} if reason else {}) | corrections
