"""Every answer that a real CVAT 1.0.0 gave becomes the value or the typed error that it means.

Each recorded exchange is fed to the verb that its method and path belong to. Answers of endpoints that no verb asks for
(chunks, previews, OPTIONS, …) still prove the errors: every refusal goes through the same reading.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from stepping import RECORDINGS, answer_of, said

from labelyard.cvat.refusals import LONGEST, refusal
from labelyard.cvat.v1 import V1
from labelyard.cvat.wire import Answer, Pause, Steps
from labelyard.domain.annotations import Annotations, Change
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    About,
    Creation,
    CreationState,
    DataSpec,
    GitRepository,
    Job,
    Receipt,
    Task,
    TaskChange,
    TaskSpec,
    UploadFile,
    User,
)
from labelyard.errors import (
    CvatCrashed,
    CvatError,
    CvatNotFound,
    CvatRefused,
    CvatUnauthorized,
)

v1 = V1()
EXCHANGES = {
    path.stem: exchange
    for path in sorted((RECORDINGS / "cvat-1.0.0").glob("*.json"))
    if "path" in (exchange := json.loads(path.read_text()))
}
GOLDEN = Path(__file__).with_name("refusals.txt")

FILE = UploadFile("a.jpg", 1, lambda: BytesIO(b"a"))
SPEC = TaskSpec("t", (Label("car"),))
WITHOUT_DATA = said(200, {"results": [EXCHANGES["088-task-get-before-data"]["body_json"]]})

VERBS: list[tuple[str, Callable[[], Steps[Any]], type]] = [
    (r"POST /api/v1/auth/login", lambda: v1.login("root", "pw"), str),
    (r"POST /api/v1/auth/logout", v1.logout, type(None)),
    (r"POST /api/v1/auth/register", lambda: v1.register("a", "b", email="", first="", last=""), type(None)),
    (r"GET /api/v1/users/self", v1.whoami, User),
    (r"GET /api/v1/users(\?.*)?", v1.users, list),
    (r"GET /api/v1/server/about", v1.about, About),
    (r"POST /api/v1/tasks", lambda: v1.create_task(SPEC), Task),
    (r"GET /api/v1/tasks\?id=[0-9]*", lambda: v1.task(1), Task),
    (r"GET /api/v1/tasks(\?.*)?", lambda: v1.tasks_page({}, 1), tuple),
    (r"(PATCH|PUT|GET) /api/v1/tasks/[^/]+", lambda: v1.patch_task(1, TaskChange(name="t")), Task),
    (r"DELETE /api/v1/tasks/\d+", lambda: v1.delete_task(1), type(None)),
    (r"POST /api/v1/tasks/\d+/data", lambda: v1.upload(1, [FILE], DataSpec()), Receipt),
    (r"GET /api/v1/tasks/\d+/status", lambda: v1.creation(Receipt(1)), Creation),
    (r"GET /api/v1/tasks/\d+/data/meta", lambda: v1.frames(1), list),
    (r"(GET|PATCH|PUT) /api/v1/jobs/\d+", lambda: v1.assign(1, 1), Job),
    (
        r"PATCH /api/v1/(jobs|tasks)/\d+/annotations(\?action=.*)?",
        lambda: v1.change_annotations(1, Change.CREATE, Annotations()),
        Annotations,
    ),
    (r"(GET|PUT) /api/v1/jobs/\d+/annotations(\?action=create)?", lambda: v1.annotations(1), Annotations),
    (r"(GET|PUT) /api/v1/tasks/\d+/annotations", lambda: v1.task_annotations(1), Annotations),
    (r"GET /api/v1/tasks/\d+/(annotations|dataset)\?.*", lambda: v1.export(1, Path("x.zip"), "COCO 1.0"), str),
    (r"PUT /api/v1/tasks/\d+/annotations\?.*", lambda: v1.import_annotations(1, FILE, "COCO 1.0"), type(None)),
    (r"GET /git/repository/get/\d+", lambda: v1.git_repository(1), GitRepository),
]
"""Which verb reads the answers to which requests, and what it gives. GET and PUT of one thing answer as PATCH does."""


def asked(exchange: dict[str, Any]) -> str:
    return f"{exchange['method']} {exchange['path']}" + (f"?{exchange['query']}" if exchange["query"] else "")


def verb_of(exchange: dict[str, Any]) -> tuple[Callable[[], Steps[Any]], type] | None:
    return next(((verb, kind) for pattern, verb, kind in VERBS if re.fullmatch(pattern, asked(exchange))), None)


def made_of(steps: Steps[Any], answer: Answer) -> Any:
    """What a verb makes of an answer: its value, its error, or the pause before it asks again."""
    next(steps)
    try:
        after = steps.send(answer)
        if isinstance(after, Pause):
            return after
        steps.send(WITHOUT_DATA)
    except StopIteration as done:
        return done.value
    except CvatError as error:
        return error
    raise AssertionError("a verb that asks on and on")


SPOKEN = {name: verb for name, exchange in EXCHANGES.items() if (verb := verb_of(exchange))}
UNSPOKEN = 45
"""Exchanges that belong to no verb: previews, chunks, formats, projects, what no server knows."""

NOBODY = {"count": 0, "next": None, "previous": None, "results": []}


def test_all_but_a_few_exchanges_belong_to_a_verb() -> None:
    assert len(EXCHANGES) - len(SPOKEN) == UNSPOKEN


@pytest.mark.parametrize("name", [name for name in SPOKEN if EXCHANGES[name]["status"] < 300])
def test_a_success_becomes_its_value(name: str) -> None:
    exchange, (verb, kind) = EXCHANGES[name], SPOKEN[name]
    wanted: dict[int, type] = {200: kind}
    if kind in {str, type(None)} and "format=" in exchange["query"]:  # an export under way, or an import
        wanted = {200: str, 202: Pause, 201: Pause if exchange["method"] == "GET" else type(None)}
    elif kind is Task and exchange.get("body_json") == NOBODY:
        wanted = {200: CvatNotFound}
    meaning = made_of(verb(), answer_of(exchange))
    assert isinstance(meaning, wanted.get(exchange["status"], kind)), meaning


REFUSED = [name for name, exchange in EXCHANGES.items() if exchange["status"] >= 300]
USUAL = {301: CvatUnauthorized, 401: CvatUnauthorized, 403: CvatUnauthorized, 404: CvatNotFound, 500: CvatCrashed}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_becomes_the_error_that_it_means(name: str) -> None:
    exchange = EXCHANGES[name]
    if name in SPOKEN:
        meaning = made_of(SPOKEN[name][0](), answer_of(exchange))
    else:
        meaning = refusal(asked(exchange), answer_of(exchange))
    kind: type = USUAL.get(exchange["status"], CvatRefused)
    if exchange["path"].endswith("/auth/login") and exchange["status"] == 400:
        kind = CvatUnauthorized
    if name in BORNE:
        assert meaning == BORNE[name] or isinstance(meaning, Pause)
    else:
        assert type(meaning) is kind


BORNE: dict[str, Any] = {
    "205-data-duplicate-filenames-meta": [],
    "251-tasks-list-page_size-3_page-9999": ([], None),
    "252-tasks-list-page_size-3_page-0": ([], None),
    "254-tasks-list-page_size-3_page-abc": ([], None),
    "256-tasks-list-page_size--5": ([], None),
    "288-data-meta-404-is-500": [],
    "294-data-meta-INCONCLUSIVE-task-had-no-data": [],
    "532-dump-no-data-second-500": "a pause before the export's second attempt",
}
"""Refusals that are no error: a page past the end, frames before there is data, an export's first failure."""


