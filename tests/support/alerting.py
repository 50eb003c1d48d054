"""Alerts in tests: channels that keep what they get, and failures to send about."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from labelyard.alert_settings import AlertSettings, ChannelSettings
from labelyard.context import Context
from labelyard.domain.alerts import Message
from labelyard.errors import AlertNotSent
from labelyard.ledger import batches
from labelyard.ledger.problems import HOUSEKEEPING
from labelyard.operations.send_alerts import send_alerts
from labelyard.settings import Settings
from tests.support.ledger_samples import apply, closed_batch, dataset_spec

SECRET = "T0PS3CRET"


@dataclass
class Channels:
    """Channels that accept what they get, but for those that are down."""

    got: list[tuple[str, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def send(self, channel: ChannelSettings, message: Message) -> None:
        assert channel.url is not None
        name = channel.url.get_secret_value().removeprefix("json://")
        if name in self.down:
            raise AlertNotSent("503")
        self.got.append((name, message.title.removeprefix("labelyard: ")))

    def new(self) -> list[tuple[str, str]]:
        """What came since the last call."""
        got, self.got = self.got, []
        return got


def with_channels(*names: str, at_night: str = "", **changes: object) -> Settings:
    found = {name: ChannelSettings(url=SecretStr(f"json://{name}"), at_night=name == at_night) for name in names}
    return Settings(alerts=AlertSettings.model_validate({"channels": found, **changes}))


def fail_batch(context: Context) -> None:
    apply(context.ledger, dataset_spec())
    closed_batch(context.ledger, dataset_spec())
    with context.ledger.transaction() as tx:
        batches.fail(tx, batches.get(tx, "street-00001"), "its labels are wrong", "labelyard retry street-00001")


def retry_batch(context: Context) -> None:
    with context.ledger.transaction() as tx:
        batches.retry(tx, batches.get(tx, "street-00001"))


def look_and_send(context: Context, channels: Channels) -> list[tuple[str, str]]:
    """Look as housekeeping does, and return what came."""
    send_alerts(context, channels.send, HOUSEKEEPING)
    return channels.new()
