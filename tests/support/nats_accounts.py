"""Accounts of a NATS server in operator mode, and the credentials file of a user: all signed here, as `nsc` does."""

from __future__ import annotations

import json
from base64 import b32encode, urlsafe_b64encode
from binascii import crc_hqx
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KINDS = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_SEED = 18 << 3
_ALL = -1


class Key:
    """A key of an operator, account or user, with the names that NATS gives it."""

    def __init__(self, kind: str) -> None:
        self._private, prefix = Ed25519PrivateKey.generate(), _KINDS[kind]
        self.public = _encoded(bytes([prefix]) + self._private.public_key().public_bytes_raw())
        self.seed = _encoded(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]) + self._private.private_bytes_raw())

    def sign(self, subject: str, content: dict[str, Any]) -> str:
        """A JWT by this key about another one."""
        header = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {"jti": subject, "iat": 1, "iss": self.public, "sub": subject, "nats": {**content, "version": 2}}
        text = ".".join(_part(json.dumps(one).encode()) for one in (header, body))
        return f"{text}.{_part(self._private.sign(text.encode()))}"


def operator_config(credentials: Path) -> str:
    """Write the credentials of a user, and return the configuration of a server that knows them."""
    operator, system, account, user = Key("operator"), Key("account"), Key("account"), Key("user")
    limits = dict.fromkeys(
        ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage", "streams",
         "consumer"),
        _ALL,
    )  # fmt: skip
    no_stream = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), 0)
    accounts = {
        system.public: operator.sign(system.public, {"type": "account", "limits": {**limits, **no_stream}}),
        account.public: operator.sign(account.public, {"type": "account", "limits": limits}),
    }
    jwt = account.sign(user.public, {"type": "user", "subs": _ALL, "data": _ALL, "payload": _ALL})
    credentials.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    preload = "\n".join(f"  {public}: {token}" for public, token in accounts.items())
    return (
        f"operator: {operator.sign(operator.public, {'type': 'operator'})}\nsystem_account: {system.public}\n"
        f"resolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"
    )


def _encoded(content: bytes) -> str:
    return b32encode(content + crc_hqx(content, 0).to_bytes(2, "little")).rstrip(b"=").decode()


def _part(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
