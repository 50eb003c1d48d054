"""Settings from the environment and `.env`. No other module reads either."""

from __future__ import annotations

import ipaddress
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from dotenv import dotenv_values, set_key
from pydantic import ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from labelyard.alert_settings import AlertSettings, MessageSettings, TimeZoneName
from labelyard.cvat_names import organization_of, server_of
from labelyard.described_model import DescribedModel
from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.server_settings import CvatSettings, ModelSettings, StoreSettings
from labelyard.watch_settings import WatchSettings

ENV_FILE = ".env"
"""The file of settings, in the folder in which a command is run."""


class MetricsSettings(DescribedModel):
    """Where processes serve /metrics, /healthz and /readyz, to everybody who can reach them: without a token."""

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    """The address that they listen on; 0.0.0.0 for Prometheus and probes on other hosts."""
    watcher_port: int | None = Field(default=None, ge=0, le=65535)
    """The port of the watcher, such as 9479; 0 takes a free one. Without it there are no metrics."""
    worker_port: int | None = Field(default=None, ge=0, le=65535)
    """The port of a fast worker, such as 9480; a second one on the same host needs another."""


_AT_ONCE_EACH = 4
"""How many batches a worker ingests or exports at once as long as CVAT keeps up."""


class DeploySettings(DescribedModel):
    """Values that `labelyard deploy` writes into the deployments of prefect.yaml."""

    model_config = ConfigDict(extra="forbid")

    pool: str = "labelyard"
    """The work pool of the workers; created if it does not exist."""
    collect_seconds: float = Field(default=60, ge=1)
    """Interval of asking CVAT which tasks are completed, in seconds."""
    sweep_seconds: float = Field(default=300, ge=1)
    """Interval of listing the sources for objects without a notification, in seconds."""
    housekeeping_seconds: float = Field(default=60, ge=1)
    """Interval of housekeeping (orphaned runs, open circuit breakers, no-op runs), in seconds."""
    batches_at_once: int | None = Field(default=None, ge=1)
    """How many batches are ingested at the same time, on all workers together: the limit of the work queue `ingest`.

    Unless it is set, four for each worker that runs at `labelyard deploy`, at least four; deploy again after a change.
    """
    exports_at_once: int | None = Field(default=None, ge=1)
    """The same for exports and the work queue `export`."""
    runs_at_once: int = Field(default=16, ge=1)
    """The same for all other runs and the work queue `default`; housekeeping has no limit."""
    heartbeat_timeout_seconds: int = Field(default=600, ge=30, lt=86400)
    """How long a run may miss its heartbeats before it is marked as Crashed, in seconds.

    Write at least twice PREFECT_FLOWS_HEARTBEAT_FREQUENCY, whose default is 180; three times is better.
    """

    def at_once(self, workers: int = 0) -> tuple[int, int]:
        """Return how many batches are ingested and exported at the same time, for a site with so many workers."""
        derived = _AT_ONCE_EACH * max(1, workers)
        return self.batches_at_once or derived, self.exports_at_once or derived


