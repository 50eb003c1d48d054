"""The watcher on this machine is alive and reports no problem."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok, unknown

_TIMEOUT = 5.0


def checks(_installation: Installation) -> Mapping[str, Check]:
    """Return the check of the watcher."""
    return {"watcher": check_watcher}


def check_watcher(installation: Installation) -> Iterator[CheckResult]:
    """Ask the watcher's /healthz."""
    url = f"http://{installation.settings.watch.host}:{installation.settings.watch.port}/healthz"
    try:
        health = _get(url)
    except (OSError, HTTPException, ValueError):
        yield unknown("watcher", f"none answers at {url}: not on this machine?", "labelyard watch, or labelyard up")
        return
    problems = [f"{what}: {problem.splitlines()[0]}" for what, problem in health.get("problems", {}).items()]
    if not health.get("alive"):
        yield fail("watcher", f"{url} reports that it hangs", "end it, then: labelyard watch")
    elif problems:
        yield fail("watcher", "; ".join(problems), "read the other lines here, and its log")
    else:
        yield ok("watcher", url)


def _get(url: str) -> dict[str, Any]:
    opener = build_opener(ProxyHandler({}))  # a proxy does not know this machine's ports
    try:
        with opener.open(url, timeout=_TIMEOUT) as response:
            body = response.read()
    except HTTPError as error:  # 503 of a watcher that hangs
        body = error.read()
    health: dict[str, Any] = json.loads(body)
    return health
