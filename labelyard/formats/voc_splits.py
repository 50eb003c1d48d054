"""Writing Pascal VOC with splits: `ImageSets/Main/SPLIT.txt`, and an XML file for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from labelyard.formats.split_paths import SplitPaths
from labelyard.formats.splits import SplitDataset, SplitFiles, SplitImage
from labelyard.formats.voc import ANNOTATIONS, LABEL_MAP, AnnotationTexts, label_map, label_map_warnings


class VocSplits:
    """Writes the files of VOC (see `formats.splits.SplitWriter`)."""

    def __init__(self, dataset: SplitDataset, files: SplitFiles) -> None:
        self._files, self._texts = files, AnnotationTexts()
        self._paths = SplitPaths((name for _, name in dataset.names), lambda name: name, ".xml")
        self._names = [label.name for label in dataset.labels]
        files.share(LABEL_MAP, label_map(self._names))

    def add(self, image: SplitImage) -> str:
        """Write the file of an image."""
        path = self._paths.path(image.number, image.image.name)
        stem = str(PurePosixPath(path).with_suffix(""))
        text = self._texts.of_image(replace(image.image, name=path), image.objects)
        self._files.add(image.split, f"{ANNOTATIONS}/{stem}.xml", text)
        self._files.add_line(image.split, f"ImageSets/Main/{image.split}.txt", stem)
        return f"JPEGImages/{path}"

    def close(self) -> Sequence[str]:
        """Write the lists of images."""
        self._files.close()
        return [*self._texts.warnings(), *label_map_warnings(self._names)]
