"""Writing a YOLO dataset with splits: `data.yaml`, and for each split `SPLIT.txt` and its label files."""

from __future__ import annotations

from collections.abc import Sequence

from labelyard.formats.split_paths import SplitPaths
from labelyard.formats.splits import SplitDataset, SplitFiles, SplitImage
from labelyard.formats.yolo.paths import label_path, sound
from labelyard.formats.yolo.rows import Rows
from labelyard.formats.yolo.write import LabelLines, data_yaml, renaming


class YoloSplits:
    """Writes the files of one of the YOLO formats (see `formats.splits.SplitWriter`)."""

    def __init__(self, rows: Rows, dataset: SplitDataset, files: SplitFiles) -> None:
        self._rows, self._labels, self._files = rows, dataset.labels, files
        self._lines = LabelLines(rows, dataset.labels)
        self._paths = SplitPaths((name for _, name in dataset.names), sound, ".txt")
        self._renamed = 0
        files.share("data.yaml", data_yaml(rows, dataset.labels, _lists(dataset.splits)))

    def add(self, image: SplitImage) -> str:
        """Write the label file of an image, empty if it has no objects."""
        path = self._paths.path(image.number, image.image.name)
        self._renamed += path != image.image.name
        text = self._lines.of_image(image.objects, image.image)
        self._files.add(image.split, f"labels/{image.split}/{label_path(path)}", text)
        whole = f"images/{image.split}/{path}"
        self._files.add_line(image.split, f"{image.split}.txt", f"./{whole}")
        return whole

    def close(self) -> Sequence[str]:
        """Write the lists of images."""
        self._files.close()
        tally = self._lines.tally
        return [
            *self._rows.warnings(self._labels),
            *tally.warnings(),
            *renaming(self._renamed, "images", "SPLIT.jsonl"),
        ]


def _lists(splits: Sequence[str]) -> dict[str, str]:
    """Return the list of images of each split. Readers insist on `train` and `val`."""
    found = {split: f"{split}.txt" for split in splits}
    first = next(iter(found.values()))
    train = found.pop("train", first)
    return {"train": train, "val": found.pop("val", train), **found}
