"""COCO instances: the format of CVAT's `COCO 1.0` exports and of the files that labelyard writes."""
