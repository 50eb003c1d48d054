"""Alerts of a running installation: sent by housekeeping, and by Prefect when housekeeping is dead."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.types import SecretDict
from pydantic import SecretStr

from labelyard.alert_settings import ChannelSettings
from labelyard.domain.alerts import Message
from labelyard.errors import AlertNotSent
from labelyard.ledger import Ledger, dead_letters
from labelyard.orchestration.alert_channels import check, send
from tests.support.prefect_server import RUN_SECONDS, PrefectServer
from tests.support.prefect_workspace import RARELY, PrefectWorkspace
from tests.support.smtp_receiver import mailbox
from tests.support.waiting import eventually
from tests.support.webhook_receiver import receiver

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(600)]
SECRET = "T0PS3CRET"


def test_a_message_goes_through_a_notification_block_of_prefect(prefect_server: PrefectServer) -> None:
    with receiver() as at, temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        url = f"{at.url.replace('http://', 'json://')}/{SECRET}"
        SlackWebhook(url=SecretStr(url)).save("of-a-test", overwrite=True)
        channel = ChannelSettings(block="slack-webhook/of-a-test")
        assert check(channel) == "Prefect's block slack-webhook/of-a-test"
        send(channel, Message("labelyard: late", "2 batches"))
        assert (at.received[0].body["title"], at.received[0].body["message"]) == ("labelyard: late", "2 batches")
        at.statuses = [403]
        with pytest.raises(AlertNotSent) as caught:
            send(channel, Message("labelyard: late", "2 batches"))
        assert SECRET not in str(caught.value)
        with pytest.raises(AlertNotSent, match="cannot be loaded"):
            check(ChannelSettings(block="slack-webhook/missing"))


def test_no_secret_of_a_notification_block_is_in_the_error_or_in_the_log(
    prefect_server: PrefectServer, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = {"tok": SECRET, "user": {"names": ["ann of the lab"]}}
    with receiver() as at, temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        url, query = f"{at.url}/inbox/{{{{tok}}}}", {"by": "ann of the lab"}
        block = CustomWebhookNotificationBlock(name="a", url=url, params=query, secrets=SecretDict(secrets))
        block.save("with-secrets", overwrite=True)
        channel = ChannelSettings(block="custom-webhook/with-secrets")
        for name in ("", "httpx", "httpcore.http11", "httpcore.connection"):
            caplog.set_level(logging.DEBUG, name)
        at.statuses = [403]
        with pytest.raises(AlertNotSent, match="403 Forbidden") as caught:
            send(channel, Message("labelyard: late", "2 batches"))
        assert len(at.received) == 1
        send(channel, Message("labelyard: late", "2 batches"))
    said = f"{caught.value}{caplog.text}"
    assert [secret for secret in (SECRET, "ann of", "ann%20of", "ann+of", "inbox") if secret in said] == []


class LoadedOnce(NotificationBlock):
    """A block that fails without a message when it is loaded."""

    is_saved: bool = False

    def block_initialization(self) -> None:
        if self.is_saved:
            raise RuntimeError

    def notify(self, body: str, subject: str | None = None) -> None:
        """Send nothing."""


def test_a_block_that_fails_without_a_message_is_an_error_with_the_name_of_the_failure(
    prefect_server: PrefectServer,
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        block = LoadedOnce()
        block.is_saved = True
        block.save("of-a-test", overwrite=True)
        with pytest.raises(AlertNotSent, match="cannot be loaded: RuntimeError"):
            check(ChannelSettings(block="loadedonce/of-a-test"))


@pytest.mark.slow
def test_housekeeping_sends_a_mail_and_when_no_worker_is_left_prefect_starts_it_and_notifies_a_block(
    prefect_server: PrefectServer, workspace: PrefectWorkspace, tmp_path: Path
) -> None:
    with closing(Ledger(workspace.ledger_url)) as ledger, ledger.transaction() as tx:
        dead_letters.put(tx, b"?", "sqs", "no JSON")
    with receiver() as at, mailbox() as mail:
        with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
            url = at.url.replace("http://", "json://")
            SlackWebhook(url=SecretStr(url)).save("watches", overwrite=True)
        alerts = {
            "LABELYARD_ALERTS__CHANNELS__LEAD__URL": mail.url,
            "LABELYARD_ALERTS__CHANNELS__CHAT__BLOCK": "slack-webhook/watches",
            "LABELYARD_ALERTS__HOUSEKEEPING_SILENCE_SECONDS": "60",
        }
        prefect_server.command("labelyard", "deploy", **RARELY, **alerts)
        prefect_server.delete_scheduled_runs()
        with prefect_server.worker("labelyard", "labelyard", tmp_path, **workspace.settings, **alerts):
            run = prefect_server.reaches(prefect_server.start("housekeeping/housekeeping"), "Completed")
        assert "2 alerts sent" in run["state"]["message"]
        assert mail.subjects() == ["labelyard: dead letters"]
        assert [one.body["title"] for one in at.received] == ["labelyard: dead letters"]

        def titles() -> list[str] | None:
            found = [one.body["title"] for one in at.received[1:]]
            return found or None

        assert eventually(titles, "the message of Prefect", RUN_SECONDS) == [
            "labelyard: housekeeping gives no sign of life"
        ]
        waiting = {
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
            "deployments": {"name": {"any_": ["housekeeping"]}},
        }

        def started() -> list[object]:
            found = prefect_server.call("POST", "/flow_runs/filter", waiting)
            return [one for one in found if not one["auto_scheduled"]]

        # Prefect executes the actions of an automation beside each other.
        assert len(eventually(started, "the run that Prefect starts", RUN_SECONDS)) == 1
        prefect_server.command("labelyard", "deploy", **RARELY)
