"""The recorded exchanges of a real CVAT 1.0.0, replayed against the sandbox.

The first 157 (accounts, users, creation of tasks). `.ci/replay_recordings.py` replays all 569.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from cvat_sandbox import serve
from tests.support.paths import RECORDINGS, ROOT
from tests.support.pictures import jpeg
from tests.support.sandbox_client import until

EXCHANGES = RECORDINGS / "cvat-1.0.0"
SHARED = ROOT.parent / "shared"
USERS = ["root:rootpass:superuser", "alex:pass12345!:staff", "dabai:pass12345!", "carol:pass12345!"]
LAST = 157
SIZES = {
    "000000001296.jpg": (640, 480),
    "000000000776.jpg": (800, 600),
    "000000000285.jpg": (1280, 720),
    "img_04.jpg": (320, 240),
}
TOKENS = {"1eb4783a": "root", "b2429e9a": "alex", "8505cfeb": "dabai", "4287884a": "carol", "a48a63e2": "carol"}
"""The first characters of recorded tokens. Carol has two, one before and one after her logout."""
FREE = {"created_date", "updated_date", "last_login", "date_joined", "key"}
"""Fields that differ in each run."""


def recorded() -> list[tuple[int, dict[str, Any]]]:
    files = sorted(EXCHANGES.glob("[0-9][0-9][0-9]-*.json"))
    return [(int(f.name[:3]), json.loads(f.read_text("utf-8"))) for f in files if int(f.name[:3]) <= LAST]


class History:
    """Sends recorded requests with the tokens and sessions of this run."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        self.known: dict[str, str] = {}
        """Recorded tokens and cookies, and those of this run."""

    def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        self.http.cookies.clear()
        return self.http.request(method, path, **rest)

    def key(self, name: str) -> str:
        form = {"username": name, "password": "rootpass" if name == "root" else "pass12345!"}
        return str(self.ask("POST", "/api/v1/auth/login", data=form).json()["key"])

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path, headers={"Authorization": f"Token {self.key('root')}"})

    def send(self, record: dict[str, Any]) -> httpx.Response:
        sent, body, rest = record["request_headers"], record.get("request_body"), {}
        headers = {"Accept": sent.get("accept", "*/*")}
        headers |= {
            name: re.sub(r"\w{32,}", self.live, sent[name]) for name in ("authorization", "cookie") if name in sent
        }
        if body and "json" in body:
            rest["json"] = body["json"]
        elif body and "form" in body:
            rest["data"] = body["form"]
        elif body and "raw" in body:
            rest["content"], headers["Content-Type"] = body["raw"].encode(), sent.get("content-type", "")
        elif body:
            rest["data"] = body["multipart_fields"]
            rest["files"] = [(f["field"], self.part(f)) for f in body["multipart_files"]]
        query = f"?{record['query']}" if record.get("query") else ""
        return self.ask(record["method"], record["path"] + query, headers=headers, **rest)

    def live(self, match: re.Match[str]) -> str:
        if match[0] not in self.known and match[0][:8] in TOKENS:
            self.known[match[0]] = self.key(TOKENS[match[0][:8]])
        return self.known.get(match[0], match[0])

    def part(self, file: dict[str, Any]) -> tuple[str | None, Any, str | None]:
        if file["filename"] is None:
            return None, "root" if file["field"] == "username" else "rootpass", None
        return file["filename"], jpeg(*SIZES[file["filename"]]), file["content_type"]

    def learn(self, record: dict[str, Any], answer: httpx.Response) -> None:
        """Remember the sessions and tokens of a response."""
        for name, value in record["response_headers"]:
            if name == "set-cookie" and (found := re.match(r"(csrftoken|sessionid)=(\w+)", value)):
                self.known[found[2]] = answer.cookies.get(found[1], "")
        want = contents(record)
        if isinstance(want, dict) and "key" in want and answer.status_code < 300:
            self.known[want["key"]] = answer.json()["key"]


def plain(value: Any) -> Any:
    """Return a value without what differs in each run."""
    if isinstance(value, dict):
        return {name: None if name in FREE else plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return re.sub(r"http://127\.0\.0\.1:\d+", "", value) if isinstance(value, str) else value


def contents(record: dict[str, Any]) -> Any:
    if "body_json" in record:
        return record["body_json"]
    kind = dict(record["response_headers"]).get("content-type", "")
    return json.loads(record["body"]) if "json" in kind and record.get("body") else record.get("body") or ""


def found(answer: httpx.Response) -> Any:
    return answer.json() if "json" in answer.headers.get("content-type", "") and answer.content else answer.text


def same(record: dict[str, Any], answer: httpx.Response) -> bool:
    if answer.status_code != record["status"]:
        return False
    if re.search("zip|image", dict(record["response_headers"]).get("content-type", "")):
        return len(answer.content) > 100
    if record["status"] == 200 and record["method"] == "OPTIONS":
        return set(found(answer)) == set(contents(record))
    return bool(plain(found(answer)) == plain(contents(record)))


def test_the_first_recorded_exchanges_are_equal() -> None:
    wrong, count = [], 0
    with serve(USERS) as sandbox:
        history = History(sandbox.url)
        for number, record in recorded():
            if "polls" in record:  # here the recorder waited for the worker
                continue
            answer = history.send(record)
            history.learn(record, answer)
            count += 1
            if not same(record, answer):
                want = f"{number}: {record['status']} {contents(record)!r}"
                wrong.append(f"{want[:300]}\n  -> {answer.status_code} {answer.text[:300]}")
            if answer.status_code == 202 and record["path"].endswith("/data"):
                until(lambda: history.get("/api/v1/tasks/1/status").json()["state"], lambda state: state == "Finished")
    assert count > 120
    assert not wrong, "\n".join(wrong)
