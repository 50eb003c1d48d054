"""Misbehaviour on order: rules that delay, refuse, cut or shorten requests, and slow or fail the workers."""

from __future__ import annotations

import random
import socket
import struct
import threading
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from cvat_sandbox.errors import SandboxError
from cvat_sandbox.answers import WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIApplication

WORKERS = ("creation", "export", "null_message")


class Rule(BaseModel):
    """What misbehaves, how, and how often."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    on: str = Field(
        description="`METHOD PATH`, * for any, or `worker creation`, `worker export`, `worker null_message`"
    )
    delay: float = Field(0.0, ge=0, le=3600, description="seconds to wait")
    status: int = Field(0, ge=0, le=599, description="the answer instead of the real one")
    retry_after: int | None = Field(None, ge=0, description="the header of that answer")
    cut: bool = Field(default=False, description="end the connection without an answer")
    when: Literal["before", "after"] = Field("before", description="whether the request has had its effect")
    short: float | None = Field(None, ge=0, le=1, description="the part of an upload's body that counts")
    fail: str = Field("", description="the text with which a worker's job fails; {task} is its task")
    times: int | None = Field(None, ge=0, description="how often at most")
    skip: int = Field(0, ge=0, description="how many matches to let pass first")
    probability: float = Field(1.0, ge=0, le=1, description="how likely each time")
    seed: int = Field(0, description="so that chance repeats itself")

    @field_validator("on")
    @classmethod
    def _two_words(cls, value: str) -> str:
        word, _, rest = value.partition(" ")
        if not rest or (word == "worker" and rest not in WORKERS):
            raise ValueError(f"neither METHOD PATH nor worker {'|'.join(WORKERS)}")
        return value

    def matches(self, word: str, rest: str) -> bool:
        """Whether the rule is about this method and path, or this worker."""
        own_word, _, own_rest = self.on.partition(" ")
        if word == "worker" or own_word == "worker":
            return (own_word, own_rest) == (word, rest)
        return own_word in {"*", word} and fnmatchcase(rest, own_rest)


_RULES = TypeAdapter(list[Rule])


def parse_rules(rules: Any) -> list[Rule]:
    """Rules from a list of maps; SandboxError names the rule and the key that is wrong."""
    try:
        return _RULES.validate_python(rules)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise SandboxError(f"fault rule {place}: {first['msg']}") from None


class _Yaml(yaml.SafeLoader):
    """YAML in which `on` is a word and not a boolean."""


_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first not in "oO" or tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_rules(file: Path) -> list[Rule]:
    """The rules of a YAML or JSON file; SandboxError."""
    try:
        return parse_rules(yaml.load(file.read_text(), _Yaml) or [])  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise SandboxError(f"not valid YAML: {error}", where=str(file)) from None


class _Armed:
    """A rule in force, and how often it has been met."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.met = rule, 0
        self._random = random.Random(rule.seed)  # noqa: S311 - chance that can be repeated

    def fires(self) -> bool:
        """Whether it happens this time; counts."""
        self.met += 1
        used_up = self.rule.times is not None and self.met - self.rule.skip > self.rule.times
        if self.met <= self.rule.skip or used_up:
            return False
        return self.rule.probability >= 1 or self._random.random() < self.rule.probability


class Faults:
    """The rules in force; they may be changed at any time."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = [_Armed(rule) for rule in rules]
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def end(self) -> None:
        """End every delay, so that the server can end."""
        self._ending.set()

    def pause(self, seconds: float) -> None:
        """Wait; not beyond the end of the server."""
        self._ending.wait(seconds)

    def set(self, rules: Any) -> None:
        """Replace the rules by a list of maps; SandboxError."""
        armed = [_Armed(rule) for rule in parse_rules(rules)]
        with self._lock:
            self._rules = armed

    def clear(self) -> None:
        """Behave."""
        self.set([])

    def described(self) -> list[dict[str, Any]]:
        """The rules with how often each was met."""
        with self._lock:
            return [{**armed.rule.model_dump(exclude_defaults=True), "met": armed.met} for armed in self._rules]

    def for_request(self, method: str, path: str) -> list[Rule]:
        """The rules that fire for a request; none for the control endpoint."""
        return [] if path.startswith("/_sandbox/") else self._firing(method, path)

    def worker(self, name: str, task_id: int) -> bool:
        """Delay or fail a worker's job where a rule says so; whether any fired. Raises WorkerError."""
        rules = self._firing("worker", name)
        for rule in rules:
            self.pause(rule.delay)
            if rule.fail:
                raise WorkerError(rule.fail.replace("{task}", str(task_id)))
        return bool(rules)

    def _firing(self, word: str, rest: str) -> list[Rule]:
        with self._lock:
            return [armed.rule for armed in self._rules if armed.rule.matches(word, rest) and armed.fires()]


class Cut(Exception):
    """The connection has been ended on purpose."""


def wrap(app: WSGIApplication, faults: Faults) -> WSGIApplication:
    """A WSGI application that is `app` with its faults."""

    def faulty(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        rules = faults.for_request(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        before = [rule for rule in rules if rule.when == "before"]
        for rule in before:
            faults.pause(rule.delay)
            if rule.short is not None:
                environ["sandbox.short"] = rule.short
        refused = _apply(before, environ, start_response)
        if refused is not None:
            return refused
        after = [rule for rule in rules if rule.when == "after"]
        if not after:
            return app(environ, start_response)
        held: list[Any] = []
        answer = b"".join(app(environ, lambda *args: held.append(args)))  # type: ignore[arg-type] # nobody writes
        for rule in after:
            faults.pause(rule.delay)
        refused = _apply(after, environ, start_response)
        if refused is None:
            start_response(*held[0])
            refused = [answer]
        return refused

    return faulty


def _apply(rules: list[Rule], environ: dict[str, Any], start_response: StartResponse) -> list[bytes] | None:
    """Cut, or answer in the application's place; None when no rule does either."""
    for rule in rules:
        if rule.cut:
            reset(environ)
            raise Cut
        if rule.status:
            headers = [("Content-Type", "text/html")]
            if rule.retry_after is not None:
                headers.append(("Retry-After", str(rule.retry_after)))
            words = HTTPStatus(rule.status).phrase if rule.status in HTTPStatus._value2member_map_ else "Fault"
            body = f"<h1>{words} ({rule.status})</h1>".encode()
            start_response(f"{rule.status} {words}", [*headers, ("Content-Length", str(len(body)))])
            return [body]
    return None


def reset(environ: dict[str, Any]) -> None:
    """End the client's connection hard, without an answer."""
    connection: socket.socket | None = environ.get("sandbox.socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