def test_every_refusal_is_told_in_the_servers_own_words() -> None:
    told = [f"{name}: {refusal(asked(EXCHANGES[name]), answer_of(EXCHANGES[name])).what}" for name in REFUSED]
    assert told == GOLDEN.read_text().splitlines()


def test_no_refusal_breaks_a_line_or_a_terminal() -> None:
    for name in REFUSED:
        said_by_server = refusal("", answer_of(EXCHANGES[name])).what
        assert 0 < len(said_by_server) <= LONGEST
        assert not [c for c in said_by_server if unicodedata.category(c)[0] == "C"]


def polled() -> list[Answer]:
    """What status said from moment to moment, in all recorded waits."""
    waits = [json.loads(path.read_text()) for path in (RECORDINGS / "cvat-1.0.0").glob("*status*.json")]
    raw = [moment["raw"] for wait in waits for moment in wait.get("distinct", [])]
    raw += [counted[0] for wait in waits for counted in wait.get("counts", [])]
    return [Answer(status, {"content-type": "application/json"}, text.encode()) for status, text in raw]


def test_everything_that_status_ever_said_is_understood() -> None:
    states = [made_of(v1.creation(Receipt(1)), answer) for answer in polled()]
    assert len(states) > 60
    assert {creation.state for creation in states} >= {
        CreationState.STARTED,
        CreationState.FINISHED,
        CreationState.FAILED,
        CreationState.UNKNOWN,
    }
    assert "OSError: cannot identify image file '/srv/cvat/data/data/9/raw/fake.jpg'" in {c.message for c in states}
