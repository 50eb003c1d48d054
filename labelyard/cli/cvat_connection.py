"""The server and the account of `labelyard cvat`."""

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
from labelyard.cvat_settings import CvatSettings
from labelyard.errors import CvatUnauthorized, CvatUnreachable, InputError
from labelyard.settings import load_settings


@dataclass(frozen=True)
class Connection:
    """The options of `labelyard cvat`; nothing is read, prompted or sent before a command needs it."""

    name: str = "default"
    url: str | None = None
    username: str | None = None
    password_file: IO[str] | None = None
    token_file: IO[str] | None = None
    dialect: Literal["auto", "v1", "v2"] | None = None
    organization: str | None = None

    @cached_property
    def server(self) -> CvatSettings:
        """The settings of the server, changed by the options. Raises SettingsError if there are none."""
        server = _settings_for(self.url) if self.url else load_settings().cvat_named(self.name)
        if self.username and self.username != server.username:  # the password in the settings is another account's
            server = server.model_copy(update={"username": self.username, "password": None, "token": None})
        given = {"dialect": self.dialect, "organization": self.organization}
        return server.model_copy(update={name: value for name, value in given.items() if value is not None})

    @cached_property
    def cvat(self) -> Cvat:
        """The client, with the account's token or password."""
        server = self.server
        token = read_secret(self.token_file) or server.token
        password = None if token else self.password()
        return connect(
            server.url, username=server.username, password=password, token=token, dialect=server.dialect,
            organization=server.organization,
        )  # fmt: skip

    @contextmanager
    def error_hints(self) -> Iterator[None]:
        """Make connection errors name the options to check: `labelyard doctor` checks only the settings."""
        try:
            yield
        except (CvatUnreachable, CvatUnauthorized) as error:
            if error.next_step in ("", "labelyard doctor"):
                unreachable = isinstance(error, CvatUnreachable)
                error.next_step = (self._check_url() if unreachable else self._check_account()) or error.next_step
            raise

    def _check_url(self) -> str:
        return f"check --url {self.url}" if self.url else ""

    def _check_account(self) -> str:
        if self.url and not (self.username or self.token_file):
            return f"labelyard cvat --url {self.url} --username NAME --password-file FILE …"
        values = {"--url": self.url, "--username": self.username}
        files = {"--password-file": self.password_file, "--token-file": self.token_file}
        options = [f"{option} {value}" for option, value in values.items() if value]
        options += [f"{option} {file.name}" for option, file in files.items() if file] or ["the password"]
        return f"check {', '.join(options)}" if len(options) > 1 or any(files.values()) else ""

    def password(self) -> SecretStr | None:
        """Return the account's password from the file, the settings or a prompt; None if there is no account."""
        known = read_secret(self.password_file) or self.server.password
        if known or not self.server.username:
            return known
        if not sys.stdin.isatty():
            raise InputError(
                f"no password for {self.server.username!r}",
                next_step="labelyard cvat --password-file FILE (- is stdin) …",
            )
        prompt = f"password of {self.server.username} at {self.server.url}"
        return SecretStr(click.prompt(prompt, hide_input=True, err=True))


def _settings_for(url: str) -> CvatSettings:
    try:
        return CvatSettings(url=url)
    except ValidationError:
        raise InputError(f"--url {url!r}: write an address such as http://127.0.0.1:8080") from None


def read_secret(file: IO[str] | None) -> SecretStr | None:
    """Return the first line of a file. Raises InputError if it is empty."""
    if file is None:
        return None
    line = file.readline().rstrip("\r\n")
    if not line:
        raise InputError("is empty", where=file.name)
    return SecretStr(line)


def read_json(file: IO[str]) -> Any:
    """Return the content of a JSON file. Raises InputError with its name."""
    try:
        return json.load(file)
    except ValueError as error:
        raise InputError(f"is not valid JSON: {error}", where=file.name) from error
