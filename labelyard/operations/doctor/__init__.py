"""What `labelyard doctor` looks at: whether each thing that labelyard needs is reachable and right. Changes nothing.

`finding` (what a check answers), `places` (ledger, buckets, queue, spool, watcher), `servers` (CVAT and Prefect),
`rounds` (all checks side by side, none longer than a deadline).
"""
