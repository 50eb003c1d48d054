"""labelyard as Prefect flows: the only package that imports Prefect or knows its REST paths and resource ids.

- Setting up: `deploy` (`labelyard deploy`), `doctor_checks` (`labelyard doctor`).
- Starting runs: `events_over_rest` posts the outbox's events over REST, `pull` tells a worker where the flows are.
- Inside a run: `states` (its final state), `current_run` (its tags and batch), `run_log` (its log),
  `events_with_client` (about a batch), `artifacts`, `run_pages` (its links to pages).
- Pages, without a run: `page_updates` decides what to draw, `operations_artifact`, `batch_artifact` and `page_plots`
  draw, `page_store` and `page_links` know where they are.
- Repairing what Prefect lost or left over: `orphaned_runs`, `noop_runs`, `artifact_versions`,
  `failed_actions`.
- `best_effort` keeps a failure of the display from stopping the work.
- `fast_worker/` alone uses Prefect's internals. It is optional and works with one version of Prefect.
"""

NOTHING_NEW = "Nothing new"
"""The name of the final state of a scheduled run that changed nothing."""
SERVER_UNAVAILABLE = "Server unavailable"
"""The same, while a CVAT or object storage does not answer."""
WAITING_FOR_CVAT = "Waiting for CVAT"
"""The name of the final state of a run whose task has no frames yet; a later run asks again."""
STILL_WAITING_FOR_CVAT = "Still waiting for CVAT"
"""The same for a run that did nothing but ask."""
