"""The server: the Flask application of a sandbox, served by cheroot."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from cheroot import wsgi
from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Map, Rule

from cvat_sandbox.errors import SandboxError
from cvat_sandbox.sandbox import Options, Sandbox
from cvat_sandbox.state.users import GROUPS, ROLES, SYSTEM_ROLES, Person
from cvat_sandbox.v1 import routes as v1
from cvat_sandbox.v2 import routes as v2
from cvat_sandbox.web import control, fault_middleware, html_pages, pages, views
from cvat_sandbox.web.html_pages import HtmlPage
from cvat_sandbox.web.views import View

THREADS = 32
TIMEOUT_SECONDS = 120
BLOCK_BYTES = 2**18


class Family(NamedTuple):
    """An API family: its rules, the converters that they use, and the function that adds its views."""

    rules: Callable[[], Iterable[Rule]]
    converters: Mapping[str, type[BaseConverter]]
    mount: Callable[[Flask, Sandbox], None]
    roles: tuple[str, ...]
    """The roles that its users may have."""


FAMILIES = {
    "1.0.0": Family(v1.rules, v1.CONVERTERS, v1.mount, ("superuser", "staff", *GROUPS)),
    "2.73": Family(v2.rules, v2.CONVERTERS, v2.mount, ("superuser", *SYSTEM_ROLES)),
}
"""The API families, by the version of CVAT that they imitate. A server serves one."""
VIEWS: dict[str, View] = {**pages.VIEWS, control.PATH: control.faults}
"""The views of no family, by path."""

log = logging.getLogger(__name__)


def application(sandbox: Sandbox) -> Flask:
    """Return the Flask application with the API family of its version, the pages and the control endpoint."""
    app = Flask("cvat_sandbox.web", static_folder=None)
    app.request_class = _Request
    app.url_map = _url_map(sandbox.options.version)
    FAMILIES[sandbox.options.version].mount(app, sandbox)
    for path, view in VIEWS.items():
        views.mount(app, path, view, sandbox)
    app.register_error_handler(Exception, _error_response)

    @app.after_request
    def forbid_frames(response: Response) -> Response:
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    return app


@cache
def _url_map(version: str) -> Map:
    """Return the rules of every application; to compile them takes most of the time in which a sandbox starts."""
    family = FAMILIES[version]
    rules = [*family.rules(), *map(views.rule, VIEWS)]
    return Map(rules, converters=family.converters, merge_slashes=False)


def _error_response(error: Exception) -> Response:
    """Return the response for an exception that no handler has caught."""
    if isinstance(error, HtmlPage):
        return error.response()
    if isinstance(error, HTTPException):
        if error.code == 404:
            return Response(html_pages.NOT_FOUND, 404, content_type="text/html")
        return Response(f"<h1>Bad Request ({error.code})</h1>", error.code or 400, content_type="text/html")
    log.info("500 for %s %s", request.method, request.path, exc_info=error)
    return Response(html_pages.SERVER_ERROR, 500, content_type="text/html")


class _Request(Request):
    max_form_memory_size = 100 * 2**20
    max_form_parts = 100_000


class _Gateway(wsgi.Gateway_10):
    """cheroot's gateway, which gives the client's socket to the fault middleware."""

    def get_environ(self) -> Any:
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call] # cheroot is partly typed
        return {**environ, fault_middleware.SOCKET: self.req.conn.socket}

    def respond(self) -> None:
        try:
            super().respond()
        except fault_middleware.Cut:
            # cheroot would write its headers into the closed socket
            self.req.sent_headers = self.req.close_connection = True


def _drained(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Read the rest of a body in blocks after the application: cheroot would read it into memory at once."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = app(environ, start_response)
        stream = environ["wsgi.input"]
        with contextlib.suppress(OSError):
            while getattr(stream, "remaining", 0) > 0 and stream.read(min(BLOCK_BYTES, stream.remaining)):
                pass
        return body

    return serve


def _check(options: Options) -> None:
    """Raise SandboxError for a version that the sandbox has not, and for a role that the version has not."""
    family = FAMILIES.get(options.version)
    if family is None:
        next_step = f"cvat-sandbox --version {' or '.join(FAMILIES)}"
        raise SandboxError(f"there is no API family of version {options.version!r}", next_step=next_step)
    if options.organization and not (options.version != "1.0.0" and options.users):
        problem = f"{options.version} has no organizations, or there is no user to own it"
        raise SandboxError(problem, where=options.organization, next_step="cvat-sandbox --version 2.73 --user …")
    for person in options.users:
        unknown = set(person.roles) - set(family.roles)
        if unknown:
            problem = f"{options.version} has no role {', '.join(sorted(unknown))}"
            raise SandboxError(problem, where=person.name, next_step=f"take one of {', '.join(family.roles)}")


class Serving:
    """A sandbox and the server that serves it.

    `url` is its address. `faults` may be set while it runs. `sandbox` is the state.
    """

    def __init__(self, options: Options) -> None:
        _check(options)
        self.sandbox = Sandbox(options)
        self.faults = self.sandbox.faults
        app = application(self.sandbox)
        self._server = wsgi.Server(
            (options.host, options.port), _drained(fault_middleware.wrap(app.wsgi_app, self.faults)),
            numthreads=THREADS, request_queue_size=128, timeout=TIMEOUT_SECONDS, shutdown_timeout=2,
            server_name="cvat-sandbox",
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
        """The port that it listens on."""
        return int(self._server.bind_addr[1])

    @property
    def url(self) -> str:
        """The address, `http://host:port`."""
        host = str(self._server.bind_addr[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._server.serve()

    def stop(self) -> bool:
        """Stop the server and the workers; return whether the running jobs ended in time."""
        self.faults.stop()
        self._server.stop()
        return self.sandbox.close()


def _log(message: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot's signature
    log.log(level, message, exc_info=traceback)


@contextlib.contextmanager
def serve(users: Iterable[Person | str] = (), **options: Any) -> Iterator[Serving]:
    """Serve a sandbox in threads of this process, for tests.

        with serve(["root:rootpass:superuser"]) as sandbox:
            httpx.get(sandbox.url + "/api/v1/server/about")
            sandbox.faults.set([{"on": "POST /api/v1/tasks", "status": 503, "times": 1}])

    users: as on the command line, `NAME:PASSWORD[:ROLE,…]`, or Person. options: the other fields of `Options`. The port
    is a free one and the state is deleted at the end, unless the options say otherwise.
    """
    people = tuple(parse_user(user) if isinstance(user, str) else user for user in users)
    serving = Serving(Options(users=people, **options))
    thread = threading.Thread(target=serving.run, name="cvat-sandbox", daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        serving.stop()
        thread.join(10)


def parse_user(text: str) -> Person:
    """Return the user of a text `NAME:PASSWORD[:ROLE,…]`; raises ValueError. A password may contain colons."""
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
