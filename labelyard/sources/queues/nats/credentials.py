"""A credentials file of NATS (.creds): the JWT of a user, and the seed with which it signs."""

from __future__ import annotations

import re
from base64 import b32decode, b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from labelyard.errors import SettingsError

_BLOCK = r"-+BEGIN {name}-+\s+(\S+)\s+-+END {name}-+"
_SEED_BYTES = slice(2, 34)
"""A seed in base32: two bytes say of what it is the seed, two at the end are a checksum."""


class Credentials:
    """What a credentials file contains; it is read for each connection, because a JWT may be renewed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def jwt(self) -> bytes:
        """Return the user's JWT. Raises SettingsError."""
        return self._block("NATS USER JWT")

    def sign(self, nonce: str) -> bytes:
        """Return the signature of what the server sent, in base64. Raises SettingsError."""
        seed = self._block("USER NKEY SEED")
        try:
            key = Ed25519PrivateKey.from_private_bytes(b32decode(seed + b"=" * (-len(seed) % 8))[_SEED_BYTES])
        except ValueError as error:
            raise self._wrong("its seed cannot be read") from error
        return b64encode(key.sign(nonce.encode()))

    def _block(self, name: str) -> bytes:
        try:
            text = self._file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong(getattr(error, "strerror", None) or "it is no text") from error
        if (found := re.search(_BLOCK.format(name=name), text)) is None:
            raise self._wrong(f"it has no {name}")
        return found[1].encode()

    def _wrong(self, what: str) -> SettingsError:
        return SettingsError(
            f"{self._file}: {what}", next_step="name a credentials file in LABELYARD_WATCH__NATS__CREDENTIALS_FILE"
        )
