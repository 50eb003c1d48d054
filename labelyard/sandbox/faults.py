"""Misbehaviour on order: rules that delay, refuse, cut or shorten requests, and slow or fail the workers.

A rule is a map: `on` names what it matches (`POST /api/v1/tasks/*/data`, `* /api/*`, or `worker creation`,
`worker export`, `worker null_message`), the rest what happens, and how often. docs/sandbox.md lists the keys.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import yaml

from labelyard.errors import InputError
from labelyard.sandbox.answers import WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

WORKERS = ("creation", "export", "null_message")


@dataclass
class Rule:
    """One rule and how often it has been met.

    delay: seconds to wait. status: the answer instead of the real one, with `retry_after` as its header. cut: end the
    connection without an answer. when: `before` the request has any effect, or `after`. short: the part of an upload's
    body that counts. fail: the text with which a worker's job fails. times: how often at most. skip: how many matches
    to let pass first. probability, seed: how likely each time.
    """

    on: str
    delay: float = 0.0
    status: int = 0
    retry_after: int | None = None
    cut: bool = False
    when: str = "before"
    short: float | None = None
    fail: str = ""
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    met: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        word, _, rest = self.on.partition(" ")
        if not rest or (word == "worker" and rest not in WORKERS):
            raise InputError(f"`on: {self.on}` is neither METHOD PATH nor worker {'|'.join(WORKERS)}")
        if self.when not in {"before", "after"}:
            raise InputError(f"`when: {self.when}` is neither before nor after")
        self._random = random.Random(self.seed)  # noqa: S311 - chance that can be repeated

    def matches(self, word: str, rest: str) -> bool:
        """Whether the rule is about this method and path, or this worker."""
        own_word, _, own_rest = self.on.partition(" ")
        if word == "worker" or own_word == "worker":
            return (own_word, own_rest) == (word, rest)
        return own_word in {"*", word} and fnmatchcase(rest, own_rest)

    def fires(self) -> bool:
        """Whether it happens this time; counts."""
        self.met += 1
        used_up = self.times is not None and self.met - self.skip > self.times
        if self.met <= self.skip or used_up:
            return False
        return self.probability >= 1 or self._random.random() < self.probability


def parse(rules: Any) -> list[Rule]:
    """Rules from a list of maps; InputError names the key that is wrong."""
    known = {item.name for item in fields(Rule) if item.init and item.name != "met"}
    if not isinstance(rules, list):
        raise InputError("faults are a list of rules")
    parsed = []
    for place, rule in enumerate(rules, 1):
        if not isinstance(rule, dict) or "on" not in rule:
            raise InputError(f"rule {place} has no `on`")
        unknown = set(rule) - known
        if unknown:
            raise InputError(f"rule {place} has unknown keys {sorted(unknown)}; known are {sorted(known)}")
        parsed.append(Rule(**rule))
    return parsed


def load(file: Path) -> list[Rule]:
    """The rules of a YAML or JSON file; InputError."""
    try:
        return parse(yaml.safe_load(file.read_text()) or [])
    except yaml.YAMLError as error:
        raise InputError(f"no YAML: {error}", where=str(file)) from None


class Faults:
    """The rules in force; they may be changed at any time."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = list(rules)
        self._lock = threading.Lock()

    def set(self, rules: Any) -> None:
        """Replace the rules by a list of maps; InputError."""
        parsed = parse(rules)
        with self._lock:
            self._rules = parsed

    def clear(self) -> None:
        """Behave."""
        self.set([])

    def described(self) -> list[dict[str, Any]]:
        """The rules with how often each was met."""
        with self._lock:
            return [{k: v for k, v in asdict(rule).items() if not k.startswith("_")} for rule in self._rules]

    def for_request(self, method: str, path: str) -> list[Rule]:
        """The rules that fire for a request."""
        return self._firing(method, path)

    def worker(self, name: str, task_id: int) -> bool:
        """Delay or fail a worker's job where a rule says so; whether any fired. Raises WorkerError."""
        rules = self._firing("worker", name)
        for rule in rules:
            time.sleep(rule.delay)
            if rule.fail:
                raise WorkerError(rule.fail.format(task=task_id))
        return bool(rules)

    def _firing(self, word: str, rest: str) -> list[Rule]:
        with self._lock:
            return [rule for rule in self._rules if rule.matches(word, rest) and rule.fires()]


class Cut(Exception):
    """The connection has been ended on purpose."""


Wsgi = Any


def wrap(app: Wsgi, faults: Faults) -> Wsgi:
    """A WSGI application that is `app` with its faults."""

    def faulty(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        rules = [] if environ["PATH_INFO"].startswith("/_sandbox/") else faults.for_request(
            environ["REQUEST_METHOD"], environ["PATH_INFO"])  # fmt: skip
        before = [rule for rule in rules if rule.when == "before"]
        for rule in before:
            time.sleep(rule.delay)
            if rule.short is not None:
                environ["sandbox.short"] = rule.short
        refused = _apply(before, environ, start_response)
        if refused is not None:
            return refused
        after = [rule for rule in rules if rule.when == "after"]
        if not after:
            return app(environ, start_response)  # type: ignore[no-any-return]
        answer = b"".join(app(environ, lambda *args: held.append(args)) if (held := []) == [] else [])
        for rule in after:
            time.sleep(rule.delay)
        refused = _apply(after, environ, start_response)
        if refused is None:
            start_response(*held[0])
            refused = [answer]
        return refused

    return faulty


def _apply(rules: list[Rule], environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes] | None:
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
