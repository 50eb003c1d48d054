"""Releases on local disks: merging COCO files with stable ids and splits, verifying and comparing releases."""
