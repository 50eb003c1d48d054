"""Everything that Prefect needs as importable code; nothing else of labelyard imports Prefect.

Running: pull (the one pull step), worker (runs flows in its own process), engine (a run in a thread), left_behind (runs
of a killed worker), server (Prefect's own command, faster). Setting up: deploying (`labelyard deploy`). What a person
sees in Prefect's UI: run_log, endings, pages, batch_page, operations, markdown, scheduled (looks that found nothing).
What Prefect lost: feed (its events, read), failed_actions (what never began), dead_runs (whose end it never heard).

Of Prefect's inside, which may change with any version, `engine` and `worker` use the suspension of runs, the engine's
class and BaseWorker's protected methods, and `server` replaces three functions; so pyproject.toml pins it exactly.
"""

DEAD_RUNS = "labelyard: a run without a sign of life has crashed"
"""The name of the automation that ends runs whose process died; deployments/set_up.py makes it."""
