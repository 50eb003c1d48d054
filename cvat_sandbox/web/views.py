"""Flask views that receive the sandbox and the request."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, request
from werkzeug.routing import Rule

from cvat_sandbox.sandbox import Sandbox

View = Callable[..., Response]
"""Takes the sandbox, the request and the variables of its path."""


def rule(path: str, endpoint: str = "") -> Rule:
    """Return the rule of a path, for all methods. `endpoint` is the name of its view, by default the path."""
    made = Rule(path, endpoint=endpoint or path)
    made.provide_automatic_options = False  # type: ignore[attr-defined] # Flask reads it
    return made


def mount(app: Flask, path: str, view: View, sandbox: Sandbox) -> None:
    """Add the view of a path to an application."""
    app.view_functions[path] = lambda **ids: view(sandbox, request, **ids)
