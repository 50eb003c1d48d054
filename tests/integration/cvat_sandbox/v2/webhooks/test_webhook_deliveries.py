"""How bodies are sent: signed, in order, again after failures, and without holding up anybody."""

from __future__ import annotations

import hashlib
import hmac
import time
from pathlib import Path

import httpx
import pytest

from cvat_sandbox import Serving, serve
from tests.support.certificates import self_signed
from tests.support.sandbox_client_v2 import USERS, login
from tests.support.waiting import eventually
from tests.support.webhook_receiver import RETRIES, Receiver, deliveries, hook, receiver

SECRET = "a secret"


def test_a_body_is_signed_with_the_secret_and_not_without_one(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project, secret=SECRET)
    assert "secret" not in webhook
    alex.post(f"/webhooks/{webhook['id']}/ping")
    signature = "sha256=" + hmac.new(SECRET.encode(), target.received[0].raw, hashlib.sha256).hexdigest()
    assert target.received[0].headers["x-signature-256"] == signature
    alex.patch(f"/webhooks/{webhook['id']}", json={"secret": ""})
    alex.post(f"/webhooks/{webhook['id']}/ping")
    assert "x-signature-256" not in target.received[1].headers


def test_a_ping_is_sent_at_once_and_answers_with_its_delivery(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project)
    assert "last_status" not in webhook
    delivery = alex.post(f"/webhooks/{webhook['id']}/ping").json()
    assert (delivery["event"], delivery["status_code"], delivery["response"]) == ("ping", 200, "thanks")
    assert delivery["request"] == target.received[0].body
    assert alex.get(f"/webhooks/{webhook['id']}").json()["last_status"] == 200
    assert alex.get(f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}").json() == delivery


def test_a_ping_to_a_port_where_nobody_listens_is_502_and_is_not_tried_again(alex: httpx.Client, project: int) -> None:
    webhook = hook(alex, Receiver(url="http://127.0.0.1:9/none"), project)
    delivery = alex.post(f"/webhooks/{webhook['id']}/ping").json()
    assert delivery["status_code"] == 502
    assert "Connection refused" in delivery["response"]
    assert len(deliveries(alex, webhook)) == 1


def test_a_failed_delivery_is_sent_again_until_it_succeeds(alex: httpx.Client, target: Receiver, project: int) -> None:
    target.statuses = [500, 429]
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    first, *others = target.wait(3)
    assert [other.raw for other in others] == [first.raw] * 2
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 3 else None)
    assert [(row["attempt"], row["status_code"]) for row in listed] == [(3, 200), (2, 429), (1, 500)]
    assert listed[0]["changed_fields"] == "updated_date,name"


def test_a_delivery_is_given_up_after_the_last_pause_and_a_refused_one_at_once(
    sandbox: Serving, alex: httpx.Client, target: Receiver, project: int
) -> None:
    target.statuses = [500] * 9
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    eventually(lambda: len(deliveries(alex, webhook)) == 1 + len(RETRIES))
    target.statuses = [400]
    alex.patch(f"/projects/{project}", json={"name": "r"})
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 4 else None)
    assert [row["status_code"] for row in listed] == [400, 500, 500, 500]
    eventually(lambda: not sandbox.sandbox.db.count("SELECT COUNT(*) FROM webhook_queue"))


def test_a_delivery_can_be_sent_again(alex: httpx.Client, target: Receiver, project: int) -> None:
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    [first] = target.wait(1)
    [row] = eventually(lambda: deliveries(alex, webhook))
    answer = alex.post(f"/webhooks/{webhook['id']}/deliveries/{row['id']}/redelivery")
    assert (answer.status_code, answer.json()) == (200, {})
    assert target.wait(2)[1].raw == first.raw
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 2 else None)
    assert [row["redelivery"] for row in listed] == [True, False]


def test_a_redirect_is_not_followed(alex: httpx.Client, target: Receiver, project: int) -> None:
    with receiver() as elsewhere:
        target.statuses, target.headers = [302], {"Location": elsewhere.url}
        webhook = hook(alex, target, project)
        assert alex.post(f"/webhooks/{webhook['id']}/ping").json()["status_code"] == 302
        assert not elsewhere.received


def test_a_slow_receiver_delays_neither_the_request_nor_other_webhooks(
    alex: httpx.Client, target: Receiver, project: int
) -> None:
    with receiver() as slow:
        slow.released.clear()
        hook(alex, slow, project)
        hook(alex, target, project)
        begun = time.monotonic()
        alex.patch(f"/projects/{project}", json={"name": "q"})
        assert time.monotonic() - begun < 5
        target.wait(1)
        slow.released.set()


def test_a_new_server_sends_what_the_old_one_could_not(tmp_path: Path, target: Receiver) -> None:
    target.statuses = [503]
    with serve(USERS, version="2.73", data=tmp_path, webhook_retries=(0.5,)) as old, login(old.url) as http:
        project_id = http.post("/projects", json={"name": "p"}).json()["id"]
        hook(http, target, project_id)
        http.patch(f"/projects/{project_id}", json={"name": "q"})
        target.wait(1)
    with serve(USERS, version="2.73", data=tmp_path, webhook_retries=(0.5,)):
        first, second = target.wait(2)
    assert first.raw == second.raw


def test_a_server_stops_while_a_receiver_does_not_respond(target: Receiver) -> None:
    target.released.clear()
    with serve(USERS, version="2.73") as serving, login(serving.url) as http:
        project_id = http.post("/projects", json={"name": "p"}).json()["id"]
        hook(http, target, project_id)
        http.patch(f"/projects/{project_id}", json={"name": "q"})
        target.wait(1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 8


def test_a_webhook_that_is_deleted_while_it_is_sent_leaves_nothing(
    sandbox: Serving, alex: httpx.Client, target: Receiver, project: int
) -> None:
    target.released.clear()
    webhook = hook(alex, target, project)
    alex.patch(f"/projects/{project}", json={"name": "q"})
    target.wait(1)
    assert alex.delete(f"/webhooks/{webhook['id']}").status_code == 204
    target.released.set()
    alex.post(f"/webhooks/{hook(alex, target, project)['id']}/ping")
    counts = "SELECT COUNT(*) FROM webhook_delivery WHERE webhook_id = ?"
    assert sandbox.sandbox.db.count(counts, webhook["id"]) == 0


def test_a_fault_loses_or_fails_deliveries(
    sandbox: Serving, alex: httpx.Client, target: Receiver, project: int
) -> None:
    webhook = hook(alex, target, project)
    sandbox.faults.set([
        {"on": "worker delivery", "forget": "queue", "times": 1},
        {"on": "worker delivery", "fail": "no route", "skip": 1, "times": 1},
    ])  # fmt: skip
    for name in ("lost", "late"):
        alex.patch(f"/projects/{project}", json={"name": name})
    assert [delivery.body["project"]["name"] for delivery in target.wait(1)] == ["late"]
    listed = eventually(lambda: found if len(found := deliveries(alex, webhook)) == 2 else None)
    assert [(row["status_code"], row["response"]) for row in listed] == [(200, "thanks"), (502, "no route")]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_certificates_are_verified_unless_the_webhook_says_otherwise(
    alex: httpx.Client, tmp_path: Path, project: int
) -> None:
    certificate = tmp_path / "certificate.pem"
    self_signed(certificate)
    with receiver(certificate) as secured:
        for enable_ssl, status in ((True, 502), (False, 200)):
            webhook = hook(alex, secured, project, enable_ssl=enable_ssl)
            assert alex.post(f"/webhooks/{webhook['id']}/ping").json()["status_code"] == status
    assert len(secured.received) == 1
