"""Items of datasets, as datumaro reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datumaro

from labelyard.annotations.content import Image
from tests.judges.comparison import Found
from tests.support.content_strategies import IMAGES


class Item:
    """A datumaro item, with the annotations that have a box."""

    def __init__(self, item: Any, labels: Sequence[str], images: Sequence[Image]) -> None:
        names = {image.name.rpartition(".")[0]: image for image in images}
        self.image = names[item.id]
        assert tuple(item.media.size) == (self.image.height, self.image.width)
        self.labelled = [(labels[one.label], one) for one in item.annotations]

    def boxes(self) -> list[tuple[Found, Any]]:
        return [
            (Found(self.image.name, label, tuple(one.points)), one)
            for label, one in self.labelled
            if one.type == datumaro.AnnotationType.bbox
        ]


def import_from(folder: Path, form: str, images: Sequence[Image] = IMAGES) -> list[Item]:
    dataset = datumaro.Dataset.import_from(str(folder), form)
    labels = [one.name for one in dataset.categories()[datumaro.AnnotationType.label].items]
    items = [Item(item, labels, images) for item in dataset]
    assert sorted(item.image.name for item in items) == sorted(image.name for image in images)
    return items
