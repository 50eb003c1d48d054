"""Dialects driven by hand: with recorded answers, without I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from labelyard.cvat.wire import WAITED, Answer, Pause, Request, Steps

T = TypeVar("T")

RECORDINGS = Path(__file__).parents[1] / "recordings"


def recording(number: int, family: str = "cvat-1.0.0") -> dict[str, Any]:
    """One recorded exchange."""
    (path,) = (RECORDINGS / family).glob(f"{number:03}-*.json")
    return json.loads(path.read_text())


def recorded(number: int, family: str = "cvat-1.0.0") -> Answer:
    """What a real server answered."""
    return answer_of(recording(number, family))


def answer_of(exchange: dict[str, Any]) -> Answer:
    """The answer of an exchange; the bodies of zips are not in the recordings, and not in answers either."""
    headers = exchange["response_headers"]
    pairs = headers.items() if isinstance(headers, dict) else headers
    if "body_json" in exchange:
        body = json.dumps(exchange["body_json"])
    elif isinstance(exchange.get("response_body"), str):
        body = exchange["response_body"]
    elif "response_body" in exchange:
        body = json.dumps(exchange["response_body"])
    else:
        body = exchange.get("body") or ""
    return Answer(exchange["status"], {name.lower(): value for name, value in pairs}, body.encode())


def said(status: int, body: Any = None) -> Answer:
    """An answer made up: JSON, or none."""
    content = b"" if body is None else json.dumps(body).encode()
    return Answer(status, {"content-type": "application/json"}, content)


def play(steps: Steps[T], answers: Iterable[Answer]) -> tuple[T, list[Request], list[Pause]]:
    """Drive a verb with these answers to its value; what it asked, and how it waited."""
    asked: list[Request] = []
    pauses: list[Pause] = []
    left = iter(answers)
    try:
        step = next(steps)
        while True:
            if isinstance(step, Pause):
                pauses.append(step)
                step = steps.send(WAITED)
            else:
                asked.append(step)
                step = steps.send(next(left))
    except StopIteration as done:
        assert not list(left), "more answers than questions"
        return done.value, asked, pauses


def value(steps: Steps[T], *answers: Answer) -> T:
    """The value of a verb that gets these answers."""
    return play(steps, answers)[0]
