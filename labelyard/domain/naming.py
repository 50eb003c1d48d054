"""Names that are fixed before anything is created: a batch's id, its task's name, and each file's upload name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from labelyard.domain.objects import StoredObject, base_name

_LONGEST_UPLOAD_NAME = 120
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ ()=@,+-]*")


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


def upload_names(keys: Sequence[str], identities: Sequence[str] | None = None) -> list[str]:
    """Return the upload name of each key, in order, unique in the batch for any keys.

    A base name is kept where it is safe, and unique without its suffix (case ignored); else it becomes a slug with
    eight hex digits of the key's hash. CVAT drops folders, answers 500 to equal names, and its exporters identify items
    by the name without suffix. `identities` distinguish equal keys (two contents of one key).
    """
    identities = identities or keys
    bases = [base_name(key) for key in keys]
    counts = Counter(_stem(base) for base in bases)
    kept = [counts[_stem(base)] == 1 and _is_safe(base) for base in bases]
    taken = {_stem(base) for base, keep in zip(bases, kept, strict=True) if keep}
    names = []
    for base, keep, identity in zip(bases, kept, identities, strict=True):
        name = base if keep else _slug(base, identity, 8)
        if not keep and _stem(name) in taken:
            # Eight digits may collide with a kept name; the whole hash does not.
            name = _slug(base, identity, 64)
        taken.add(_stem(name))
        names.append(name)
    return names


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
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    return f"{readable}-{digest}" + (f".{suffix}" if suffix else "")
