"""New files in object storage become assigned CVAT tasks and then checked COCO datasets."""

from importlib.metadata import version

__version__ = version("labelyard")
