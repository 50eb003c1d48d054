"""Inspection of images: which ones CVAT shows as people expect, and what it makes of the others."""

from labelyard.images.decoder_memory import DecoderMemory, decoder_memory
from labelyard.images.findings import MAX_PIXELS
from labelyard.images.inspection import INSPECTORS, Inspection, inspect_image
from labelyard.images.servers import SERVERS, Server

__all__ = [
    "INSPECTORS",
    "MAX_PIXELS",
    "SERVERS",
    "DecoderMemory",
    "Inspection",
    "Server",
    "decoder_memory",
    "inspect_image",
]
