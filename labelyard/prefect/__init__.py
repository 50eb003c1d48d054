"""Everything that Prefect needs as importable code; nothing else of labelyard imports Prefect.

pull (the one pull step), worker (runs flows in its own process), deploying (`labelyard deploy`), run_log, endings and
pages (what a person sees of a run in Prefect's UI), feed (Prefect's events, read), failed_actions (what Prefect failed
to start), dead_runs (what Prefect never heard the end of).
"""

DEAD_RUNS = "labelyard: a run without a sign of life has crashed"
"""The name of the automation that ends runs whose process died; deployments/set_up.py makes it."""
