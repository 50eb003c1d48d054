"""Texts of dataset files."""

from __future__ import annotations

import textwrap

import pytest

from labelyard.config import DatasetSpec
from labelyard.config.loading import parse_spec
from labelyard.errors import SpecError

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


def read(text: str) -> DatasetSpec:
    return parse_spec(text.encode(), "street.yaml")


def error_lines(text: str) -> list[str]:
    """The lines of the error that a file ends in."""
    with pytest.raises(SpecError) as caught:
        read(text)
    assert caught.value.next_step == "correct it, then: labelyard validate street.yaml"
    return caught.value.what.splitlines()


def with_task(lines: str) -> str:
    """A good file with other contents of `task`, which begin in its sixth line."""
    return GOOD.replace("  labels: [car, person]\n", textwrap.indent(textwrap.dedent(lines).lstrip("\n"), "  "))
