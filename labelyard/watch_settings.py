"""The settings of `labelyard watch`: the sources of notifications."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from labelyard.described_model import DescribedModel

_NAME = r"^[^\s.*>/\\]+$"
_SUBJECT = r"^[^\s.*>]+(\.[^\s.*>]+)*$"


class NatsSettings(DescribedModel):
    """The stream of a NATS JetStream from which notifications come, and the account for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: str = Field(default="labelyard", pattern=_NAME)
    """NATS: the stream that keeps the notifications."""
    consumer: str = Field(default="labelyard", pattern=_NAME)
    """NATS: the durable pull consumer of that stream; all watchers share it."""
    subject: str = Field(default="labelyard", pattern=_SUBJECT)
    """NATS: the subject to which the store publishes."""
    username: str | None = None
    """NATS: the account, with a password."""
    password: SecretStr | None = None
    """NATS: its password."""
    token: SecretStr | None = None
    """NATS: a token instead of an account."""
    credentials_file: Path | None = None
    """NATS: a credentials file (.creds) instead of an account: the user's JWT and the seed of its key."""

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("set both USERNAME and PASSWORD, or none of them")
        if sum(one is not None for one in (self.username, self.token, self.credentials_file)) > 1:
            raise ValueError("set only one of USERNAME, TOKEN and CREDENTIALS_FILE")
        return self


class WatchSettings(DescribedModel):
    """The sources of notifications for `labelyard watch`."""

    model_config = ConfigDict(extra="forbid")

    queue_url: str | None = None
    """The queue that receives the bucket's notifications: the URL of an SQS queue, or the address of NATS, such as
    nats://nats.example.com:4222; tls:// requires TLS, and several servers of a cluster are separated by commas."""
    sqs_endpoint_url: str | None = None
    """The address of SQS, unless it is AWS."""
    nats: NatsSettings = NatsSettings()
    """The stream of NATS, and the account for it."""
    host: str = "127.0.0.1"
    """The address of /healthz, /readyz and the webhooks; any but loopback requires a webhook_token if stores post
    there, too."""
    port: int = Field(default=8479, ge=0, le=65535)
    """The port of all of them; 0 takes a free one."""
    webhook: bool = False
    """Accept notifications by HTTP too (MinIO, Ceph)."""
    webhook_token: SecretStr | None = None
    """The secret of callers: `Authorization: Bearer …`, or the last part of the path /notify/…"""
    sweep_only: bool = False
    """No notifications are wanted: new files are found when the sweep lists the sources."""
