"""Every recorded response of a real CVAT 1.0.0 becomes the value or the typed error that it means.

Each recording is passed to the verb of its method and path. Responses of endpoints without a verb (chunks, previews,
OPTIONS, …) still test the errors: every error response becomes its exception in the same way.
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

from labelyard.cvat.error_responses import MAX_MESSAGE_LENGTH, error_for
from labelyard.cvat.exchange import Exchange, Pause, Response
from labelyard.cvat.v1 import V1
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
from tests.support.dialect_stepping import json_response, response_of
from tests.support.paths import RECORDINGS

v1 = V1()
RECORDED = {
    path.stem: recorded
    for path in sorted((RECORDINGS / "cvat-1.0.0").glob("*.json"))
    if "path" in (recorded := json.loads(path.read_text()))
}
EXPECTED_MESSAGES = Path(__file__).with_name("v1_error_messages.txt")

FILE = UploadFile("a.jpg", 1, lambda: BytesIO(b"a"))
SPEC = TaskSpec("t", (Label("car"),))
WITHOUT_DATA = json_response(200, {"results": [RECORDED["088-task-get-before-data"]["body_json"]]})

VERBS: list[tuple[str, Callable[[], Exchange[Any]], type]] = [
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
"""The verb and its value's type by request. GET and PUT of one resource respond as PATCH does."""


def request_of(recorded: dict[str, Any]) -> str:
    return f"{recorded['method']} {recorded['path']}" + (f"?{recorded['query']}" if recorded["query"] else "")


def verb_of(recorded: dict[str, Any]) -> tuple[Callable[[], Exchange[Any]], type] | None:
    return next(((verb, kind) for pattern, verb, kind in VERBS if re.fullmatch(pattern, request_of(recorded))), None)


def outcome(exchange: Exchange[Any], response: Response) -> Any:
    """Return a verb's outcome after a response: its value, its error, or the pause before it polls again."""
    next(exchange)
    try:
        following = exchange.send(response)
        if isinstance(following, Pause):
            return following
        exchange.send(WITHOUT_DATA)
    except StopIteration as done:
        return done.value
    except CvatError as error:
        return error
    raise AssertionError("the verb does not end")


WITH_VERB = {name: verb for name, recorded in RECORDED.items() if (verb := verb_of(recorded))}
WITHOUT_VERB = 45
"""Recordings without a verb: previews, chunks, formats, projects, unknown paths."""

EMPTY_LIST = {"count": 0, "next": None, "previous": None, "results": []}


def test_all_but_a_few_recordings_have_a_verb() -> None:
    assert len(RECORDED) - len(WITH_VERB) == WITHOUT_VERB


@pytest.mark.parametrize("name", [name for name in WITH_VERB if RECORDED[name]["status"] < 300])
def test_a_success_becomes_its_value(name: str) -> None:
    recorded, (verb, kind) = RECORDED[name], WITH_VERB[name]
    expected: dict[int, type] = {200: kind}
    if kind in {str, type(None)} and "format=" in recorded["query"]:  # an export under way, or an import
        expected = {200: str, 202: Pause, 201: Pause if recorded["method"] == "GET" else type(None)}
    elif kind is Task and recorded.get("body_json") == EMPTY_LIST:
        expected = {200: CvatNotFound}
    result = outcome(verb(), response_of(recorded))
    assert isinstance(result, expected.get(recorded["status"], kind)), result


ERRORS = [name for name, recorded in RECORDED.items() if recorded["status"] >= 300]
ERROR_BY_STATUS = {
    301: CvatUnauthorized,
    401: CvatUnauthorized,
    403: CvatUnauthorized,
    404: CvatNotFound,
    500: CvatCrashed,
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_response_becomes_its_error(name: str) -> None:
    recorded = RECORDED[name]
    if name in WITH_VERB:
        result = outcome(WITH_VERB[name][0](), response_of(recorded))
    else:
        result = error_for(request_of(recorded), response_of(recorded))
    kind: type = ERROR_BY_STATUS.get(recorded["status"], CvatRefused)
    if recorded["path"].endswith("/auth/login") and recorded["status"] == 400:
        kind = CvatUnauthorized
    if name in TOLERATED:
        assert result == TOLERATED[name] or isinstance(result, Pause)
    else:
        assert type(result) is kind


TOLERATED: dict[str, Any] = {
    "205-data-duplicate-filenames-meta": [],
    "251-tasks-list-page_size-3_page-9999": ([], None),
    "252-tasks-list-page_size-3_page-0": ([], None),
    "254-tasks-list-page_size-3_page-abc": ([], None),
    "256-tasks-list-page_size--5": ([], None),
    "288-data-meta-404-is-500": [],
    "294-data-meta-INCONCLUSIVE-task-had-no-data": [],
    "532-dump-no-data-second-500": "a pause before the export's second attempt",
}
"""Error responses that are no error: a page past the end, frames before the upload, an export's first failure."""


def test_every_error_has_the_servers_own_message() -> None:
    messages = [f"{name}: {error_for(request_of(RECORDED[name]), response_of(RECORDED[name])).what}" for name in ERRORS]
    assert messages == EXPECTED_MESSAGES.read_text().splitlines()


def test_no_message_has_a_line_break_or_a_control_character() -> None:
    for name in ERRORS:
        message = error_for("", response_of(RECORDED[name])).what
        assert 0 < len(message) <= MAX_MESSAGE_LENGTH
        assert not [c for c in message if unicodedata.category(c)[0] == "C"]


def polled() -> list[Response]:
    """Return every polled status of all recorded waits."""
    waits = [json.loads(path.read_text()) for path in (RECORDINGS / "cvat-1.0.0").glob("*status*.json")]
    raw = [poll["raw"] for wait in waits for poll in wait.get("distinct", [])]
    raw += [counted[0] for wait in waits for counted in wait.get("counts", [])]
    return [Response(status, {"content-type": "application/json"}, text.encode()) for status, text in raw]


def test_every_recorded_status_is_decoded() -> None:
    states = [outcome(v1.creation(Receipt(1)), response) for response in polled()]
    assert len(states) > 60
    assert {creation.state for creation in states} >= {
        CreationState.STARTED,
        CreationState.FINISHED,
        CreationState.FAILED,
        CreationState.UNKNOWN,
    }
    assert "OSError: cannot identify image file '/srv/cvat/data/data/9/raw/fake.jpg'" in {
        creation.message for creation in states
    }
