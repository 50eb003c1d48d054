"""Every source and destination can be listed, and the spool has room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from labelyard.config import UploadMethod
from labelyard.domain.objects import s3_url
from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok, warning
from labelyard.storage.store import Store


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return a check for each source and each export destination, and one for the spool.

    A store whose block could not be read is not asked.
    """
    if installation.settings.store.block:
        return {"spool": check_spool}
    specs = installation.datasets
    prefixes = {(source.bucket, source.prefix) for spec in specs for source in spec.sources}
    prefixes |= {(spec.export_bucket, spec.export.prefix) for spec in specs}
    buckets = {s3_url(bucket, prefix): partial(_check_prefix, bucket, prefix) for bucket, prefix in sorted(prefixes)}
    return {**buckets, "spool": check_spool}


def _check_prefix(bucket: str, prefix: str, installation: Installation) -> Iterator[CheckResult]:
    first = next(Store(installation.settings.store).list(bucket, prefix), None)
    yield ok(s3_url(bucket, prefix), "can be listed" if first else "can be listed, and is empty")


def check_spool(installation: Installation) -> Iterator[CheckResult]:
    """The spool's folder is writable, its limit holds a batch, and the disk has room for the limit."""
    folder, limit = installation.settings.spool.absolute(), installation.settings.spool_bytes
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        yield fail("spool", f"{folder} is not writable", "set LABELYARD_SPOOL to another folder")
        return
    # An upload by stream spools a whole batch.
    streamed = [spec for spec in installation.datasets if spec.task.upload is UploadMethod.STREAM]
    large = [spec.name for spec in streamed if spec.batch.max_bytes > limit]
    if large:
        message = f"its limit is {_gigabytes(limit)}; batches of {', '.join(large)} may have more (batch.max_bytes)"
        yield fail("spool", message, "set LABELYARD_SPOOL_BYTES to more")
        return
    yield _check_room(folder, shutil.disk_usage(existing).free, limit)


def _check_room(folder: Path, free: int, limit: int) -> CheckResult:
    if free < limit:
        message = f"{folder}: {_gigabytes(free)} are free, and the spool may use {_gigabytes(limit)}"
        return warning("spool", message, "free some space, or set LABELYARD_SPOOL_BYTES to less")
    return ok("spool", f"{folder}: {_gigabytes(free)} are free")


def _gigabytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"
