"""An object of a dataset: one content of one file in object storage, and its s3:// address."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from labelyard.escaping import printable


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One content of one file in a bucket, identified by bucket, key and unquoted ETag.

    `size` is in bytes, None where the notification had none; `version_id` is only for reading. `modified` is when it
    was written, which only a listing says.
    """

    bucket: str
    key: str
    etag: str
    size: int | None = field(default=None, compare=False)
    version_id: str | None = field(default=None, compare=False)
    modified: datetime | None = field(default=None, compare=False)

    @property
    def url(self) -> str:
        """The object's s3:// address, for people."""
        return s3_url(self.bucket, self.key)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Bucket, key and ETag, as a row of the ledger has them."""
        return self.bucket, self.key, self.etag

    @property
    def folder(self) -> str:
        """The s3:// address of its folder as it is, with the slash at its end."""
        return address_of(self.bucket, folder_of(self.key))


def address_of(bucket: str, key: str) -> str:
    """Return the s3:// address of a key or a prefix as it is, for programs; `parse_address` reads it."""
    return f"s3://{bucket}/{key}"


def parse_address(text: str) -> tuple[str, str] | None:
    """Return bucket and key, or prefix, of an s3:// address; the key may be empty. None for anything else."""
    bucket, _, key = text.removeprefix("s3://").partition("/")
    return (bucket, key) if bucket and text.startswith("s3://") else None


def s3_url(bucket: str, key: str) -> str:
    """Return the s3:// address of a key or a prefix, for people: control characters of the key are escaped."""
    return address_of(bucket, printable(key))


def folder_of(key: str) -> str:
    """Return the prefix of a key up to its last slash."""
    return key[: key.rfind("/") + 1]


def base_name(key: str) -> str:
    """Return the part of a key after its last slash."""
    return key.rsplit("/", 1)[-1]


def version_id(value: object) -> str | None:
    """Return a store's version id, None if it has none: emulators write "null" for a bucket without versions."""
    return value if isinstance(value, str) and value not in {"", "null"} else None