class UpSettings(DescribedModel):
    """The Prefect server that `labelyard up` starts."""

    model_config = ConfigDict(extra="forbid")

    prefect_host: str = "127.0.0.1"
    """The address that it listens on; any but loopback requires PREFECT_API_AUTH_STRING."""
    prefect_port: int = Field(default=4200, ge=1, le=65535)
    """The port of its API and UI."""
    keep_runs_days: float = Field(default=90, ge=1)
    """How long it keeps runs with their logs and artifacts, in days; housekeeping deletes no-op runs at once."""
    keep_routine_events_hours: float = Field(default=6, gt=0)
    """How long it keeps the events that every run has (Scheduled, Running, Nothing new, …), in hours; others 7 days."""

    @property
    def prefect_api_url(self) -> str:
        """The address of that server's API from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.prefect_host, self.prefect_host)  # noqa: S104
        return f"http://{host}:{self.prefect_port}/api"


class Settings(DescribedModel, BaseSettings):
    """The settings of this machine. Each field is LABELYARD_<NAME>; nested names are joined by a double underscore."""

    model_config = SettingsConfigDict(
        env_prefix="LABELYARD_",
        env_nested_delimiter="__",
        env_file=ENV_FILE,
        extra="ignore",
    )

    ledger: str = "sqlite:///.labelyard/ledger.db"
    """The SQLAlchemy URL of the ledger. SQLite serves one host, PostgreSQL any number."""
    cvat: dict[str, CvatSettings] = Field(default_factory=dict)
    """The CVAT servers by name: LABELYARD_CVAT__DEFAULT__URL and so on."""
    store: StoreSettings = StoreSettings()
    """Object storage."""
    model: dict[str, ModelSettings] = Field(default_factory=dict)
    """The models by any name: LABELYARD_MODEL__DETECTOR__URL and so on; only those that need a token."""
    watch: WatchSettings = WatchSettings()
    """The watcher."""
    metrics: MetricsSettings = MetricsSettings()
    """Probes and metrics."""
    log_format: Literal["text", "json"] = "text"
    """How `labelyard watch` writes its log; json: one object a line (docs/metrics.md). Workers have Prefect's own
    setting for it."""
    deploy: DeploySettings = DeploySettings()
    """The deployments."""
    up: UpSettings = UpSettings()
    """Everything on one machine."""
    alerts: AlertSettings = AlertSettings()
    """Messages about what needs a person."""
    messages: MessageSettings = MessageSettings()
    """Messages to people about their work."""
    timezone: TimeZoneName = "UTC"
    """The time zone of the team, such as Europe/Berlin, for days, weeks and times on the pages and in `labelyard
    status`. Set it on every machine that has a worker. What is stored, and times in JSON, stay UTC."""
    spool: Path = Path(".labelyard/spool")
    """A folder on disk for images between bucket and CVAT."""
    spool_bytes: int = Field(default=8 * 1024**3, gt=0)
    """The size limit of the spool, in bytes."""
    inspection_bytes: int = Field(default=1024**3, gt=0)
    """How much memory the decoders of a process may use at once to inspect images, in bytes. A larger image is decoded
    alone."""
    lease_seconds: float = Field(default=120, gt=0)
    """How long a lease on a batch lasts without being extended, in seconds."""
    upload_deadline_seconds: float = Field(default=1800, gt=0)
    """How long CVAT may take to create frames from an upload, in seconds."""
    unclear_upload_seconds: float = Field(default=60, gt=0)
    """How long to wait for an upload whose response was lost before the task is recreated, in seconds."""
    unclear_write_seconds: float = Field(default=120, gt=0)
    """How long predictions whose response was lost may still appear in CVAT, in seconds; none are sent before that."""
    wait_seconds: float = Field(default=20, ge=0)
    """How long a run waits for CVAT's frames before it frees its slot, in seconds; a later run asks again."""
    forgotten_seconds: float = Field(default=30, gt=0)
    """How long CVAT may say Finished without showing a frame before the task is recreated, in seconds."""
    stalled_seconds: float = Field(default=300, gt=0)
    """How long CVAT may report no progress before the task is recreated, in seconds; one more for each file."""
    export_deadline_seconds: float = Field(default=900, gt=0)
    """How long CVAT may take for an export, in seconds."""
    poll_seconds: float = Field(default=1.0, gt=0)
    """How often a waiting step asks CVAT, in seconds."""
    publish_again_seconds: float = Field(default=60, gt=0)
    """How long a batch may wait for a run before its event is published again, in seconds."""
    release_key: Path | None = None
    """A file with the private key (Ed25519, PEM) that signs releases: `openssl genpkey -algorithm ed25519`."""
    failpoint: str | None = None
    """Only for tests: end each process at this failpoint (`create_task.sent`, or `create_task.sent:2`)."""
    prefect_api_url: str | None = Field(default=None, validation_alias="PREFECT_API_URL")
    """The address of Prefect's API."""
    prefect_ui_url: str | None = Field(default=None, validation_alias="PREFECT_UI_URL")
    """The address of Prefect's UI in people's browsers, if it is not that of the API without `/api`."""
    prefect_api_auth_string: SecretStr | None = Field(default=None, validation_alias="PREFECT_API_AUTH_STRING")
    """user:password of Prefect's API, if it requires one: the server's PREFECT_SERVER_API_AUTH_STRING."""
    prefect_api_key: SecretStr | None = Field(default=None, validation_alias="PREFECT_API_KEY")
    """A key of Prefect Cloud, or of a proxy that accepts keys. PREFECT_API_AUTH_STRING counts before it."""
    prefect_redis_url: SecretStr | None = Field(default=None, validation_alias="PREFECT_REDIS_MESSAGING_URL")
    """The Redis in which Prefect's servers keep their events (redis://user:password@host:6379/0), if they do. `doctor`
    and the watcher's metrics say how many events wait there."""
    prefect_heartbeat_seconds: int = Field(default=180, validation_alias="PREFECT_FLOWS_HEARTBEAT_FREQUENCY")
    """How often a run reports to Prefect that it is alive, in seconds; the same for all workers."""

    @model_validator(mode="after")
    def _allow_for_a_lost_heartbeat(self) -> Self:
        if self.deploy.heartbeat_timeout_seconds < (least := 2 * self.prefect_heartbeat_seconds):
            raise ValueError(
                f"LABELYARD_DEPLOY__HEARTBEAT_TIMEOUT_SECONDS: write at least {least}, twice"
                f" PREFECT_FLOWS_HEARTBEAT_FREQUENCY ({self.prefect_heartbeat_seconds}): less ends live runs as Crashed"
            )
        return self

    def cvat_named(self, name: str) -> CvatSettings:
        """Return the CVAT that a dataset names, with its organization: `default`, `default/acme`.

        Raises SettingsError with the variable to set.
        """
        server, organization = server_of(name), organization_of(name)
        found = self.cvat.get(server) or self.cvat.get(server.replace("-", "_"))
        if found is None:
            known = ", ".join(sorted(self.cvat)) or "none"
            variable = f"LABELYARD_CVAT__{server.upper().replace('-', '_')}__URL"
            raise SettingsError(
                f"no CVAT called {server!r} (known: {known})", next_step=f"set {variable} and its USERNAME and PASSWORD"
            )
        if found.block:
            raise SettingsError(f"the block {found.block} was not read", where=f"CVAT {server}")
        return found.model_copy(update={"organization": organization}) if organization else found

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the team."""
        return ZoneInfo(self.timezone)

    def prefect_api(self) -> str:
        """Return the address of Prefect's API. Raises PrefectUnreachable if none is set."""
        if not self.prefect_api_url:
            raise PrefectUnreachable(
                "PREFECT_API_URL is not set", next_step="set it, or start everything with `labelyard up`"
            )
        return self.prefect_api_url

    @property
    def prefect_api_or_ours(self) -> str:
        """The address of Prefect's API: PREFECT_API_URL, else that of the server that `labelyard up` starts."""
        return self.prefect_api_url or self.up.prefect_api_url

    @property
    def prefect_ui(self) -> str:
        """The address of Prefect's UI, without a slash at the end."""
        return (self.prefect_ui_url or self.prefect_api_or_ours.rstrip("/").removesuffix("/api")).rstrip("/")

    def prefect_password(self) -> str | None:
        """Return user:password of Prefect's API in plain text, None if it requires none."""
        return self.prefect_api_auth_string.get_secret_value() if self.prefect_api_auth_string else None

    def prefect_key(self) -> str | None:
        """Return the API key in plain text, None without one."""
        return self.prefect_api_key.get_secret_value() if self.prefect_api_key else None

    def prefect_login(self) -> dict[str, str]:
        """Return the header that requests to Prefect's API need, the same as Prefect's own client sends."""
        if password := self.prefect_password():
            return {"Authorization": f"Basic {b64encode(password.encode()).decode()}"}
        if key := self.prefect_key():
            return {"Authorization": f"Bearer {key}"}
        return {}

    def prefect_variables(self) -> dict[str, str]:
        """Return the variables with which another process logs in to Prefect's API; they may come from `.env`."""
        given = {"PREFECT_API_AUTH_STRING": self.prefect_password(), "PREFECT_API_KEY": self.prefect_key()}
        return {name: value for name, value in given.items() if value}


