"""The account of a client: a token, or the name and password that log in for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pydantic import SecretStr


class Credentials:
    """A token, or a name and password; threads that share it log in once."""

    def __init__(self, username: str | None, password: SecretStr | None, token: SecretStr | None) -> None:
        self._username, self._password = username, password
        self._token = token.get_secret_value() if token else None
        self._lock = threading.Lock()

    def token(self, log_in: Callable[[str, str], str], stale: str | None = None) -> str | None:
        """Return the token, or None for an anonymous client.

        Logs in if there is no token yet, or if the server rejected the token `stale`.
        """
        with self._lock:
            if self._token in (None, stale) and self._username and self._password:
                self._token = log_in(self._username, self._password.get_secret_value())
            return self._token

    def forget(self) -> None:
        """Drop the token; the next request logs in again."""
        with self._lock:
            self._token = None
