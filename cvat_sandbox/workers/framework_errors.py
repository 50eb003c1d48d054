"""Exceptions of the REST framework that CVAT 2.x raises in its workers: the message of a request shows their names."""

from __future__ import annotations


class ValidationError(Exception):
    """A value is not valid; `text` says why."""

    __module__ = "rest_framework.exceptions"

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"[ErrorDetail(string={text!r}, code='invalid')]")


class NotFound(Exception):
    """A bucket or a file does not exist."""

    __module__ = "rest_framework.exceptions"


class PermissionDenied(Exception):
    """A bucket or a file may not be read."""

    __module__ = "rest_framework.exceptions"