def is_loopback(host: str) -> bool:
    """Return whether `host` is reachable only from this machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def without_set(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of the variables that the environment does not set: a person's own value is kept."""
    return {name: value for name, value in variables.items() if name not in os.environ}


def load_settings() -> Settings:
    """Load the settings of this machine. Raises SettingsError, which names each wrong or unknown variable."""
    try:
        settings, wrong = Settings(), list(_unknown())
    except ValidationError as error:
        settings, wrong = None, list(map(_wrong, error.errors()))
    if settings is None or wrong:
        raise SettingsError(
            "; ".join(wrong), next_step="correct the variable, here or in .env (docs/settings.md lists them)"
        )
    return settings


def write_setting(name: str, value: str) -> None:
    """Write a variable into `.env`, keeping its other lines; the file is private to its user."""
    env = Path(ENV_FILE)
    env.touch(mode=0o600)
    set_key(env, name, value, quote_mode="auto")
    env.chmod(0o600)


def is_installation() -> bool:
    """Return whether this folder has a `.env`, or LABELYARD_LEDGER names the ledger wherever a command is run."""
    return Path(ENV_FILE).exists() or any(name.upper() == "LABELYARD_LEDGER" for name in os.environ)


def where_to_run() -> str:
    """Return from where to run commands: a parent folder whose `.env` is labelyard's, if there is one."""
    for folder in Path.cwd().parents:
        with suppress(OSError, UnicodeDecodeError):
            if any(name.startswith("LABELYARD_") for name in dotenv_values(folder / ENV_FILE)):
                return f"run it in {folder}, where .env is"
    return "run it in the folder that has your .env (`labelyard init` writes a first one)"


def _wrong(error: ErrorDetails) -> str:
    if not error["loc"]:  # it concerns several variables, which it names
        return error["msg"].removeprefix("Value error, ")
    return f"{_variable(error['loc'])}: {_problem(error)}"


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting"
    if error["loc"][-1:] == ("url",) and error["loc"][0] in ("cvat", "model"):
        return "write an address such as https://cvat.example.com"
    return error["msg"].removeprefix("Value error, ")


def _unknown() -> Iterator[str]:
    """Yield variables with our prefix that are no settings: pydantic would ignore a mistyped name silently."""
    known = {f"LABELYARD_{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias}
    for name in sorted({*os.environ, *dotenv_values(ENV_FILE)}):
        head = name.upper().partition("__")[0]
        if head.startswith("LABELYARD_") and head not in known:
            alike = get_close_matches(head, known, 1)
            yield f"{name}: there is no such setting" + (f": write {alike[0]}{name[len(head) :]}" if alike else "")


def _variable(location: tuple[int | str, ...]) -> str:
    name = "__".join(str(part).upper() for part in location)
    return name if name.startswith("PREFECT_") else f"LABELYARD_{name}"
