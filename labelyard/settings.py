"""Everything that comes from the environment or from `.env`; no other module reads it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from labelyard.errors import PrefectUnreachable, SettingsError

_ADDRESS = r"^https?://[^\s/?#@]+/?$"


class CvatSettings(BaseModel):
    """One CVAT server, under the name that dataset files use."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str = Field(pattern=_ADDRESS)
    """Its address, such as https://cvat.example.com; no path."""
    username: str = ""
    """The account that creates the tasks; it must be allowed to see and assign them."""
    password: SecretStr | None = None
    """Its password, where no token is given."""
    token: SecretStr | None = None
    """A token that was made before, instead of a password."""
    dialect: Literal["auto", "v1", "v2"] = "auto"
    """The family of the server's API."""
    timeout_seconds: float = Field(default=60, gt=0)
    """How long to wait for the next byte of an answer, in seconds."""


class StoreSettings(BaseModel):
    """Object storage; what is not set comes from boto3's own sources (profile, instance role, …)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    endpoint_url: str | None = None
    """For anything but AWS: the store's address."""
    region: str | None = None
    """The region, such as eu-central-1."""
    access_key_id: str | None = None
    """The key pair's public half."""
    secret_access_key: SecretStr | None = None
    """The key pair's secret half."""
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    """path for most stores that are not AWS."""
    timeout_seconds: float = Field(default=30, gt=0)
    """How long to wait for the next byte of an answer, in seconds."""


class WatchSettings(BaseModel):
    """What `labelyard watch` listens to."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    queue_url: str | None = None
    """The SQS queue that the bucket's notifications go to."""
    sqs_endpoint_url: str | None = None
    """For anything but AWS: the queue's address."""
    host: str = "127.0.0.1"
    """Where /healthz and the webhook listen; anything but loopback wants a webhook_token."""
    port: int = Field(default=8479, ge=0, le=65535)
    """The port of both; 0 takes a free one."""
    webhook: bool = False
    """Take notifications by HTTP too (MinIO, Ceph)."""
    webhook_token: SecretStr | None = None
    """What a caller must show: `Authorization: Bearer …`, or as the last part of the path /notify/…"""


class DeploySettings(BaseModel):
    """What `labelyard deploy` puts into the deployments of prefect.yaml."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    pool: str = "labelyard"
    """The work pool whose workers run the flows; made where it is missing."""
    collect_seconds: float = Field(default=60, ge=1)
    """How often CVAT is asked which tasks are complete."""
    sweep_seconds: float = Field(default=300, ge=1)
    """How often the sources are listed for what no event told of."""
    housekeeping_seconds: float = Field(default=60, ge=1)
    """How often orphaned runs are ended, unavailable servers probed and no-op runs deleted."""
    batches_at_once: int = Field(default=4, ge=1)
    """How many batches are ingested at the same time."""
    runs_at_once: int = Field(default=16, ge=1)
    """How many runs of all kinds the pool's workers have at the same time."""
    heartbeat_timeout_seconds: int = Field(default=600, ge=30, lt=86400)
    """How long a run may send no heartbeat (Prefect sends one each 180 s) before it is marked as Crashed."""


class UpSettings(BaseModel):
    """What `labelyard up` starts beside worker and watcher."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    prefect_host: str = "127.0.0.1"
    """Where its Prefect server listens; anything but loopback wants PREFECT_API_AUTH_STRING."""
    prefect_port: int = Field(default=4200, ge=1, le=65535)
    """The port of its Prefect server, API and UI."""

    @property
    def prefect_api_url(self) -> str:
        """The API of that server, as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.prefect_host, self.prefect_host)  # noqa: S104
        return f"http://{host}:{self.prefect_port}/api"


