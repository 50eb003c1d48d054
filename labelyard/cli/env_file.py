"""The first `.env`: questions about CVAT, the object storage and its notifications, and the file's text."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from labelyard.cli.answers import Answers, address, checked, line, typed


class Notifications(StrEnum):
    """How a store notifies the watcher of new files."""

    AWS = "aws"
    SQS = "sqs"
    QUEUE = "queue"
    WEBHOOK = "webhook"
    NONE = "none"


_KINDS = (
    "aws (its SQS), sqs (another store's), queue (NATS), webhook (MinIO, Ceph),"
    " none (the bucket is listed every 5 minutes)"
)


def ask_variables(answers: Answers, given: Mapping[str, str | None], secrets_file: Any) -> dict[str, str]:
    """Return the variables of `.env`; those without a value become comments."""
    password, secret_key = (*_lines_of(secrets_file), None, None)[:2]
    cvat = _ask_cvat(answers, given, password)
    store = _ask_store(answers, given, secret_key)
    return {**cvat, **store, **_ask_notifications(answers, given, store["LABELYARD_STORE__ENDPOINT_URL"])}


def _ask_cvat(answers: Answers, given: Mapping[str, str | None], password: str | None) -> dict[str, str]:
    default = None if answers.asking else ""
    return {
        "LABELYARD_CVAT__DEFAULT__URL": answers.one("cvat-url", given["cvat_url"], "Where is CVAT?", address, default),
        "LABELYARD_CVAT__DEFAULT__USERNAME": answers.one(
            "cvat-username", given["cvat_username"], "With which account?", line, default
        ),
        "LABELYARD_CVAT__DEFAULT__PASSWORD": answers.one("secrets", password, "Its password?", line, "", hide=True),
    }


def _ask_store(answers: Answers, given: Mapping[str, str | None], secret_key: str | None) -> dict[str, str]:
    one = answers.one
    store = one("store-url", given["store_url"], "Where is the object storage (empty for AWS)?", address, "")
    region = one("region", given["region"], "In which region (may be empty)?", line, "")
    key = one("access-key-id", given["access_key_id"], "Access key id (empty for boto3's own sources)?", line, "")
    return {
        "LABELYARD_STORE__ENDPOINT_URL": store,
        "LABELYARD_STORE__REGION": region,
        "LABELYARD_STORE__ACCESS_KEY_ID": key,
        "LABELYARD_STORE__SECRET_ACCESS_KEY": one("secrets", secret_key, "Its secret key?", line, "", hide=True)
        if key
        else "",
    }


def _ask_notifications(answers: Answers, given: Mapping[str, str | None], store: str) -> dict[str, str]:
    """Return the variables of the watcher. Without an answer, a store other than AWS is only listed."""
    default = Notifications.NONE if store else Notifications.AWS
    question = f"How does it notify of new files? {_KINDS}"
    kind = Notifications(answers.one("notifications", given["notifications"], question, _kind_at(store), default))
    if kind is Notifications.SQS:
        endpoint = answers.one("sqs-url", given["sqs_url"], "Where is its SQS?", _required, store or None)
        return {"LABELYARD_WATCH__SQS_ENDPOINT_URL": endpoint}
    if kind is Notifications.QUEUE:
        url = answers.one("queue-url", given["queue_url"], "What is its address (nats://HOST:4222)?", _queue_url)
        return {"LABELYARD_WATCH__QUEUE_URL": url}
    if kind is Notifications.WEBHOOK:
        question = "The address on which the webhook listens (0.0.0.0 lets other machines reach it)"
        host = answers.one("webhook-host", given["webhook_host"], question, line, "127.0.0.1")
        return {
            "LABELYARD_WATCH__WEBHOOK": "true",
            "LABELYARD_WATCH__WEBHOOK_TOKEN": secrets.token_urlsafe(24),
            "LABELYARD_WATCH__HOST": host,
        }
    return {"LABELYARD_WATCH__SWEEP_ONLY": "true"} if kind is Notifications.NONE else {}


def _kind_at(store: str) -> Any:
    def check(text: str) -> str:
        kind = Notifications(typed(Notifications)(text))
        if store and kind is Notifications.AWS:
            raise ValueError(f"{store} cannot notify the SQS of AWS: write sqs, queue, webhook or none")
        return kind

    return check


def _required(text: str) -> str:
    if not text:
        raise ValueError("write the address, such as https://sqs.example.com")
    return address(text)


def _queue_url(text: str) -> str:
    if not re.fullmatch(r"[a-z]+://[^\s/?#@]\S*", text) or "@" in text:
        raise ValueError("write the address without a user, such as nats://nats.example.com:4222")
    return text


def _lines_of(file: Any) -> list[str]:
    return [] if file is None else [checked(line, text.rstrip("\r\n"), "--secrets") for text in file][:2]


def env_text(variables: dict[str, str]) -> str:
    """Return the text of `.env`; variables without a value are comments."""
    lines = [f"{name}={_quoted(value)}" if value else f"# {name}=" for name, value in variables.items()]
    return "\n".join(
        ["# Secrets of this machine. Do not commit. docs/settings.md explains every variable.", *lines, ""]
    )


def _quoted(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./:@%+=-]+", value):
        return value
    # python-dotenv expands ${NAME} even in single quotes: a nameless variable with the default $ gives $.
    kept = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "${:-$}{")
    return f"'{kept}'"
