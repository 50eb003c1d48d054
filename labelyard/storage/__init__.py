"""Object storage over S3: list, read ahead, write, presign; and inspection of images."""

from labelyard.storage.heads import content_digests, head_objects, missing_objects, readable_objects
from labelyard.storage.images import ImageFacts, inspect_image
from labelyard.storage.spool import Spool, Spooled
from labelyard.storage.store import ARCHIVED, LISTING_PAGE, Store

__all__ = [
    "ARCHIVED",
    "LISTING_PAGE",
    "ImageFacts",
    "Spool",
    "Spooled",
    "Store",
    "content_digests",
    "head_objects",
    "inspect_image",
    "missing_objects",
    "readable_objects",
]
