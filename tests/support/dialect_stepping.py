"""Dialects stepped manually with recorded responses, without I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from labelyard.cvat.exchange import PAUSED, Exchange, Pause, Request, Response
from tests.support.paths import recording

T = TypeVar("T")


def recorded(number: int, family: str = "cvat-1.0.0") -> Response:
    """Return the recorded response of a real server."""
    return response_of(recording(number, family))


def response_of(recorded: dict[str, Any]) -> Response:
    """Return the response of a recording; the recordings omit the content of zip files."""
    headers = recorded["response_headers"]
    pairs = headers.items() if isinstance(headers, dict) else headers
    if "body_json" in recorded:
        body = json.dumps(recorded["body_json"])
    elif isinstance(recorded.get("response_body"), str):
        body = recorded["response_body"]
    elif "response_body" in recorded:
        body = json.dumps(recorded["response_body"])
    else:
        body = recorded.get("body") or ""
    return Response(recorded["status"], {name.lower(): value for name, value in pairs}, body.encode())


def recorded_polls(number: int, family: str) -> list[Response]:
    """Return the responses of a recorded wait, in order."""
    headers = {"content-type": "application/vnd.cvat+json"}
    polls = recording(number, family)["distinct"]
    return [Response(poll["status"], headers, json.dumps(poll["body"]).encode()) for poll in polls]


def json_response(status: int, body: Any = None) -> Response:
    """Return an invented response with a JSON body, or an empty one."""
    content = b"" if body is None else json.dumps(body).encode()
    return Response(status, {"content-type": "application/json"}, content)


def play(exchange: Exchange[T], responses: Iterable[Response]) -> tuple[T, list[Request], list[Pause]]:
    """Step a verb to its end with `responses`; return its value, its requests and its pauses."""
    requests: list[Request] = []
    pauses: list[Pause] = []
    left = iter(responses)
    try:
        step = next(exchange)
        while True:
            if isinstance(step, Pause):
                pauses.append(step)
                step = exchange.send(PAUSED)
            else:
                requests.append(step)
                step = exchange.send(next(left))
    except StopIteration as done:
        assert not list(left), "more responses than requests"
        return done.value, requests, pauses


def value(exchange: Exchange[T], *responses: Response) -> T:
    """Return the value of a verb that receives `responses`."""
    return play(exchange, responses)[0]
