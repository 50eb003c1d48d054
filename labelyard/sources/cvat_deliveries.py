"""What a CVAT's webhook delivers: checked against its secret, then reduced to the task that has a changed job."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Mapping

from pydantic import SecretStr

from labelyard.cvat_names import settings_key
from labelyard.domain.webhooks import JobChange, read_job_change
from labelyard.errors import MessageError
from labelyard.sources.parsers.document import decode

_log = logging.getLogger("labelyard.sources")

SIGNATURE = b"x-signature-256"
"""The header with `sha256=` and the HMAC of the body."""

Report = Callable[[str, JobChange], object]
"""Receives the name of a CVAT in the settings, and a change there."""


class CvatDeliveries:
    """The webhooks' secrets by the names of their CVATs in the settings, and who is told of changes."""

    def __init__(self, webhook_secrets: Mapping[str, SecretStr], report: Report) -> None:
        self._secrets = {settings_key(name): secret.get_secret_value() for name, secret in webhook_secrets.items()}
        self._nobodys, self._report = secrets.token_hex(32), report

    def is_signed(self, name: str, body: bytes, signature: bytes) -> bool:
        """Return whether the CVAT of this name has signed the body. An unknown name takes as long as a known one."""
        secret = self._secrets.get(settings_key(name), self._nobodys)
        return hmac.compare_digest(sign(secret, body), signature)

    def accept(self, name: str, body: bytes) -> None:
        """Report the change in a signed body; any other content is ignored."""
        try:
            change = read_job_change(decode(body))
        except MessageError as error:
            _log.debug("ignored a delivery of CVAT %s: %s", settings_key(name), error)
            return
        if change is not None:
            self._report(settings_key(name), change)


def sign(secret: str, body: bytes) -> bytes:
    """Return the header's value for a body."""
    return b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
