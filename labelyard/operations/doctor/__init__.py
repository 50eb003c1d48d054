"""What `labelyard doctor` checks: whether each part that labelyard needs can be reached and is set up correctly.

`checks.CHECKS` is the table: one module per subject. `runner.run_checks` runs the checks of a table at the same time.
The checks of Prefect are in orchestration/doctor_checks. No check changes anything.
"""
