"""The contract of every dialect in DIALECTS, stepped manually."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from labelyard.cvat import DIALECTS, Cvat
from labelyard.cvat.client_of_2 import ClientOf2
from labelyard.cvat.dialect import Dialect
from labelyard.cvat.exchange import Exchange, Request
from labelyard.cvat.verbs_of_2 import VerbsOf2
from labelyard.domain.annotations import Annotations, Change
from labelyard.domain.labels import Label
from labelyard.domain.tasks import (
    CloudCredentials,
    CloudStorage,
    DataSpec,
    JobStatus,
    JobStep,
    Receipt,
    TaskChange,
    TaskSpec,
    UploadFile,
)
from labelyard.domain.webhooks import WebhookSpec
from labelyard.errors import CvatBusy, CvatDisagrees, CvatUnauthorized, UnclearAnswer
from tests.support.dialect_stepping import json_response

FILE = UploadFile("a.jpg", 1, lambda: io.BytesIO(b"a"))
WEBHOOK = WebhookSpec("https://labelyard/cvat/default", "labelyard", frozenset({"update:job"}))
VERBS: dict[str, tuple[Any, ...]] = {
    "login": ("root", "s3cret"),
    "logout": (),
    "register": ("ann", "s3cret"),
    "about": (),
    "access_token": (),
    "whoami": (),
    "users": (),
    "members": (),
    "create_task": (TaskSpec("t", (Label("car"),)),),
    "find_tasks": ("t",),
    "tasks_page": ({}, 1),
    "task": (1,),
    "patch_task": (1, TaskChange(name="t")),
    "delete_task": (1,),
    "find_projects": ("street",),
    "create_project": ("street", (Label("car"),)),
    "project": (1,),
    "change_project_labels": (1, (Label("car"),)),
    "delete_project": (1,),
    "git_repository": (1,),
    "upload": (1, [FILE], DataSpec()),
    "upload_remote": (1, ["http://images/a.jpg"], DataSpec()),
    "cloud_storages": ("raw",),
    "create_cloud_storage": (CloudStorage(0, "raw"), CloudCredentials("key", "s3cret")),
    "upload_cloud": (1, 1, ["a.jpg"], DataSpec()),
    "webhooks": (),
    "create_webhook": (WEBHOOK, "s3cret"),
    "change_webhook": (1, WEBHOOK, "s3cret"),
    "delete_webhook": (1,),
    "webhook_deliveries": (1, 10),
    "merge_replicas": (1,),
    "quality_report": (1,),
    "upload_share": (1, ["a.jpg"], DataSpec()),
    "creation": (Receipt(1, "request"),),
    "frames": (1,),
    "jobs": (1,),
    "job": (1,),
    "assign": (1, 1),
    "set_job_status": (1, JobStatus.COMPLETED),
    "move_job": (1, JobStep.REVIEW, 1),
    "reject_job": (1,),
    "issues": (1,),
    "create_issue": (1, 0, (1.0, 2.0), "no car"),
    "resolve_issue": (1,),
    "annotations": (1,),
    "task_annotations": (1,),
    "change_annotations": (1, Change.CREATE, Annotations()),
    "export": (1, Path("x.zip"), "COCO 1.0"),
    "export_formats": (),
    "import_annotations": (1, FILE, "COCO 1.0"),
}
"""The verbs with arguments for a first request."""
PROJECTS = {verb for verb in VERBS if "project" in verb}
CLOUD = {verb for verb in VERBS if "cloud" in verb}
WEBHOOKS = {verb for verb in VERBS if "webhook" in verb}
ISSUES = {"issues", "create_issue", "resolve_issue"}
NAMED = {"register": {"email": "", "first": "", "last": ""}}
QUALITY = {"merge_replicas", "quality_report"}
UNSUPPORTED = {
    "v1": {"access_token", "members", *PROJECTS, *CLOUD, *WEBHOOKS, *QUALITY, *ISSUES},
    "v2": {"register", "git_repository"},
}
NOT_IDEMPOTENT = {
    "logout",
    "register",
    "create_task",
    "delete_task",
    "create_project",
    "delete_project",
    "change_annotations",
    "import_annotations",
}
NOT_IDEMPOTENT |= {"upload", "upload_remote", "upload_share", "upload_cloud", "create_cloud_storage", "create_webhook"}
NOT_IDEMPOTENT |= {"delete_webhook", "merge_replicas", "create_issue"}

CASES = [(name, verb) for name in DIALECTS for verb in VERBS if verb not in UNSUPPORTED[name]]
supported = pytest.mark.parametrize(("name", "verb"), CASES)


def start(name: str, verb: str) -> tuple[Exchange[Any], Request]:
    """Return a verb's exchange and its first request."""
    exchange = getattr(DIALECTS[name], verb)(*VERBS[verb], **NAMED.get(verb, {}))
    request = next(exchange)
    assert isinstance(request, Request)
    return exchange, request


def test_these_are_all_verbs_of_a_dialect_and_of_the_client() -> None:
    verbs = {name for name in (*vars(Dialect), *vars(VerbsOf2)) if name[0] != "_"} - {
        "root",
        "probe",
        "for_server",
        "authorization",
        "can_register",
        "is_access_token",
    }
    assert set(VERBS) == verbs
    more = {"url", "close", "family", "quirks", "can_register", "organization", "in_organization", "assignable_users"}
    client = {name for name in (*vars(Cvat), *vars(ClientOf2)) if name[0] != "_"} - more
    assert client == verbs - {"tasks_page"} | {"tasks"}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_probe_needs_no_token_and_is_no_other_dialects(name: str) -> None:
    probe = DIALECTS[name].probe
    assert probe.anonymous
    assert probe.idempotent
    assert [other for other in DIALECTS if DIALECTS[other].probe == probe] == [name]


@supported
def test_only_idempotent_requests_may_be_retried(name: str, verb: str) -> None:
    _, request = start(name, verb)
    assert request.idempotent == (verb not in NOT_IDEMPOTENT)


@supported
def test_a_request_shows_no_password(name: str, verb: str) -> None:
    _, request = start(name, verb)
    assert "s3cret" not in repr(request)


@supported
@pytest.mark.parametrize(("status", "error"), [(401, CvatUnauthorized), (503, CvatBusy)])
def test_an_error_response_raises_the_servers_message(
    name: str, verb: str, status: int, error: type[Exception]
) -> None:
    exchange, _ = start(name, verb)
    with pytest.raises(error, match="not now"):
        exchange.send(json_response(status, {"detail": "not now"}))


@supported
def test_an_error_of_the_transport_is_raised_unchanged(name: str, verb: str) -> None:
    exchange, _ = start(name, verb)
    lost = UnclearAnswer("no response")
    with pytest.raises(UnclearAnswer) as caught:
        exchange.throw(lost)
    assert caught.value is lost


@pytest.mark.parametrize(("name", "verb"), [(name, verb) for name in DIALECTS for verb in sorted(UNSUPPORTED[name])])
def test_an_unsupported_verb_raises_before_any_request(name: str, verb: str) -> None:
    with pytest.raises(CvatDisagrees, match="not supported"):
        start(name, verb)
