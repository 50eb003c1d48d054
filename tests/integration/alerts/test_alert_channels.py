"""Alert channels over real sockets: an SMTP server and an HTTP server on loopback."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from labelyard.alert_settings import ChannelSettings
from labelyard.domain.alerts import Message
from labelyard.errors import AlertNotSent
from labelyard.orchestration.alert_channels import CHANNELS, check, send
from labelyard.supervisor.stack import free_ports
from tests.support.smtp_receiver import Mailbox, mailbox
from tests.support.webhook_receiver import Receiver, receiver

MESSAGE = Message("labelyard: street: failed", "2 batches failed: no <b>labels</b> & so on\nnext: labelyard status")
SECRET = "T0PS3CRET"


@pytest.fixture
def mail() -> Iterator[Mailbox]:
    with mailbox() as kept:
        yield kept


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as kept:
        yield kept


def channel(url: str) -> ChannelSettings:
    return ChannelSettings(url=SecretStr(url))


def json_url(at: Receiver) -> str:
    return at.url.replace("http://", "json://") + f"/hook/{SECRET}"


def test_a_message_arrives_by_mail_with_its_words_unchanged(mail: Mailbox) -> None:
    send(channel(mail.url), MESSAGE)
    [received] = mail.received
    assert (received["Subject"], received["To"]) == (MESSAGE.title, "lead@example.com")
    text = received.get_body(("plain", "html"))
    assert text is not None
    assert "next: labelyard status" in text.get_content()
    assert "<b>labels" not in text.get_content() or text.get_content_type() == "text/plain"


def test_a_message_arrives_at_a_webhook(webhook: Receiver) -> None:
    send(channel(json_url(webhook)), MESSAGE)
    [received] = webhook.received
    assert (received.body["title"], received.body["message"]) == (MESSAGE.title, MESSAGE.body)


def test_a_webhook_that_refuses_is_an_error_without_any_part_of_its_address(
    webhook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.statuses = [403]
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG), pytest.raises(AlertNotSent, match="403") as caught:
        send(channel(json_url(webhook)), MESSAGE)
    assert SECRET not in f"{caught.value}{caplog.text}"
    assert "labelyard alerts test" in caught.value.next_step


def test_a_mail_server_that_refuses_or_is_away_is_an_error_without_the_password(mail: Mailbox) -> None:
    mail.refusal = f"554 no mail from {SECRET}"
    for port in (mail.port, free_ports(1)[0]):
        url = f"mailto://user:{SECRET}@127.0.0.1:{port}?from=labelyard@example.com&to=lead@example.com&mode=insecure"
        with pytest.raises(AlertNotSent) as caught:
            send(channel(url), MESSAGE)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("mailto://user:pass@example.com", "E-Mail"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack"),
        (f"workflows://prod.example.com:443/{'a' * 32}/{'b' * 43}", "Power Automate / Workflows (for MSTeams)"),
        ("jsons://example.com/hook", "JSON"),
    ],
)
def test_a_channel_is_checked_without_sending_anything(url: str, service: str) -> None:
    assert check(channel(url)) == service


@pytest.mark.parametrize("url", [f"slak://{SECRET}", f"slack://{SECRET}", SECRET, f"mailto://{SECRET}@"])
def test_an_address_that_can_never_work_is_found_without_showing_it(url: str) -> None:
    with pytest.raises(AlertNotSent) as caught:
        check(channel(url))
    assert SECRET not in str(caught.value)


def test_every_kind_of_channel_is_a_field_of_the_settings() -> None:
    assert set(CHANNELS) | {"at_night"} == set(ChannelSettings.model_fields)
