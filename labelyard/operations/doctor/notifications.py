"""The queue answers, and the buckets of every dataset notify it of new files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial

from labelyard.config import DatasetSpec
from labelyard.operations.doctor.check import Check, CheckResult, Installation, fail, ok, unknown
from labelyard.sources.queues import notification_setup, open_queue, uses_store_account


def checks(installation: Installation) -> Mapping[str, Check]:
    """Return the check of the queue, and with a queue one check for each dataset.

    A queue whose keys are in a block that could not be read is not asked.
    """
    settings = installation.settings
    if settings.store.block and uses_store_account(settings):
        return {}
    specs = installation.datasets if settings.watch.queue_url else ()
    datasets = {f"notification of {spec.name}": partial(_check_notification, spec) for spec in specs}
    return {"queue": check_queue, **datasets}


def check_queue(installation: Installation) -> Iterator[CheckResult]:
    """The queue answers, or notifications come by webhook, or none are wanted."""
    at = installation.settings.watch
    queue = open_queue(installation.settings)
    if queue is not None:
        with closing(queue):
            yield ok("queue", f"{queue.url}: {queue.depth().waiting} messages wait")
    elif at.webhook:
        yield unknown("queue", "none: notifications come by webhook; check in the store that it posts to it")
    elif at.sweep_only:
        seconds = installation.settings.deploy.sweep_seconds
        yield ok("queue", f"none is wanted: the sweep finds new files, every {seconds:g} s")
    else:
        yield fail(
            "queue",
            "no notifications come in: neither LABELYARD_WATCH__QUEUE_URL nor LABELYARD_WATCH__WEBHOOK is set",
            "labelyard notifications DATASET --apply; without notifications: set LABELYARD_WATCH__SWEEP_ONLY=true",
        )


def _check_notification(spec: DatasetSpec, installation: Installation) -> Iterator[CheckResult]:
    plan = notification_setup(installation.settings).plan(spec)
    missing = [*plan.problems, *(f"{item.where}: {item.subject} is missing" for item in plan.items if item.changes)]
    name = f"notification of {spec.name}"
    if missing:
        yield fail(name, "; ".join(missing), f"labelyard notifications {spec.name} --apply")
    elif plan.store_commands:
        shown = f"`labelyard notifications {spec.name}` shows the commands for that"
        yield unknown(name, f"the queue is set up; check in the store that it publishes to it ({shown})")
    else:
        yield ok(name, "the buckets notify the queue of new files")
