"""Deliveries of CVAT's webhook: recorded ones are accepted, and what is not signed is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from labelyard.domain.webhooks import JobChange
from labelyard.sources.cvat_deliveries import CvatDeliveries, sign
from tests.support.paths import RECORDINGS

SECRET = "a-throwaway-secret"
RECORDED = sorted((RECORDINGS / "cvat-2.73" / "webhooks").glob("*.json"))
Reports = list[tuple[str, JobChange]]


def deliveries(reports: Reports, name: str = "default") -> CvatDeliveries:
    return CvatDeliveries({name: SecretStr(SECRET)}, lambda cvat, change: reports.append((cvat, change)))


def recorded(path: Path) -> tuple[bytes, dict[str, Any]]:
    document = json.loads(path.read_text())
    return document["body_raw"].encode(), document


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_delivery_is_reported_if_it_is_a_changed_job(path: Path) -> None:
    reports: Reports = []
    body, document = recorded(path)
    deliveries(reports).accept("default", body)
    content = document["body_json"]
    expected = [content["job"]["task_id"]] if content["event"] == "update:job" else []
    assert [change.task_id for _, change in reports] == expected


@pytest.mark.parametrize("path", RECORDED[:2], ids=lambda path: path.stem)
def test_the_signature_of_a_real_server_is_right_for_its_secret_and_body_alone(path: Path) -> None:
    body, document = recorded(path)
    signature, checked = document["headers"]["X-Signature-256"].encode(), deliveries([])
    assert checked.is_signed("default", body, signature)
    assert checked.is_signed("DEFAULT", body, signature)
    assert not checked.is_signed("default", body + b" ", signature)
    assert not checked.is_signed("other", body, signature)
    for wrong in (b"", signature[:-1], signature.removeprefix(b"sha256="), sign("another", body), b"\xff" * 71):
        assert not checked.is_signed("default", body, wrong)


def test_a_name_is_the_same_with_a_hyphen_as_in_dataset_files() -> None:
    reports: Reports = []
    checked, body = deliveries(reports, "night_shift"), b'{"event": "update:job", "job": {"task_id": 7}}'
    assert checked.is_signed("night-shift", body, sign(SECRET, body))
    checked.accept("night-shift", body)
    assert reports == [("night_shift", JobChange(7, only_saved=False))]


@given(st.binary() | st.text().map(str.encode))
@example(b'{"event": "update:job", "job": {"task_id": 1e400}}')
@example(b'{"a":' * 100_000)
@example(b'{"event": "update:job"} trailing')
@example(b"\xef\xbb\xbfnull")
def test_any_signed_content_is_accepted_without_an_error(body: bytes) -> None:
    reports: Reports = []
    deliveries(reports).accept("default", body)
    assert not reports
