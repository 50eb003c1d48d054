"""The signature of a release: Ed25519 over the bytes of its manifest, which has the hash of every other file."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from labelyard.errors import InputError, SettingsError
from labelyard.releases.manifest import MANIFEST, SIGNATURE

_HOW = "openssl genpkey -algorithm ed25519 -out release.key"


def sign(folder: Path, key: Path) -> None:
    """Write `manifest.json.sig`: the signature and the public key. Raises SettingsError for a file that is no key."""
    private = _private_key(key)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    document = {
        "algorithm": "ed25519",
        "public_key": public,
        "signature": base64.b64encode(private.sign((folder / MANIFEST).read_bytes())).decode("ascii"),
    }
    (folder / SIGNATURE).write_text(json.dumps(document, indent=1) + "\n", encoding="ascii")


def _private_key(path: Path) -> Ed25519PrivateKey:
    where = f"LABELYARD_RELEASE_KEY={path}"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SettingsError(f"it cannot be read: {error.strerror}", where=where, next_step=_HOW) from error
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"no private key without a password in PEM: {error}", where=where, next_step=_HOW
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("the key is not of the kind Ed25519", where=where, next_step=_HOW)
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key in a file. Raises InputError for anything else."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        next_step = "openssl pkey -in release.key -pubout -out release.pub"
        raise InputError("no public key of the kind Ed25519 in PEM", where=str(path), next_step=next_step)
    return key


def is_signed(folder: Path) -> bool:
    """Return whether a release has a signature."""
    return os.path.lexists(folder / SIGNATURE)


def signature_fault(folder: Path, trusted: Ed25519PublicKey | None) -> str | None:
    """Return what is wrong with the signature of a release, None if nothing is.

    Without a trusted key it shows only that the owner of the key in the signature wrote the manifest.
    """
    if not (folder / SIGNATURE).is_file():
        return "it is no file"
    try:
        document = json.loads((folder / SIGNATURE).read_bytes())
        own = load_pem_public_key(document["public_key"].encode())
        signature = base64.b64decode(document["signature"], validate=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "it cannot be read"
    key = trusted or own
    if not isinstance(key, Ed25519PublicKey):
        return "its key is not of the kind Ed25519"
    try:
        key.verify(signature, (folder / MANIFEST).read_bytes())
    except InvalidSignature:
        return f"it is not that of {MANIFEST}" + (" by the given key" if trusted else "")
    return None
