"""Flask views that receive the sandbox and the request."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, request
from werkzeug.routing import Rule

from cvat_sandbox.sandbox import Sandbox

View = Callable[..., Response]
"""Takes the sandbox, the request and the variables of its path."""


def mount(app: Flask, path: str, view: View, sandbox: Sandbox) -> None:
    """Add a view for all methods of a path."""
    rule = Rule(path, endpoint=path)
    rule.provide_automatic_options = False  # type: ignore[attr-defined] # Flask reads it
    app.url_map.add(rule)
    app.view_functions[path] = lambda **ids: view(sandbox, request, **ids)
