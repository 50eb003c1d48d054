"""A request to the API: its query, its body and its user."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Request

from cvat_sandbox.errors import NotFound
from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.sandbox import Sandbox
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.state.users import User

PARSERS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
"""The media types that Django REST framework parses."""
MAX_JSON_BYTES = 256 * 2**20


@dataclass
class ApiRequest:
    """A request to an endpoint."""

    sandbox: Sandbox
    http: Request
    authenticated: User | None = None
    parsers: tuple[str, ...] = PARSERS
    """The media types that the endpoint reads."""

    @property
    def user(self) -> User:
        """The user, for endpoints whose permission requires one."""
        assert self.authenticated is not None
        return self.authenticated

    @property
    def query(self) -> dict[str, str]:
        """The query parameters. The last value of a repeated parameter counts."""
        return {name: values[-1] for name, values in self.http.args.lists()}

    def url(self, path: str) -> str:
        """Return the absolute URL of a path on this server."""
        return self.http.host_url.rstrip("/") + path

    @cached_property
    def body(self) -> Any:
        """The parsed JSON, or the fields of a form; {} without a body."""
        if not self.has_body:
            return {}
        if self.media_type not in self.parsers:
            content_type = self.http.content_type or ""
            raise ApiException(415, {"detail": f'Unsupported media type "{content_type}" in request.'})
        if self.media_type == "application/json":
            return self._json()
        return {name: values[-1] for name, values in self.http.form.lists()}

    @property
    def has_body(self) -> bool:
        """Whether the request has a body."""
        chunked = bool(self.http.environ.get("wsgi.input_terminated"))
        return chunked or bool(self.http.content_length)

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return (self.http.mimetype or "").lower()

    @property
    def is_form(self) -> bool:
        """Whether the body is a form."""
        return self.media_type in PARSERS[1:] and self.has_body

    @property
    def is_upload(self) -> bool:
        """Whether the body is a multipart form, which `cvat_sandbox.web.multipart` reads."""
        return self.media_type == "multipart/form-data" and self.has_body

    @property
    def _charset(self) -> str:
        try:
            return codecs.lookup(self.http.mimetype_params.get("charset", "utf-8")).name
        except LookupError:
            return "utf-8"

    def _json(self) -> Any:
        if (self.http.content_length or 0) > MAX_JSON_BYTES:
            raise ApiException(413, {"detail": "The sandbox reads JSON up to 256 MiB."})
        try:
            text = self.http.get_data(cache=False).decode(self._charset)
            return json.loads(text, parse_constant=_reject_constant)
        except ValueError as error:
            raise ApiException(400, {"detail": f"JSON parse error - {error}"}) from None


def _reject_constant(word: str) -> Any:
    raise ValueError(f"Out of range float values are not JSON compliant: {word!r}")


def parse_id(pk: str) -> int:
    """Return the id in a path; raises NotFound for what is no number, and for a number that is no id."""
    try:
        number = int(pk)
    except ValueError:
        raise NotFound from None
    if abs(number) > LARGEST_ID:
        raise NotFound
    return number
