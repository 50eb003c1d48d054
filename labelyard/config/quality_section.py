"""The section `quality` of a dataset file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from labelyard.config.fields import Count, Person, Problem, Section
from labelyard.domain.quality import choose_ground_truth
from labelyard.domain.tasks import GroundTruth

_PERCENT = r"(100|[0-9]{1,2}(\.[0-9]{1,3})?)%"


def _portion(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000
    if not number and not (isinstance(value, str) and re.fullmatch(_PERCENT, value) and float(value[:-1]) > 0):
        raise ValueError("write a number of frames, such as 5, or a percentage, such as 5%")
    return value


Portion = Annotated[
    int | str,
    BeforeValidator(_portion),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_PERCENT}$"},
                {"type": "integer", "minimum": 1, "maximum": 10_000},
            ],
            "examples": ["5%", "12.5%"],
        }
    ),
]
"""A number of frames, or a percentage of them."""


class GroundTruthSection(Section):
    """The frames of each task that a person labels for comparison."""

    frames: Portion
    """How many frames of each task: a number, or a percentage. Which ones depends on the batch and their names alone.
    """
    annotator: Person
    """The CVAT user name of the person who gets the ground-truth job, and completes and accepts it."""


class QualitySection(Section):
    """Quality control by CVAT 2.x; a change counts for new tasks."""

    ground_truth: GroundTruthSection | None = None
    """Each task gets a ground-truth job. Once it is accepted and the batch is labelled, CVAT compares; the figures
    are on the page of the batch. Without `honeypots` the frames are labelled in the usual jobs, too. The job itself is
    never exported."""
    honeypots: Portion | None = None
    """How many frames of each job are copies of frames with ground truth. Those frames are in no job of their own and
    in no dataset; what is drawn on the copies is compared and not exported. CVAT chooses the order of all frames."""
    replicas: Count | None = Field(default=None, ge=2, le=11)
    """Each job is labelled by so many annotators, each in a replica of their own. Once all are completed, labelyard
    lets CVAT merge them into the job, which is completed then; only that is exported."""

    def problems(self) -> Iterator[Problem]:
        """Yield fields that contradict each other."""
        if self.honeypots is not None and self.ground_truth is None:
            yield ("honeypots",), "are copies of frames with ground truth: write ground_truth, too"
        if self.honeypots is not None and self.replicas is not None:
            yield ("replicas",), "are not supported together with honeypots: remove one of them"

    @property
    def is_used(self) -> bool:
        """Whether tasks get a ground-truth job or replicas."""
        return self.ground_truth is not None or self.replicas is not None

    def choose(self, batch: str, names: Sequence[str], segment_size: int) -> GroundTruth | None:
        """Return the ground truth of a task with these files; None if it gets none."""
        if self.ground_truth is None:
            return None
        return choose_ground_truth(batch, names, self.ground_truth.frames, self.honeypots, segment_size)
