"""How many events wait in the Redis of Prefect's servers.

Prefect's API does not say it, and the run that an event will start does not exist yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from labelyard.errors import PrefectUnreachable, SettingsError
from labelyard.settings import Settings

_STREAM = "events"
_SECONDS = 3.0


def read_event_lag(settings: Settings) -> Mapping[str, int]:
    """Return how many events each consumer of Prefect's servers has not handled yet; {} if the settings name no Redis.

    Raises PrefectUnreachable if Redis does not answer, SettingsError if the setting is no address of one.
    """
    url = settings.prefect_redis_url
    if url is None:
        return {}
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
        groups = client.xinfo_groups(_STREAM)
    except ResponseError as error:
        if "no such key" in str(error):
            return {}  # no event was ever sent
        raise _unreachable(error) from error
    except (RedisError, OSError) as error:
        raise _unreachable(error) from error
    except (ValueError, TypeError) as error:  # the URL's host or a parameter, which is read only now
        raise _wrong_url() from error
    finally:
        client.close()
    # What Redis before 7 does not count, or cannot after deletions, is None.
    return {str(group["name"]): (group.get("lag") or 0) + group["pending"] for group in groups}


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
