"""Chaos runs: a real labelyard, faults chosen by a seed, and invariants that must hold once everything is at rest.

`python -m tests.chaos --fast` runs the pipeline's steps in processes that can be killed, without Prefect.
`python -m tests.chaos` runs the full stack: emulator, CVAT sandbox, and `labelyard up` with all that it starts.

`step_plan` and `process_plan` turn a seed into a `fault_plan`: uploads, faults, and the features of CVAT that
`feature_plan` adds. `scenario` holds what one run shares, `chaos_run` runs it, `step_faults`, `deliveries` and
`process_faults` inject the faults, `snapshot` reads the result, `invariants` and `feature_invariants` check it.
"""
