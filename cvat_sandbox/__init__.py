"""A CVAT v1 server to try and test against: real HTTP, real images, and the traps of the real one.

`labelyard sandbox` runs it; tests use `serve`:

    from cvat_sandbox import serve

    with serve(["root:rootpass:superuser", "alex:pass12345!:staff,user", "dabai:pass12345!"]) as sandbox:
        httpx.get(sandbox.url + "/api/v1/server/about")
        sandbox.faults.set([{"on": "POST /api/v1/tasks/*/data", "status": 503, "times": 1}])

It imports nothing of labelyard.cvat: what they share is the recordings of a real server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvat_sandbox.accounts import Person
    from cvat_sandbox.parts import Options
    from cvat_sandbox.server import Serving, parse_user, serve

__all__ = ["Options", "Person", "Serving", "parse_user", "serve"]


def __getattr__(name: str) -> Any:
    """One of the names above, imported when it is used: the modules of this package find each other through it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"Person": "accounts", "Options": "parts"}.get(name, "server")
    return getattr(import_module(f"{__name__}.{module}"), name)
