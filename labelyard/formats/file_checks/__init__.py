"""Checking COCO files: of any size, with whatever is in them, and with their images; and repairing them."""
