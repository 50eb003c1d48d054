"""The channels of alerts: an Apprise URL, or a notification block of Prefect.

Apprise says only in its log what went wrong, and there, or in the words of a server, may be parts of an address. So its
log is captured while a message is sent, and everything from the channel's address is removed from it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

from pydantic import Secret, SecretBytes, SecretStr

from labelyard.alert_settings import ChannelSettings
from labelyard.domain.alerts import Message
from labelyard.errors import AlertNotSent, redact

if TYPE_CHECKING:
    from prefect.blocks.abstract import NotificationBlock

_CAPTURED = (
    "apprise",
    # These log paths, which are the secret of most webhooks. A filter of a logger does not see what its children log.
    "urllib3.connectionpool", "httpx",
    "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks",
)  # fmt: skip
_PARTS = re.compile(r"[^\s/?#&=:@,+;]+")
_SHORTEST_SECRET = 4
_UNQUOTED_IN_URLS = "!$&'()*+,;=:@/?"
_QUOTED = 300


def send(channel: ChannelSettings, message: Message) -> None:
    """Send a message to a channel. Raises AlertNotSent, without any part of the channel's address."""
    for field, kind in CHANNELS.items():
        if getattr(channel, field):
            kind.send(channel, message)


def check(channel: ChannelSettings) -> str:
    """Return what a channel is, in words, without sending anything. Raises AlertNotSent if it can never work."""
    kind = next(kind for field, kind in CHANNELS.items() if getattr(channel, field))
    return kind.check(channel)


@dataclass(frozen=True)
class ChannelKind:
    """A kind of channel: how to check it, and how to send to it."""

    check: Callable[[ChannelSettings], str]
    send: Callable[[ChannelSettings, Message], None]


def _check_url(channel: ChannelSettings) -> str:
    from apprise import Apprise  # noqa: PLC0415 - slow to import, and only alerts need it

    with _captured() as lines:
        found = Apprise.instantiate(_url(channel), suppress_exceptions=True)
    if found is None:
        reason = _without_secrets("; ".join(lines), [_url(channel)]) or "no service of Apprise has such an address"
        raise AlertNotSent(f"its URL is not understood: {reason}", next_step=_NEXT)
    return str(found.service_name)


def _send_url(channel: ChannelSettings, message: Message) -> None:
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType  # noqa: PLC0415 - the same

    _check_url(channel)
    # In this thread, so that the log lines are this message's.
    client = Apprise(asset=AppriseAsset(app_id="labelyard", app_desc="labelyard", async_mode=False))
    with _captured() as lines:
        client.add(_url(channel))
        kind = NotifyType.WARNING if message.asks_to_act else NotifyType.INFO
        accepted = client.notify(
            title=message.title, body=message.body, notify_type=kind, body_format=NotifyFormat.TEXT
        )
    if not accepted:
        reason = _without_secrets("; ".join(lines), [_url(channel)]) or "it did not accept the message"
        raise AlertNotSent(reason, next_step=_NEXT)


def _check_block(channel: ChannelSettings) -> str:
    _load_block(channel)
    return f"Prefect's block {channel.block}"


def _send_block(channel: ChannelSettings, message: Message) -> None:
    from prefect.blocks.abstract import NotificationError  # noqa: PLC0415 - slow to import

    block = _load_block(channel)
    secrets = list(_texts(block.model_dump(context={"include_secrets": True})))
    with _captured() as lines:
        try:
            with block.raise_on_failure():
                sending: Any = block.notify(message.body, message.title)
                if inspect.isawaitable(sending):
                    asyncio.run(_awaited(sending))
        except NotificationError as error:
            said = error.log
        except Exception as error:  # noqa: BLE001 - a block may be anybody's code
            said = _named(error, str(error))
        else:
            return
    raise AlertNotSent(_without_secrets("; ".join([said, *lines]), secrets), next_step=_NEXT)


async def _awaited(sending: Awaitable[None]) -> None:
    await sending


def _load_block(channel: ChannelSettings) -> NotificationBlock:
    from prefect.blocks.abstract import NotificationBlock  # noqa: PLC0415 - slow to import
    from prefect.blocks.core import Block  # noqa: PLC0415

    assert channel.block is not None
    try:
        block = Block.load(channel.block)
    except Exception as error:
        first_line, *_ = str(error).splitlines() or [""]
        what = f"the block {channel.block} cannot be loaded: {_named(error, first_line)}"
        raise AlertNotSent(what, next_step="create it in Prefect's UI, below Blocks") from error
    if not isinstance(block, NotificationBlock):
        raise AlertNotSent(f"the block {channel.block} sends no notifications", next_step=_NEXT)
    return block


CHANNELS: Mapping[str, ChannelKind] = {
    "url": ChannelKind(_check_url, _send_url),
    "block": ChannelKind(_check_block, _send_block),
}
"""The field of a channel's settings -> its kind."""
_NEXT = "correct the channel in the settings (docs/alerts.md), then: labelyard alerts test"


def _url(channel: ChannelSettings) -> str:
    assert channel.url is not None
    return channel.url.get_secret_value()


@contextmanager
def _captured() -> Iterator[list[str]]:
    """Collect what is logged in this thread about sending, and keep it from all other logs."""
    lines: list[str] = []
    thread = threading.get_ident()

    def capture(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.levelno >= logging.WARNING:
            lines.append(record.getMessage())
        return False

    loggers = [logging.getLogger(name) for name in _CAPTURED]
    for logger in loggers:
        logger.addFilter(capture)
    try:
        yield lines
    finally:
        for logger in loggers:
            logger.removeFilter(capture)


def _named(error: Exception, message: str) -> str:
    """Return a message after the name of its error's class; many errors have no message."""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _texts(value: object) -> Iterator[str]:
    """Yield every text and number within a value, those of secrets included."""
    if isinstance(value, Secret | SecretStr | SecretBytes):
        yield from _texts(value.get_secret_value())
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text without any secret or part of one, also as they are written in URLs, on one line."""
    parts = {part for secret in secrets for found in (secret, *_PARTS.findall(secret)) for part in _spellings(found)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "…")
    return " ".join(redact(text).split())[:_QUOTED]


def _spellings(text: str) -> Iterable[str]:
    return text, unquote(text), quote(text, safe=""), quote(text, safe=_UNQUOTED_IN_URLS), quote_plus(text)
