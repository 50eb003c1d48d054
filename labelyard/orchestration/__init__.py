"""labelyard as Prefect flows: the only package that imports Prefect or knows its REST paths and resource ids.

- Setting up: `deploy` (`labelyard deploy`), `one_installation` (which refuses a server of another ledger),
  `dataset_schedules` (the schedules of dataset files), `doctor_checks` (`labelyard doctor`).
- Settings: `block_types` are blocks that stand for variables, `block_values` reads them over REST.
- Starting runs: `events_over_rest` posts the outbox's events over REST, `pull` tells a worker where the flows are.
- Inside a run: `states` (its final state), `steps` (its Prefect tasks), `waiting_runs` (it waits for a server),
  `current_run` (its tags and batch), `run_log` (its log), `events_with_client` (about a batch), `artifacts`,
  `run_pages` (its links to pages), `decision_artifact` (the result of a run that a person started).
- `prefect_api` sends requests without importing Prefect, and says which login was refused; `prefect_client` is
  Prefect's own client with the login of the settings.
- Pages, without a run: `page_updates` decides what to draw, `operations_artifact`, `batch_artifact` (with `batch_life`,
  `batch_late`, `batch_quality`), `quarantine_advice` and `page_plots` draw, `page_store` and `page_links` know where
  they are.
- The forms of runs that a person starts: `parameters`.
- Repairing what Prefect lost or left over: `orphaned_runs`, `recovered_runs`, `noop_runs`, `artifact_versions`,
  `failed_actions`.
- Alerts: `alert_channels` sends them, `automations` lets Prefect watch housekeeping.
- Workers: `process_worker` and `fast_worker/` are the two types; `worker_failures` keeps both alive when Prefect's API
  fails, `outdated_worker` keeps them from working on a ledger that is too new.
- `best_effort` keeps a failure of the display from stopping the work.
- `fast_worker/` alone uses Prefect's internals. It is optional and works with one version of Prefect.
"""

from collections.abc import Mapping

from labelyard.blocks import read_with
from labelyard.settings import Settings

FAST_WORKER = "labelyard"
"""The type of the fast worker in Prefect."""
PROCESS_WORKER = "labelyard-process"
"""The type of the worker that starts a process for each run; it works with every Prefect."""
MOST_AT_ONCE = 200
"""The most rows that Prefect's API returns to one request."""
NOTHING_NEW = "Nothing new"
"""The name of the final state of a scheduled run that changed nothing."""
SERVER_UNAVAILABLE = "Server unavailable"
"""The same, while a CVAT or object storage does not answer; a run of a batch waits in this state until it answers."""
CAUGHT_UP = "Caught up"
"""The name of the final state of a scheduled run that a newer one of the same schedule makes up for."""
WAITING_FOR_ANNOTATORS = "Waiting for annotators"
"""The name of the final state of a run that has ingested a batch."""
WAITING_FOR_CVAT = "Waiting for CVAT"
"""The state of a run that waits for frames, or because CVAT has not answered a request, until it tries again."""
TRIED_AGAIN = "To be tried again"
"""The state of a run that waits after any other failure that a later attempt may cure."""
WAITING_FOR_WORKER = "Waiting for another worker"
"""The state of a run whose worker has another labelyard than its deployment, or than the ledger needs."""
TAKEN = "Taken by another run"
"""The name of the final state of a run, or of its step, whose batch another run has leased."""
NOTHING_TO_RELEASE = "Nothing to release"
"""The name of the final state of a scheduled release of a dataset that has no export."""
RECOVERED = "Recovered"
"""The name of the final state of a run that had failed, once nobody has to act any more."""
WATCHES_HOUSEKEEPING = "labelyard: housekeeping gives no sign of life"
"""The name of the automation in `automations`."""


def _read_block(settings: Settings, block_type: str, name: str) -> Mapping[str, object]:
    from labelyard.orchestration.block_values import read_block  # noqa: PLC0415 - few installations have blocks

    return read_block(settings, block_type, name)


read_with(_read_block)
