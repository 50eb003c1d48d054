"""Tallies: how many annotations of a frame, job, task or project are right, and the metrics that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

COUNTS = ("valid_count", "missing_count", "extra_count", "total_count", "ds_count", "gt_count")
"""`ds` is the job that is checked, `gt` the ground truth."""
LABEL_COUNTS = ("valid_count", "invalid_count", "total_count")
UNMATCHED = "unmatched"
"""The last row and column of a confusion matrix."""

Counts = dict[str, int]


def zero(names: Sequence[str] = COUNTS) -> Counts:
    """Return counts of nothing."""
    return dict.fromkeys(names, 0)


@dataclass
class Tally:
    """The counts of annotations, of shapes alone, and of the labels of pairs."""

    annotations: Counts = field(default_factory=zero)
    shapes: Counts = field(default_factory=zero)
    labels: Counts = field(default_factory=lambda: zero(LABEL_COUNTS))
    mean_iou: float = 0.0
    label_names: list[str] = field(default_factory=list)
    """The labels of the confusion matrix; empty without a matrix."""
    matrix: np.ndarray | None = None
    """How often a label (row) was given where another one (column) is right."""

    def add(self, other: Tally, weight: float = 1.0) -> None:
        """Add the counts of another tally. The mean overlap remains, as in CVAT."""
        for kind in ("annotations", "shapes", "labels"):
            own, others = getattr(self, kind), getattr(other, kind)
            for name in own:
                own[name] += math.ceil(others[name] * weight)
        if other.matrix is not None:
            if self.matrix is None:
                self.label_names, self.matrix = other.label_names, np.zeros_like(other.matrix)
            self.matrix = self.matrix + np.ceil(other.matrix * weight).astype(int)

    @property
    def json(self) -> dict[str, Any]:
        """`annotations` and `annotation_components` of a report."""
        matrix = None if self.matrix is None else _matrix_json(self.label_names, self.matrix)
        return {
            "annotations": {**self.annotations, "confusion_matrix": matrix, **metrics(self.annotations)},
            "annotation_components": {
                "shape": {**self.shapes, "mean_iou": self.mean_iou, "accuracy": metrics(self.shapes)["accuracy"]},
                "label": {**self.labels, "accuracy": _share(self.labels["valid_count"], self.labels["total_count"])},
            },
        }  # fmt: skip

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Tally:
        """Return the tally of the JSON that `json` made."""
        annotations, components = report["annotations"], report["annotation_components"]
        matrix = annotations["confusion_matrix"]
        return cls(
            {name: annotations[name] for name in COUNTS}, {name: components["shape"][name] for name in COUNTS},
            {name: components["label"][name] for name in LABEL_COUNTS}, components["shape"]["mean_iou"],
            matrix["labels"] if matrix else [], np.array(matrix["rows"], dtype=int) if matrix else None,
        )  # fmt: skip


def metrics(counts: Mapping[str, int]) -> dict[str, float]:
    """Return accuracy, precision and recall."""
    valid = counts["valid_count"]
    names = {"accuracy": "total_count", "precision": "ds_count", "recall": "gt_count"}
    return {metric: _share(valid, counts[name]) for metric, name in names.items()}


def _share(part: int, whole: int) -> float:
    return part / (whole or 1)


def of_matrix(label_names: list[str], matrix: np.ndarray) -> Tally:
    """Return a tally with the counts of annotations that a confusion matrix implies."""
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    missing, extra = matrix[-1].sum(), matrix[:, -1].sum()
    values = (np.trace(matrix), missing, extra, matrix.sum(), rows[:-1].sum(), columns[:-1].sum())
    counts = {name: int(value) for name, value in zip(COUNTS, values, strict=True)}
    return Tally(annotations=counts, label_names=label_names, matrix=matrix)


def _matrix_json(label_names: list[str], matrix: np.ndarray) -> dict[str, Any]:
    right, given, wanted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    total = int(matrix.sum())

    def ratio(below: np.ndarray) -> list[float]:
        divided: list[float] = np.divide(right, below, out=np.zeros(len(right)), where=below != 0).tolist()
        return divided

    accuracy: list[float] = ((total - (given - right) - (wanted - right)) / (total or 1)).tolist()
    return {
        "labels": label_names, "rows": matrix.tolist(), "axes": {"cols": "gt", "rows": "ds"},
        "jaccard_index": ratio(given + wanted - right), "recall": ratio(wanted), "accuracy": accuracy,
        "precision": ratio(given),
    }  # fmt: skip
