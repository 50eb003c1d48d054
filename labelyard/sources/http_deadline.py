"""A time limit for receiving an HTTP request. uvicorn has none, so slow clients could hold every connection."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 30.0
"""How long a client may take to send a request; handling it may take longer."""


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose client takes longer than REQUEST_SECONDS to send a request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit of the first request."""
        super().connection_made(transport)
        self._update_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit."""
        super().connection_lost(exc)
        self._cancel_deadline()

    def handle_events(self) -> None:
        """Handle what was received; then expect more of a request, or no longer."""
        super().handle_events()
        self._update_deadline()

    def _update_deadline(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
