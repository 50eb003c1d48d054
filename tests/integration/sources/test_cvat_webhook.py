"""The watcher's endpoint for CVAT's deliveries, over real HTTP: what is signed is reported, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from pydantic import SecretStr

from labelyard.domain.webhooks import JobChange
from labelyard.errors import SettingsError
from labelyard.sources.cvat_deliveries import CvatDeliveries, sign
from labelyard.sources.parsers import MAX_BODY_BYTES
from labelyard.sources.webhook import Webhook, serve

SECRET = "s3cr3t-of-this-cvat"
BODY = b'{"event": "update:job", "job": {"task_id": 80}}'
Reports = list[tuple[str, JobChange]]


@contextmanager
def serving(reports: Reports) -> Iterator[str]:
    deliveries = CvatDeliveries({"default": SecretStr(SECRET)}, lambda *report: reports.append(report))
    with serve(Webhook(None, lambda: {"alive": True}, None, deliveries), "127.0.0.1", 0) as address:
        yield address


def post(url: str, body: bytes, signature: bytes | None = None, name: str = "default") -> httpx.Response:
    signed = sign(SECRET, body) if signature is None else signature
    return httpx.post(f"{url}/cvat/{name}", content=body, headers=[(b"X-Signature-256", signed)])


def test_a_signed_change_of_a_job_is_reported_and_other_signed_content_is_ignored() -> None:
    reports: Reports = []
    with serving(reports) as url:
        for body in (BODY, b'{"event": "ping"}', b"not json", b'{"event": "update:job"}', b"[]", b""):
            assert post(url, body).status_code == 204
    assert reports == [("default", JobChange(80, only_saved=False))]


def test_what_is_not_signed_is_refused_and_the_secret_is_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    reports: Reports = []
    with serving(reports) as url, caplog.at_level(logging.DEBUG):
        answers = [
            post(url, BODY, b"sha256=" + b"0" * 64),
            post(url, BODY, b""),
            post(url, BODY, b"\xff\xfe"),
            post(url, BODY, sign("another secret 12", BODY)),
            post(url, BODY, name="unknown"),
            post(url, BODY + b" ", sign(SECRET, BODY)),
            httpx.post(f"{url}/cvat/default", content=BODY),
            httpx.post(f"{url}/cvat/default", content=BODY, headers={"Authorization": f"Bearer {SECRET}"}),
        ]
        assert {answer.status_code for answer in answers} == {401}
        assert post(url, BODY).status_code == 204
        assert post(url, b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
        assert httpx.get(f"{url}/cvat/default").status_code == 405
    assert len(reports) == 1
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert SECRET not in logged + "".join(capfd.readouterr()) + "".join(answer.text for answer in answers)


def test_without_a_webhook_in_the_settings_the_endpoint_names_the_setting() -> None:
    with serve(Webhook(None, lambda: {"alive": True}, None), "127.0.0.1", 0) as url:
        answer = post(url, BODY)
    assert (answer.status_code, "LABELYARD_CVAT__<NAME>__WEBHOOK__SECRET" in answer.text) == (404, True)


def test_signed_deliveries_alone_may_come_from_other_machines() -> None:
    deliveries = CvatDeliveries({"default": SecretStr(SECRET)}, lambda *_: None)
    with serve(Webhook(None, lambda: {"alive": True}, None, deliveries), "0.0.0.0", 0) as address:
        assert post(address.replace("0.0.0.0", "127.0.0.1"), BODY).status_code == 204
    with_stores = Webhook(lambda *_: None, dict, None, deliveries)
    with pytest.raises(SettingsError, match="no token"), serve(with_stores, "0.0.0.0", 0):
        pass
