"""Faults: rules that delay, reject, cut or shorten requests, and that slow down or fail the workers.

The rules are data, and `Faults` decides which of them fire. `cvat_sandbox.web.fault_middleware` applies them to
requests, the workers call `Faults.run_worker`.
"""

from __future__ import annotations

import random
import threading
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from cvat_sandbox.errors import DownloadError, JobForgotten, SandboxError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WORKERS = ("creation", "export", "import", "quality", "consensus", "delivery", "download", "null_message")


class Rule(BaseModel):
    """What fails, how, and how often."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    on: str = Field(
        description="`METHOD PATH`, where * matches anything, or `worker creation`, `worker export`, "
        "`worker import`, `worker quality`, `worker consensus`, `worker delivery`, `worker download`, "
        "`worker null_message`"
    )
    delay: float = Field(0.0, ge=0, le=3600, description="seconds to wait")
    status: int = Field(
        0,
        ge=0,
        le=599,
        description="the status of an error response instead of the real response; "
        "for `worker download` that of the store",
    )
    retry_after: int | None = Field(None, ge=0, description="the Retry-After header of that response")
    cut: bool = Field(default=False, description="close the connection without a response")
    when: Literal["before", "after"] = Field("before", description="before or after the request takes effect")
    short: float | None = Field(None, ge=0, le=1, description="the part of an upload's body that is used")
    fail: str = Field("", description="the text with which a worker's job fails; {task} is the task id")
    forget: Literal["", "queue", "worker"] = Field(
        "",
        description="the job never ends: `queue` leaves the status Finished (the queue was lost), `worker` leaves "
        "it Started (worker and work-horse were killed)",
    )
    times: int | None = Field(None, ge=0, description="how often at most")
    skip: int = Field(0, ge=0, description="how many matches pass first")
    probability: float = Field(1.0, ge=0, le=1, description="how likely each time")
    seed: int = Field(0, description="the seed of the probability, so that a run can be repeated")

    @field_validator("on")
    @classmethod
    def _two_words(cls, value: str) -> str:
        word, _, rest = value.partition(" ")
        if not rest or (word == "worker" and rest not in WORKERS):
            raise ValueError(f"neither METHOD PATH nor worker {'|'.join(WORKERS)}")
        return value

    def matches(self, method: str, path: str) -> bool:
        """Return whether the rule matches a method and path, or for the method `worker` the name of a worker."""
        own_method, _, own_path = self.on.partition(" ")
        if "worker" in (method, own_method):
            return (own_method, own_path) == (method, path)
        return own_method in {"*", method} and fnmatchcase(path, own_path)


_RULES = TypeAdapter(list[Rule])


def parse_rules(rules: Any) -> list[Rule]:
    """Return the rules of a list of dicts; raises SandboxError, which names the number of the rule and the key."""
    try:
        return _RULES.validate_python(rules)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise SandboxError(f"fault rule {where}: {first['msg']}") from None


class _Yaml(yaml.SafeLoader):
    """YAML in which `on` is a string and not a boolean."""


_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first not in "oO" or tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_rules(file: Path) -> list[Rule]:
    """Return the rules of a YAML or JSON file; raises SandboxError."""
    try:
        return parse_rules(yaml.load(file.read_text(), _Yaml) or [])  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise SandboxError(f"not valid YAML: {error}", where=str(file)) from None


class _ActiveRule:
    """A rule and the number of requests that matched it."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.met = rule, 0
        self._random = random.Random(rule.seed)  # noqa: S311 - reproducible on purpose

    def fires(self) -> bool:
        """Count a match and return whether the rule applies to it."""
        self.met += 1
        used_up = self.rule.times is not None and self.met - self.rule.skip > self.rule.times
        if self.met <= self.rule.skip or used_up:
            return False
        return self.rule.probability >= 1 or self._random.random() < self.rule.probability


class Faults:
    """The active rules. They may be changed at any time and from any thread."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = [_ActiveRule(rule) for rule in rules]
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End all delays, so that the server can stop."""
        self._stopping.set()

    def wait(self, seconds: float) -> None:
        """Wait until `seconds` have passed or the server stops."""
        self._stopping.wait(seconds)

    def set(self, rules: Any) -> None:
        """Replace the rules by those of a list of dicts; raises SandboxError."""
        active = [_ActiveRule(rule) for rule in parse_rules(rules)]
        with self._lock:
            self._rules = active

    def clear(self) -> None:
        """Remove all rules."""
        self.set([])

    def described(self) -> list[dict[str, Any]]:
        """Return the rules as dicts; `met` is how often each was matched."""
        with self._lock:
            return [{**active.rule.model_dump(exclude_defaults=True), "met": active.met} for active in self._rules]

    def for_request(self, method: str, path: str) -> list[Rule]:
        """Return the rules that apply to a request. None apply to the control endpoint."""
        return [] if path.startswith("/_sandbox/") else self._firing(method, path)

    def run_worker(self, name: str, task_id: int) -> bool:
        """Delay or fail the job of a worker and return whether any rule applied.

        Raises WorkerError to fail it, JobForgotten to forget it.
        """
        rules = self._firing("worker", name)
        for rule in rules:
            self.wait(rule.delay)
            if rule.forget:
                raise JobForgotten(rule.forget)
            if rule.fail:
                raise WorkerError(rule.fail.replace("{task}", str(task_id)))
        return bool(rules)

    def run_download(self, url: str) -> None:
        """Delay or refuse the download of a remote file. Raises DownloadError with the status of the store."""
        for rule in self._firing("worker", "download"):
            self.wait(rule.delay)
            if rule.status:
                raise DownloadError.of_status(url, rule.status, HTTPStatus(rule.status).phrase)

    def _firing(self, method: str, path: str) -> list[Rule]:
        with self._lock:
            return [active.rule for active in self._rules if active.rule.matches(method, path) and active.fires()]
