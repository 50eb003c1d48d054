"""The answers of a person to the questions of `labelyard init`: from flags, or asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from labelyard.model_settings import ADDRESS

Check = Callable[[str], str]
"""Return a text as it will be written, or raise ValueError with what to write instead."""


def typed(kind: Any) -> Check:
    """Return a check that the text is a value of a pydantic type."""
    return TypeAdapter(kind).validate_python


def each(kind: Any) -> Check:
    """Return a check that the text is a list of values of a pydantic type, separated by commas."""

    def check(text: str) -> str:
        found = parts(text)
        if not found:
            raise ValueError("write at least one")
        if repeated := next((part for part in found if found.count(part) > 1), None):
            raise ValueError(f"{repeated!r} occurs twice: write it once")
        return ",".join(map(typed(kind), found))

    return check


def parts(text: str) -> list[str]:
    """Return the parts of a list that is separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass
class Answers:
    """Values from flags, else from questions; without questions, defaults or an error."""

    asking: bool

    def one(
        self,
        flag: str,
        given: str | None,
        question: str,
        check: Check,
        default: str | None = None,
        *,
        hide: bool = False,
    ) -> str:
        """Return the value of a flag, or ask for it."""
        if given is not None:
            return checked(check, given, f"--{flag}")
        if not self.asking:
            if default is None:
                raise click.UsageError(f"--{flag} is missing: add it, or remove --no-questions")
            return default
        value: str = click.prompt(
            question,
            default=default,
            hide_input=hide,
            value_proc=lambda text: checked(check, text),
            show_default=bool(default),
        )
        return value


def checked(check: Check, text: str, flag: str | None = None) -> str:
    """Return the checked text. Raises click.BadParameter with what to write instead."""
    try:
        return check(text)
    except ValidationError as error:  # a subclass of ValueError with a longer message
        words = error.errors()[0]["msg"].removeprefix("Value error, ")
    except ValueError as error:
        words = str(error)
    raise click.BadParameter(words, param_hint=flag)


def address(text: str) -> str:
    """Return the address of a server without a slash at its end; an empty one is none."""
    if text and not re.fullmatch(ADDRESS, text):
        raise ValueError("write only the address, such as https://cvat.example.com")
    return text.rstrip("/")


def line(text: str) -> str:
    """Return a text that is one line."""
    if any(ord(char) < 32 for char in text):
        raise ValueError("write one line, without control characters")
    return text
