"""A model over HTTP that is away, slow, or answers anything: within the time that is set, with the reason."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from labelyard import model_client
from labelyard.errors import NoPredictions
from labelyard.model_client import ask_model, reach_model
from tests.support.model_server import respond_json, serve_model


def drip(handler: BaseHTTPRequestHandler, request: Any) -> None:
    """Send a byte of a header again and again: no single read ever waits long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    for _ in range(100):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def hang(handler: BaseHTTPRequestHandler, request: Any) -> None:
    time.sleep(3)


def compressed(handler: BaseHTTPRequestHandler, request: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()


def redirect(handler: BaseHTTPRequestHandler, request: Any) -> None:
    handler.send_response(307)
    handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler, request: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" " * 1000)


def cut(handler: BaseHTTPRequestHandler, request: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"[")


@pytest.mark.parametrize(
    ("respond", "error"),
    [
        (drip, "no answer within"),
        (hang, "no answer within"),
        (compressed, "compressed"),
        (redirect, "it answered 307"),
        (endless, "more than 5000 bytes"),
        (cut, "broke off"),
        (lambda handler, _: respond_json(handler, b"out of \x1b[31mmemory\nand", 500), r"answered 500: out of \\x1b"),
    ],
)  # fmt: skip
def test_no_answer_that_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, respond: Any, error: str) -> None:
    monkeypatch.setattr(model_client, "MAX_ANSWER_BYTES", 5000)
    begun = time.monotonic()
    with serve_model(respond) as model, pytest.raises(NoPredictions, match=error):
        ask_model(model.url, None, {}, tmp_path / "answer", 0.6)
    assert time.monotonic() - begun < 5


def test_a_server_that_does_not_exist_and_one_that_is_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_client, "_PAUSE", 0.01)
    with pytest.raises(NoPredictions, match="no connection"):
        ask_model("http://127.0.0.1:1/predict", None, {}, tmp_path / "answer", 5)
    states = [503, 200]
    with serve_model(lambda handler, _: respond_json(handler, [], states.pop(0))) as model:
        ask_model(model.url, SecretStr("t0ken"), {"images": []}, tmp_path / "answer", 5)
    assert (tmp_path / "answer").read_bytes() == b"[]"
    assert model.tokens == ["Bearer t0ken"] * 2


def test_reaching_it_asks_for_nothing() -> None:
    with serve_model() as model:
        assert reach_model(model.url, None, 5) == 204
        assert model.asked == []
    with pytest.raises(NoPredictions, match="no answer"):
        reach_model("http://127.0.0.1:1/predict", None, 5)
