"""The formats that CVAT 2.73 lists. The sandbox reads and writes only some of them."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A format of the list: its name, its files and the kind of media."""

    name: str
    ext: str = "ZIP"
    dimension: str = "2d"


IMPORTERS = (
    Format("Generic TSV 1.0", "TSV", "1d"),
    Format("CamVid 1.0"),
    Format("Cityscapes 1.0"),
    Format("COCO 1.0", "JSON, ZIP"),
    Format("COCO Keypoints 1.0", "JSON, ZIP"),
    Format("CVAT 1.1", "XML, ZIP"),
    Format("Datumaro 1.0", "JSON, ZIP"),
    Format("Datumaro 3D 1.0", "JSON, ZIP", "3d"),
    Format("ICDAR Recognition 1.0"),
    Format("ICDAR Localization 1.0"),
    Format("ICDAR Segmentation 1.0"),
    Format("ImageNet 1.0"),
    Format("KITTI 1.0"),
    Format("LabelMe 3.0"),
    Format("LFW 1.0"),
    Format("Market-1501 1.0"),
    Format("Segmentation mask 1.1"),
    Format("MOT 1.1"),
    Format("MOTS PNG 1.0"),
    Format("Open Images V6 1.0"),
    Format("PASCAL VOC 1.1"),
    Format("Sly Point Cloud Format 1.0", "ZIP", "3d"),
    Format("Kitti Raw Format 1.0", "ZIP, XML", "3d"),
    Format("VGGFace2 1.0"),
    Format("WiderFace 1.0"),
    Format("YOLO 1.1"),
    Format("Ultralytics YOLO Detection 1.0"),
    Format("Ultralytics YOLO Segmentation 1.0"),
    Format("Ultralytics YOLO Oriented Bounding Boxes 1.0"),
    Format("Ultralytics YOLO Pose 1.0"),
    Format("Ultralytics YOLO Classification 1.0"),
)
EXPORTERS = (
    Format("Generic TSV 1.0", "TSV", "1d"),
    Format("CamVid 1.0"),
    Format("Cityscapes 1.0"),
    Format("COCO 1.0"),
    Format("COCO Keypoints 1.0"),
    Format("CVAT for video 1.1"),
    Format("CVAT for images 1.1"),
    Format("Datumaro 1.0"),
    Format("Datumaro 3D 1.0", "ZIP", "3d"),
    Format("ICDAR Recognition 1.0"),
    Format("ICDAR Localization 1.0"),
    Format("ICDAR Segmentation 1.0"),
    Format("ImageNet 1.0"),
    Format("KITTI 1.0"),
    Format("LabelMe 3.0"),
    Format("LFW 1.0"),
    Format("Market-1501 1.0"),
    Format("Segmentation mask 1.1"),
    Format("MOT 1.1"),
    Format("MOTS PNG 1.0"),
    Format("Open Images V6 1.0"),
    Format("PASCAL VOC 1.1"),
    Format("Sly Point Cloud Format 1.0", "ZIP", "3d"),
    Format("Kitti Raw Format 1.0", "ZIP", "3d"),
    Format("VGGFace2 1.0"),
    Format("WiderFace 1.0"),
    Format("YOLO 1.1"),
    Format("Ultralytics YOLO Detection 1.0"),
    Format("Ultralytics YOLO Detection Track 1.0"),
    Format("Ultralytics YOLO Oriented Bounding Boxes 1.0"),
    Format("Ultralytics YOLO Segmentation 1.0"),
    Format("Ultralytics YOLO Pose 1.0"),
    Format("Ultralytics YOLO Classification 1.0"),
)
