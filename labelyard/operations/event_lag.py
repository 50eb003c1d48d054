"""How many events wait in the Redis of Prefect's servers.

Prefect's API does not say it, and the run that an event will start does not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

MANY = 1000
"""A busy process of services handles five to ten a second: with so many, runs start minutes late."""

T = TypeVar("T")
_STREAM = "events"
_SECONDS = 3.0
_SILENCE = 180.0
"""A reader that got nothing for so many seconds does not read any more: housekeeping makes events each minute."""


def read_event_lag(settings: Settings) -> Mapping[str, int]:
    """Return how many events each consumer of Prefect's servers has not handled yet; {} if the settings name no Redis.

    Raises PrefectUnreachable if Redis does not answer, SettingsError if the setting is no address of one.
    """
    # What Redis before 7 does not count, or cannot after deletions, is None.
    return {
        str(group["name"]): (group.get("lag") or 0) + group["pending"]
        for group in _ask(settings, lambda redis: redis.xinfo_groups(_STREAM))
    }


def most_waiting(settings: Settings) -> tuple[int, str]:
    """Return how many events wait, and for which consumer, of the one for which most wait; (0, "") without any.

    Raises as read_event_lag does.
    """
    return max(((count, name) for name, count in read_event_lag(settings).items()), default=(0, ""))


def read_event_readers(settings: Settings) -> Mapping[str, int]:
    """Return by how many processes each consumer's events were asked for lately; {} if the settings name no Redis.

    Raises as read_event_lag does.
    """

    def ask(redis: Redis) -> list[tuple[str, list[dict[str, Any]]]]:
        groups = [str(group["name"]) for group in redis.xinfo_groups(_STREAM)]
        return [(name, redis.xinfo_consumers(_STREAM, name)) for name in groups]

    return {name: sum(one["idle"] < _SILENCE * 1000 for one in found) for name, found in _ask(settings, ask)}


def _ask(settings: Settings, ask: Callable[[Redis], list[T]]) -> list[T]:
    """Return what `ask` finds, nothing without a Redis or before the first event."""
    url = settings.prefect_redis_url
    if url is None:
        return []
    from redis import Redis  # noqa: PLC0415 - its import takes a fifth of a second
    from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415

    try:
        client = Redis.from_url(
            url.get_secret_value(),
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            decode_responses=True,
            protocol=2,  # as Prefect asks; some proxies know no other
        )
    except ValueError as error:  # its text may have a part of the password
        raise _wrong_url() from error
    try:
        return ask(client)
    except ResponseError as error:
        if "no such key" in str(error):
            return []  # no event was ever sent
        raise _unreachable(error) from error
    except (RedisError, OSError) as error:
        raise _unreachable(error) from error
    except (ValueError, TypeError) as error:  # the URL's host or a parameter, which is read only now
        raise _wrong_url() from error
    finally:
        client.close()


def _wrong_url() -> SettingsError:
    return SettingsError(
        "PREFECT_REDIS_MESSAGING_URL is not the address of a Redis",
        next_step="write redis://user:password@host:6379/0, or rediss://… for TLS",
    )


def _unreachable(error: Exception) -> PrefectUnreachable:
    return PrefectUnreachable(
        f"the Redis of its events does not answer: {error}",
        next_step="start it, or correct PREFECT_REDIS_MESSAGING_URL",
    )
