"""Texts of dataset files."""

from __future__ import annotations

GOOD = """\
name: street
sources:
  - bucket: raw-images
    prefix: incoming/
task:
  labels: [car, person]
annotators: [ada]
export:
  prefix: datasets/street/
"""
