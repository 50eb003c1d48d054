"""watch: receive notifications, close batches, publish events."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from types import FrameType

import click

from labelyard.blocks import complete
from labelyard.context import open_context
from labelyard.errors import PrefectUnreachable
from labelyard.ledger.processes import WATCHER
from labelyard.log_records import write_log
from labelyard.operations.metrics_server import serving_watcher
from labelyard.operations.send_alerts import send_if_silent
from labelyard.operations.signs_of_life import showing_life
from labelyard.orchestration.alert_channels import send
from labelyard.orchestration.events_over_rest import PrefectEvents
from labelyard.pipeline.collect_reported import collect_reported_tasks
from labelyard.pipeline.handle_notifications import PipelineHandler
from labelyard.server_settings import webhook_secrets
from labelyard.settings import Settings, load_settings
from labelyard.sources.cvat_deliveries import CvatDeliveries
from labelyard.sources.queues import open_queue
from labelyard.sources.reported_tasks import ReportedTasks
from labelyard.sources.watcher import Watcher
from labelyard.sources.webhook import Webhook, serve

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 60.0
_SECONDS_BETWEEN_TRIES = 5.0
_GRACE_SECONDS = 9.0
"""How long after a signal the process ends at the latest, in whatever call it hangs; Docker kills it after ten."""


@click.command()
@click.option("--queue-url", help="The queue, instead of LABELYARD_WATCH__QUEUE_URL.")
@click.option("--webhook/--no-webhook", default=None, help="Also receive notifications by HTTP: POST /notify.")
@click.option("--host", help="Where /healthz, /readyz and /notify listen, instead of LABELYARD_WATCH__HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Their port; 0 takes a free one.")
def watch(queue_url: str | None, webhook: bool | None, host: str | None, port: int | None) -> None:  # noqa: FBT001
    """Watch for new files: register what notifications report, close batches when due, publish them to Prefect."""
    settings = load_settings()
    write_log(settings.log_format)
    options = {"queue_url": queue_url, "webhook": webhook, "host": host, "port": port}
    run_watcher(_with_options(_complete(settings), options))


def _complete(settings: Settings) -> Settings:
    """Return the settings with their blocks; wait for a Prefect that is away. Raises SettingsError."""
    while True:
        try:
            return complete(settings)
        except PrefectUnreachable as error:
            _log.warning("waiting for Prefect, which has the settings: %s", error.happened)
            time.sleep(_SECONDS_BETWEEN_TRIES)


def run_watcher(settings: Settings) -> None:
    """Watch until SIGINT or SIGTERM."""
    options, queue = settings.watch, open_queue(settings)
    with open_context(settings) as context:
        watcher = Watcher(PipelineHandler(context, PrefectEvents(settings)), queue)
        reported = ReportedTasks(partial(collect_reported_tasks, context), watcher.tick_soon)
        webhook = Webhook(
            watcher.handle if options.webhook else None,
            lambda: reported.add_health(watcher.health()),
            options.webhook_token,
            _deliveries(settings, reported),
        )
        with (
            reported.running(),
            serve(webhook, options.host, options.port) as address,
            serving_watcher(settings, watcher) as metrics,
            showing_life(settings, WATCHER),
        ):
            _stop_on_signals(watcher)
            threading.Thread(target=_watch_housekeeping, args=(settings,), name="alerts", daemon=True).start()
            if metrics is not None:
                _log.info("probes and metrics: %s/metrics", metrics)
            click.echo(_first_line(address, settings, has_token=webhook.has_token))
            watcher.run()


def _watch_housekeeping(settings: Settings) -> None:
    """Send alerts when housekeeping gives no sign of life: Prefect's server, or every worker, may be dead."""
    started = datetime.now(UTC)
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        try:
            with open_context(settings) as context:
                send_if_silent(context, send, started)
        except Exception as error:  # noqa: BLE001 - the watcher reports what is wrong with the ledger
            _log.warning("looking for alerts failed: %s: %s", type(error).__name__, error)


def _with_options(settings: Settings, options: Mapping[str, object]) -> Settings:
    given = {name: value for name, value in options.items() if value is not None}
    return settings.model_copy(update={"watch": settings.watch.model_copy(update=given)})


def _deliveries(settings: Settings, reported: ReportedTasks) -> CvatDeliveries | None:
    """Return what accepts the deliveries of the CVATs that have a webhook; None if none has."""
    secrets = webhook_secrets(settings.cvat)
    return CvatDeliveries(secrets, reported.report) if secrets else None


def _first_line(address: str, settings: Settings, *, has_token: bool) -> str:
    options = settings.watch
    sources = [f"queue {options.queue_url}"] if options.queue_url else []
    if options.webhook:
        sources.append(f"{address}/notify" + (" (with the token)" if has_token else ""))
    sources += [f"{address}/cvat/{name} (signed)" for name in webhook_secrets(settings.cvat)]
    return f"watching {' and '.join(sources) or 'the clock alone: the sweep finds new files'}; {address}/healthz"


def _stop_on_signals(watcher: Watcher) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
        # In another thread: this one may hold the very lock that `stop` needs.
        threading.Thread(target=watcher.stop).start()
        end = threading.Timer(_GRACE_SECONDS, _end_now)
        end.daemon = True
        end.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _end_now() -> None:
    """End the process: what it has not acknowledged is delivered again, and what it writes is written or not."""
    _log.warning("ended in the middle of its work; queue, stores and CVAT send again what was not acknowledged")
    sys.stdout.flush()
    os._exit(0)