class Settings(BaseSettings):
    """The settings of this machine; every field is LABELYARD_<NAME>, nested ones with a double underscore."""

    model_config = SettingsConfigDict(
        env_prefix="LABELYARD_",
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        use_attribute_docstrings=True,
    )

    ledger: str = "sqlite:///.labelyard/ledger.db"
    """The ledger's database: an SQLAlchemy URL. SQLite serves one host; PostgreSQL serves many."""
    cvat: dict[str, CvatSettings] = Field(default_factory=dict)
    """The CVAT servers by name: LABELYARD_CVAT__DEFAULT__URL and so on."""
    store: StoreSettings = StoreSettings()
    """Object storage."""
    watch: WatchSettings = WatchSettings()
    """The watcher."""
    deploy: DeploySettings = DeploySettings()
    """The deployments."""
    up: UpSettings = UpSettings()
    """Everything on one machine."""
    spool: Path = Path(".labelyard/spool")
    """A folder on disk where images wait between bucket and CVAT."""
    spool_bytes: int = Field(default=8 * 1024**3, gt=0)
    """How much the spool may hold, in bytes."""
    lease_seconds: float = Field(default=120, gt=0)
    """How long a run owns a batch without a sign of life."""
    upload_deadline_seconds: float = Field(default=1800, gt=0)
    """How long CVAT may take to make frames of an upload."""
    unclear_upload_seconds: float = Field(default=60, gt=0)
    """How long to look for an upload whose answer was lost before the task is made anew."""
    export_deadline_seconds: float = Field(default=900, gt=0)
    """How long CVAT may take for an export."""
    poll_seconds: float = Field(default=1.0, gt=0)
    """How often a waiting step looks at CVAT."""
    publish_again_seconds: float = Field(default=60, gt=0)
    """How long a batch may wait for a run before it is announced again, in seconds."""
    failpoint: str | None = None
    """For tests alone: end each process at this crash point (`create_task.sent`, or `create_task.sent:2`)."""
    prefect_api_url: str | None = Field(default=None, validation_alias="PREFECT_API_URL")
    """Prefect's API, which batches are announced to."""
    prefect_api_auth_string: SecretStr | None = Field(default=None, validation_alias="PREFECT_API_AUTH_STRING")
    """user:password of Prefect's API, where it wants one."""

    def cvat_named(self, name: str) -> CvatSettings:
        """The CVAT that a dataset names. Raises SettingsError with the variable to set."""
        found = self.cvat.get(name) or self.cvat.get(name.replace("-", "_"))
        if found is None:
            known = ", ".join(sorted(self.cvat)) or "none"
            variable = f"LABELYARD_CVAT__{name.upper().replace('-', '_')}__URL"
            raise SettingsError(
                f"no CVAT called {name!r} (known: {known})", next_step=f"set {variable} and its USERNAME and PASSWORD"
            )
        return found

    def prefect_api(self) -> str:
        """The address of Prefect's API. Raises PrefectUnreachable where none is set."""
        if not self.prefect_api_url:
            raise PrefectUnreachable(
                "PREFECT_API_URL is not set", next_step="set it, or start everything with `labelyard up`"
            )
        return self.prefect_api_url


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def load_settings() -> Settings:
    """The settings of this machine. Raises SettingsError naming each variable that is wrong or unknown."""
    try:
        settings, wrong = Settings(), list(_unknown())
    except ValidationError as error:
        settings, wrong = None, [f"{_variable(e['loc'])}: {_complaint(e)}" for e in error.errors()]
    if settings is None or wrong:
        raise SettingsError(
            "; ".join(wrong), next_step="correct the variable, here or in .env (docs/settings.md lists them)"
        )
    return settings


def _complaint(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting"
    return "write an address such as https://cvat.example.com" if error["loc"][-1:] == ("url",) else error["msg"]


def _unknown() -> Iterator[str]:
    """Variables that look like ours and are none: a name with a typing error would be ignored in silence."""
    known = {f"LABELYARD_{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias}
    for name in sorted({*os.environ, *dotenv_values(".env")}):
        head = name.upper().partition("__")[0]
        if head.startswith("LABELYARD_") and head not in known:
            alike = get_close_matches(head, known, 1)
            yield f"{name}: there is no such setting" + (f": write {alike[0]}{name[len(head) :]}" if alike else "")


def _variable(location: tuple[int | str, ...]) -> str:
    name = "__".join(str(part).upper() for part in location)
    return name if name.startswith("PREFECT_") else f"LABELYARD_{name}"
