"""The objects of a dataset: one content of one file in object storage."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One content of one file in a bucket, known by bucket, key and unquoted ETag.

    `size` is in bytes, None where the notification named none; `version_id` is only for reading.
    """

    bucket: str
    key: str
    etag: str
    size: int | None = field(default=None, compare=False)
    version_id: str | None = field(default=None, compare=False)

    @property
    def url(self) -> str:
        """Its s3:// address, as people write it."""
        return s3_url(self.bucket, self.key)


def s3_url(bucket: str, key: str) -> str:
    """The s3:// address of a key, or of what lies below a prefix."""
    return f"s3://{bucket}/{key}"


def version_id(told: object) -> str | None:
    """A version as a store tells it, None where there is none: emulators say "null" for a bucket without versions."""
    return told if isinstance(told, str) and told not in {"", "null"} else None
