"""Chaos runs of an installation on three hosts, set up by the settings and commands of docs/many-machines.md.

`python -m tests.chaos.cluster` starts it, puts images into the bucket, kills each part once and cuts a host off, and
checks the invariants of tests/chaos at the end. `hosts` makes the hosts, `page` reads the page, `cluster` starts the
parts, `cluster_faults` injects the faults of a `cluster_plan`.
"""
