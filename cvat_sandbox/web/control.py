"""The control endpoint: shows and changes the fault rules while the server runs."""

from __future__ import annotations

import hmac
import json
from typing import Any

from flask import Request, Response

from cvat_sandbox.errors import SandboxError
from cvat_sandbox.sandbox import Sandbox

PATH = "/_sandbox/faults"
MAX_BODY_BYTES = 2**20


def faults(sandbox: Sandbox, request: Request) -> Response:
    """Return the active rules as JSON. POST replaces them by the list in the body, DELETE removes them."""
    token = sandbox.options.control_token
    if not token:
        return _json({"detail": "Not found."}, 404)
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(sent.encode(), token.encode()):
        return _json({"detail": "The control token is missing or wrong."}, 401)
    if request.method not in {"GET", "HEAD", "POST", "DELETE"}:
        return _json({"detail": f'Method "{request.method}" not allowed.'}, 405)
    try:
        if request.method == "POST":
            sandbox.faults.set(_rules(request))
        elif request.method == "DELETE":
            sandbox.faults.clear()
    except (SandboxError, ValueError) as error:
        return _json({"detail": str(error)}, 400)
    return _json(sandbox.faults.described())


def _rules(request: Request) -> Any:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise ValueError(f"the rules are longer than {MAX_BODY_BYTES} bytes")
    return json.loads(request.get_data(cache=False))


def _json(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data), status, content_type="application/json", headers={"Allow": "GET, POST, DELETE"})
