"""Chaos runs: a real labelyard, faults chosen by a seed, and invariants that must hold once everything is at rest.

`python -m tests.chaos --fast` runs the pipeline's steps in processes that can be killed, without Prefect.
`python -m tests.chaos` runs the full stack: emulator, CVAT sandbox, and `labelyard up` with all that it starts.

`fault_plan` turns a seed into uploads and faults, `scenario` holds what one run shares, `chaos_run` runs it,
`step_faults` and `process_faults` inject the faults, `snapshot` reads the result and `invariants` checks it.
"""
