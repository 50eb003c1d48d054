"""Names that are fixed before anything is created: a batch's id, its task's name, and each file's upload name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from labelyard.domain.objects import StoredObject, base_name, folder_of

_LONGEST_UPLOAD_NAME = 120
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ ()=@,+-]*")
_DIGITS = re.compile(r"([0-9]+)")
_DIGEST, _WHOLE_DIGEST = 8, 64
"""Hexadecimal digits of a hash in an upload name; the whole hash only if its start is not unique."""
_NAMED_WITH_DIGEST = re.compile(r"(?:[0-9]+-)?[A-Za-z0-9_-]+-(?P<digest>[0-9a-f]{8}|[0-9a-f]{64})(?:\.[A-Za-z0-9]+)?")


def batch_id(dataset: str, number: int) -> str:
    """Return the id of a dataset's `number`th batch, such as `street-00007`."""
    return f"{dataset}-{number:05d}"


def task_name(ledger_id: str, batch: str, members: Iterable[StoredObject]) -> str:
    """Return the name of a batch's first task: the batch id and a hash of ledger id and members.

    The order of the members does not matter. Two ledgers, or two sets of members, never have the same name.
    """
    digest = hashlib.sha256(ledger_id.encode())
    for identity in sorted(member.identity for member in members):
        digest.update("\0".join(("", *identity)).encode("utf-8", "surrogatepass"))
    return f"{batch} {digest.hexdigest()[:10]}"


def attempt_name(first: str, attempt: int) -> str:
    """Return the task name of an attempt; the earlier attempts were abandoned."""
    return first if attempt == 1 else f"{first} #{attempt}"


def upload_identity(obj: StoredObject) -> str:
    """Return what distinguishes an object in its batch: key and ETag, because a key may have two contents."""
    return f"{obj.key}\0{obj.etag}"


def frame_order(obj: StoredObject) -> tuple[object, ...]:
    """Return the sort key of an object among the frames of its task: folder by folder, numbers by their value."""
    folder = folder_of(obj.key)
    return obj.bucket, _natural(folder), folder, _natural(obj.key[len(folder) :]), obj.key, obj.etag


def _natural(text: str) -> tuple[str | int, ...]:
    """Return the sort key in which `frame2` comes before `frame10`: texts and numbers in turn."""
    return tuple(int(part) if number % 2 else part for number, part in enumerate(_DIGITS.split(text)))


def upload_names(keys: Sequence[str], identities: Sequence[str] | None = None) -> list[str]:
    """Return the upload name of each key, unique in the batch and sorted as the keys are given.

    CVAT orders frames by name, as plain text. Where the names that follow from the keys alone are in order, they are
    used. Else every name gets its number and the hash of its key: `012-frame2-89abcdef.jpg`. `identities` distinguish
    equal keys (two contents of one key).
    """
    identities = identities or keys
    bases = [base_name(key) for key in keys]
    names = _names_in_any_order(bases, identities)
    if names == sorted(names):
        return names
    width = len(str(len(keys)))
    return [
        f"{number:0{width}d}-{_slug(base, identity, _DIGEST)}"
        for number, (base, identity) in enumerate(zip(bases, identities, strict=True), start=1)
    ]


def _names_in_any_order(bases: Sequence[str], identities: Sequence[str]) -> list[str]:
    """Return the base name where it is safe, and unique without its suffix (case ignored); else a slug with a hash.

    CVAT drops folders, answers 500 to equal names, and its exporters identify items by the name without suffix.
    """
    counts = Counter(_stem(base) for base in bases)
    kept = [counts[_stem(base)] == 1 and _is_safe(base) for base in bases]
    taken = {_stem(base) for base, keep in zip(bases, kept, strict=True) if keep}
    names = []
    for base, keep, identity in zip(bases, kept, identities, strict=True):
        name = base if keep else _slug(base, identity, _DIGEST)
        if not keep and _stem(name) in taken:
            # Eight digits may collide with a kept name; the whole hash does not.
            name = _slug(base, identity, _WHOLE_DIGEST)
        taken.add(_stem(name))
        names.append(name)
    return names


def digest_in(upload_name: str) -> str | None:
    """Return the start of the hash in a name that `upload_names` gave to a key, None where there is none."""
    found = _NAMED_WITH_DIGEST.fullmatch(upload_name)
    return found["digest"][:_DIGEST] if found else None


def digest_of(identity: str) -> str:
    """Return the start of the hash of an object's identity, as upload names have it."""
    return _sha256(identity)[:_DIGEST]


def _stem(base: str) -> str:
    return base.rpartition(".")[0].lower() or base.lower()


def _is_safe(base: str) -> bool:
    return (
        len(base) <= _LONGEST_UPLOAD_NAME
        and "." in base.strip(".")
        and _SAFE.fullmatch(base) is not None
        and base == base.strip()
    )


def _slug(base: str, identity: str, digits: int) -> str:
    stem, dot, suffix = base.rpartition(".")
    stem, suffix = (stem, suffix.lower()) if dot and re.fullmatch(r"[A-Za-z0-9]{1,5}", suffix) else (base, "")
    ascii_stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", ascii_stem).strip("-")[:60] or "image"
    return f"{readable}-{_sha256(identity)[:digits]}" + (f".{suffix}" if suffix else "")


def _sha256(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
