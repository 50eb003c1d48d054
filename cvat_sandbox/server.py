"""The server: the Flask application over the parts of a sandbox, served by cheroot."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cheroot import wsgi
from flask import Flask, Request, Response, g

from cvat_sandbox.errors import SandboxError
from cvat_sandbox import faults as fault_rules
from cvat_sandbox import pages, routes_accounts, routes_annotations, routes_data, routes_rest, routes_tasks, web
from cvat_sandbox.accounts import ROLES, Person
from cvat_sandbox.faults import Cut
from cvat_sandbox.parts import Options, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

THREADS = 32
TIMEOUT = 120
BLOCK = 2**18


def application(sandbox: Sandbox) -> Flask:
    """The Flask application with every endpoint."""
    app = Flask("cvat_sandbox", static_folder=None)
    app.request_class = _Request
    app.url_map.merge_slashes = False
    app.url_map.converters |= web.CONVERTERS
    for module in (routes_accounts, routes_tasks, routes_data, routes_annotations, routes_rest):
        for endpoint in module.ENDPOINTS:
            web.mount(app, endpoint, sandbox)
    for path, view in (*routes_rest.plain_views(), *pages.plain_views()):
        web.mount_plain(app, path, view, sandbox)
    app.register_error_handler(Exception, web.on_error)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        web.set_cookies(response, g.get("session"))
        return response

    return app


class _Request(Request):
    max_form_memory_size = 100 * 2**20
    max_form_parts = 100_000


class _Gateway(wsgi.Gateway_10):
    """cheroot's gateway, which also lets faults reach the socket."""

    def get_environ(self) -> Any:
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call] # cheroot's types are half done
        return {**environ, "sandbox.socket": self.req.conn.socket}

    def respond(self) -> None:
        try:
            super().respond()
        except Cut:
            # cheroot would write its headers into the dead socket
            self.req.sent_headers = self.req.close_connection = True


def _drained(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Read the rest of a body in blocks before answering: cheroot would take it into memory whole."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = app(environ, start_response)
        stream = environ["wsgi.input"]
        with contextlib.suppress(OSError):
            while getattr(stream, "remaining", 0) > 0 and stream.read(min(BLOCK, stream.remaining)):
                pass
        return answer

    return serve


class Serving:
    """A sandbox that listens: `url` is its address, `faults` can be set while it runs."""

    def __init__(self, options: Options) -> None:
        self.sandbox = Sandbox(options)
        self.faults = self.sandbox.faults
        app = application(self.sandbox)
        self._server = wsgi.Server(
            (options.host, options.port), _drained(fault_rules.wrap(app.wsgi_app, self.faults)), numthreads=THREADS,
            request_queue_size=128, timeout=TIMEOUT, shutdown_timeout=2, server_name="cvat-sandbox",
        )  # fmt: skip
        self._server.gateway = _Gateway
        self._server.nodelay = True
        self._server.expiration_interval = 0.1  # how long stop() waits
        self._server.keep_alive_conn_limit = 4 * THREADS
        self._server.error_log = _log  # type: ignore[assignment, method-assign] # documented as replaceable
        try:
            self._server.prepare()
        except OSError as error:
            self.sandbox.close()
            next_step = "cvat-sandbox --port 0, which takes a free port"
            where = f"{options.host}:{options.port}"
            raise SandboxError(f"cannot listen: {error}", where=where, next_step=next_step) from None

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return int(self._server.bind_addr[1])

    @property
    def url(self) -> str:
        """The address, `http://host:port`."""
        host = str(self._server.bind_addr[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def run(self) -> None:
        """Serve until `stop`."""
        self._server.serve()

    def stop(self) -> bool:
        """Stop listening and end everything; False when a job of a worker still runs."""
        self.faults.end()
        self._server.stop()
        return self.sandbox.close()


def _log(message: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot's signature
    logging.getLogger(__name__).log(level, message, exc_info=traceback)


@contextlib.contextmanager
def serve(users: Iterable[Person | str] = (), **options: Any) -> Iterator[Serving]:
    """A sandbox in threads of this process, for tests.

        with serve(["root:rootpass:superuser"]) as sandbox:
            httpx.get(sandbox.url + "/api/v1/server/about")

    users: as on the command line, `NAME:PASSWORD[:ROLE,…]`, or Person. The rest is that of Options: port (0: any free
    one), data, share, allow_remote, faults, control_token, workers. The yielded object has `url`, `port`, `faults`
    (`.set([{"on": "POST /api/v1/tasks", "status": 503, "times": 1}])`, `.clear()`) and `sandbox` with all of its state.
    """
    people = tuple(parse_user(user) if isinstance(user, str) else user for user in users)
    serving = Serving(Options(users=people, **options))
    thread = threading.Thread(target=serving.run, name="sandbox", daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        serving.stop()
        thread.join(10)


def parse_user(text: str) -> Person:
    """A user as the command line names one, `NAME:PASSWORD[:ROLE,…]`; a password may hold colons.

    Raises ValueError.
    """
    name, colon, rest = text.partition(":")
    password, last, words = rest.rpartition(":")
    roles = tuple(word for word in words.split(",") if word)
    if last and all(role in ROLES for role in roles):
        return Person(name, password, roles)
    if last and re.fullmatch(r"[a-z]+(,[a-z]+)*", words):
        raise ValueError(f"{name!r} has an unknown role in {words!r}; roles are {', '.join(ROLES)}")
    if not name or not colon or not rest:
        raise ValueError(f"{name!r} needs a password: NAME:PASSWORD[:ROLE,…], roles are {', '.join(ROLES)}")
    return Person(name, rest)
