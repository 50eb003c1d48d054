"""The CVAT client: `connect` returns a `Cvat`, whose methods are all verbs that labelyard uses.

The functions for annotations are safe to repeat, unlike `Cvat.change_annotations`.
"""

from labelyard.cvat.annotation_writes import create_annotations, delete_annotations, update_annotations
from labelyard.cvat.client import Cvat, connect
from labelyard.cvat.dialects import DIALECTS

__all__ = ["DIALECTS", "Cvat", "connect", "create_annotations", "delete_annotations", "update_annotations"]
