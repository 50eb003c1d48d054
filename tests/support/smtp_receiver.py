"""A real SMTP server that keeps what it gets, and may refuse it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.support.http_server import LOOPBACK


@dataclass
class Mailbox:
    """The port of the server, the messages that it has accepted, and how it answers the next ones."""

    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    refusal: str = ""
    """The answer to each message instead of accepting it."""

    @property
    def url(self) -> str:
        """The Apprise URL of a mailbox on this server."""
        return f"mailto://127.0.0.1:{self.port}?from=labelyard@example.com&to=lead@example.com&mode=insecure"

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.received]


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Run a server on a free port."""
    kept = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 mailbox")
            while line := self.rfile.readline():
                if self._answer(line.decode().strip()):
                    return

        def _answer(self, command: str) -> bool:
            verb = command[:4].upper()
            if verb == "DATA":
                self._say("354 go on")
                body = bytearray()
                while (line := self.rfile.readline()) != b".\r\n":
                    body += line[1:] if line.startswith(b"..") else line
                if not kept.refusal:
                    kept.received.append(message_from_bytes(bytes(body), policy=policy.default))
                self._say(kept.refusal or "250 kept")
            else:
                self._say("221 bye" if verb == "QUIT" else "250 ok")
            return verb == "QUIT"

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(LOOPBACK, Handler) as server:
        server.daemon_threads = True
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield kept
        server.shutdown()
        thread.join(5)
