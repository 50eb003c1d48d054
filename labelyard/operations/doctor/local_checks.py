"""Checks of where things lie and come in: ledger, buckets, queue and notification, spool, watcher."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx

from labelyard.config import DatasetSpec, Upload
from labelyard.domain.objects import s3_url
from labelyard.ledger import Ledger
from labelyard.ledger.overview import overview
from labelyard.operations.doctor.results import Check, Finding, Patient, right, unseen, wrong
from labelyard.sources.notification_setup import NotificationSetup
from labelyard.sources.queues import open_queue
from labelyard.storage import Store

_SHORT = 5.0


def ledger(patient: Patient) -> Iterator[Finding]:
    """The ledger answers, has this labelyard's schema, and knows a dataset."""
    opened = Ledger(patient.settings.ledger)
    try:
        with opened.read_only() as tx:
            states = overview(tx, tx.now, limit=0).states
        batches = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no batch yet"
        yield right("ledger", f"{opened.name}: {batches}")
    finally:
        opened.close()
    names = ", ".join(spec.name for spec in patient.datasets)
    none = wrong("datasets", "none is applied, or all are retired", "labelyard apply FILE")
    yield right("datasets", names) if names else none


def buckets(patient: Patient) -> dict[str, Check]:
    """A check for each source and each destination: it can be listed."""
    places = {(source.bucket, source.prefix) for spec in patient.datasets for source in spec.sources}
    places |= {(spec.export_bucket, spec.export.prefix) for spec in patient.datasets}
    return {s3_url(bucket, prefix): partial(_bucket, bucket, prefix) for bucket, prefix in sorted(places)}


def _bucket(bucket: str, prefix: str, patient: Patient) -> Iterator[Finding]:
    first = next(Store(patient.settings.store).list(bucket, prefix), None)
    yield right(s3_url(bucket, prefix), "can be listed" if first else "can be listed, and is empty")


def queue(patient: Patient) -> Iterator[Finding]:
    """The queue answers."""
    at = patient.settings.watch
    opened = open_queue(patient.settings)
    if opened is not None:
        yield right("queue", f"{opened.url}: {opened.depth().waiting} messages wait")
    elif at.webhook:
        yield unseen("queue", "none: new files are told of by webhook; whether the store posts to it is its setting")
    else:
        yield wrong(
            "queue",
            "nobody tells of new files: LABELYARD_WATCH__QUEUE_URL is not set, nor LABELYARD_WATCH__WEBHOOK",
            "labelyard notifications DATASET --apply",
        )


def notifications(patient: Patient) -> dict[str, Check]:
    """A check for each dataset: the buckets of its sources tell the queue of new files."""
    specs = patient.datasets if patient.settings.watch.queue_url else ()
    return {f"notification of {spec.name}": partial(_notification, spec) for spec in specs}


def _notification(spec: DatasetSpec, patient: Patient) -> Iterator[Finding]:
    plan = NotificationSetup(patient.settings).plan(spec)
    unregistered = [*plan.problems, *(f"{item.where}: {item.subject} is missing" for item in plan.items if item.changes)]
    about = f"notification of {spec.name}"
    if unregistered:
        yield wrong(about, "; ".join(unregistered), f"labelyard notifications {spec.name} --apply")
    else:
        yield right(about, "the buckets tell the queue of new files")


def spool(patient: Patient) -> Iterator[Finding]:
    """The spool's folder can be written to, there is room for what it may hold, and it may hold a batch."""
    folder, want = patient.settings.spool.absolute(), patient.settings.spool_bytes
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        yield wrong("spool", f"{folder} cannot be written to", "set LABELYARD_SPOOL to another folder")
        return
    streamed = [spec for spec in patient.datasets if spec.task.upload is Upload.STREAM]  # a batch lies there whole
    large = [spec.name for spec in streamed if spec.batch.max_bytes > want]
    if large:
        what = f"it may hold {_gigabytes(want)}, and batches of {', '.join(large)} may have more (batch.max_bytes)"
        yield wrong("spool", what, "set LABELYARD_SPOOL_BYTES to more")
        return
    yield _room(folder, shutil.disk_usage(there).free, want)


def _room(folder: Path, free: int, want: int) -> Finding:
    if free < want:
        what = f"{folder}: {_gigabytes(free)} are free, and the spool may hold {_gigabytes(want)}"
        return wrong("spool", what, "free some space, or set LABELYARD_SPOOL_BYTES to less")
    return right("spool", f"{folder}: {_gigabytes(free)} are free")


def _gigabytes(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"


def watcher(patient: Patient) -> Iterator[Finding]:
    """The watcher lives and has no problem, as far as it runs on this machine."""
    url = f"http://{patient.settings.watch.host}:{patient.settings.watch.port}/healthz"
    try:
        health = httpx.get(url, timeout=_SHORT, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        yield unseen("watcher", f"none answers at {url}: not on this machine?", "labelyard watch, or labelyard up")
        return
    problems = [f"{what}: {problem.splitlines()[0]}" for what, problem in health.get("problems", {}).items()]
    if not health.get("alive"):
        yield wrong("watcher", f"{url} says that it hangs", "end it, then: labelyard watch")
    elif problems:
        yield wrong("watcher", "; ".join(problems), "see the other lines here, and its log")
    else:
        yield right("watcher", url)
