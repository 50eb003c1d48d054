"""Object storage over S3: list, read ahead, write, presign."""

from labelyard.storage.heads import concurrently, content_digests, head_objects, missing_objects, readable_objects
from labelyard.storage.spool import Spool, Spooled
from labelyard.storage.store import LISTING_PAGE, Store

__all__ = [
    "LISTING_PAGE",
    "Spool",
    "Spooled",
    "Store",
    "concurrently",
    "content_digests",
    "head_objects",
    "missing_objects",
    "readable_objects",
]
