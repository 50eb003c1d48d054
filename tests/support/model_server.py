"""A model over HTTP that detects a car in the middle of each image, or does whatever a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.http_server import serve_handler

Respond = Callable[[BaseHTTPRequestHandler, Any], None]
"""Writes the response to a request, of which the body is given as JSON values."""


@dataclass
class ModelServer:
    """The address of a model, and what it was asked."""

    respond: Respond
    url: str = ""
    asked: list[Any] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    options_status: int = 204


def respond_json(handler: BaseHTTPRequestHandler, answer: Any, status: int = 200) -> None:
    """Send JSON values, or bytes as they are."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def cars(request: Any) -> list[dict[str, Any]]:
    """Return a car on each image, as a list of results."""
    return [
        {"image_id": image["id"], "label": "car", "bbox": [10, 10, 20, 20], "score": 0.75}
        for image in request["images"]
    ]


@contextmanager
def serve_model(respond: Respond | None = None) -> Iterator[ModelServer]:
    """Serve a model on a free port of this machine, which finds cars unless told otherwise."""
    model = ModelServer(respond or (lambda handler, request: respond_json(handler, cars(request))))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            model.asked.append(request)
            model.tokens.append(self.headers["Authorization"])
            model.respond(self, request)

        def do_OPTIONS(self) -> None:
            self.send_response(model.options_status if self.path == "/predict" else 404)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with serve_handler(Handler) as url:
        model.url = f"{url}/predict"
        yield model
