"""Where `labelyard cvat` speaks to, and as whom."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, Literal

import click
from pydantic import SecretStr, ValidationError

from labelyard.cvat import Cvat, connect
from labelyard.errors import CvatUnauthorized, CvatUnreachable, InputError
from labelyard.settings import CvatSettings, load_settings


@dataclass(frozen=True)
class Connection:
    """Where a command speaks to and as whom; nothing is sent, read or asked for before a command needs it."""

    name: str = "default"
    url: str | None = None
    username: str | None = None
    password_file: IO[str] | None = None
    token_file: IO[str] | None = None
    dialect: Literal["auto", "v1", "v2"] | None = None

    @cached_property
    def at(self) -> CvatSettings:
        """The server and the account. Raises SettingsError where no settings hold it."""
        at = _at(self.url) if self.url else load_settings().cvat_named(self.name)
        if self.username and self.username != at.username:  # the settings' password is another account's
            at = at.model_copy(update={"username": self.username, "password": None, "token": None})
        return at.model_copy(update={"dialect": self.dialect}) if self.dialect else at

    @cached_property
    def cvat(self) -> Cvat:
        """The server, with the account's token or password."""
        token = first_line(self.token_file) or self.at.token
        password = None if token else self.password()
        return connect(self.at.url, username=self.at.username, password=password, token=token, dialect=self.at.dialect)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """What fails names what was given by hand: `labelyard doctor` looks at the settings alone."""
        try:
            yield
        except (CvatUnreachable, CvatUnauthorized) as error:
            if error.next_step in ("", "labelyard doctor"):
                away = isinstance(error, CvatUnreachable)
                error.next_step = (self._address() if away else self._account()) or error.next_step
            raise

    def _address(self) -> str:
        return f"check --url {self.url}" if self.url else ""

    def _account(self) -> str:
        if self.url and not (self.username or self.token_file):
            return f"labelyard cvat --url {self.url} --username NAME --password-file FILE …"
        shown = {"--url": self.url, "--username": self.username}
        files = {"--password-file": self.password_file, "--token-file": self.token_file}
        by_hand = [f"{option} {value}" for option, value in shown.items() if value]
        by_hand += [f"{option} {file.name}" for option, file in files.items() if file] or ["the password"]
        return f"check {', '.join(by_hand)}" if len(by_hand) > 1 or any(files.values()) else ""

    def password(self) -> SecretStr | None:
        """The account's password: from the file, the settings, or the person at the terminal; None: nobody's."""
        known = first_line(self.password_file) or self.at.password
        if known or not self.at.username:
            return known
        if not sys.stdin.isatty():
            raise InputError(
                f"no password for {self.at.username!r}", next_step="labelyard cvat --password-file FILE (- is stdin) …"
            )
        return SecretStr(click.prompt(f"password of {self.at.username} at {self.at.url}", hide_input=True, err=True))


def _at(url: str) -> CvatSettings:
    try:
        return CvatSettings(url=url)
    except ValidationError:
        raise InputError(f"--url {url!r}: write an address such as http://127.0.0.1:8080") from None


def first_line(file: IO[str] | None) -> SecretStr | None:
    """The secret that a file begins with. Raises InputError where it is empty."""
    if file is None:
        return None
    line = file.readline().rstrip("\r\n")
    if not line:
        raise InputError("is empty", where=file.name)
    return SecretStr(line)


def json_of(file: IO[str]) -> Any:
    """What a file of JSON holds. Raises InputError naming the file."""
    try:
        return json.load(file)
    except ValueError as error:
        raise InputError(f"is not valid JSON: {error}", where=file.name) from error
