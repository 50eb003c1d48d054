"""A worker and a server that start flow runs sooner, by using Prefect's internals. Pinned to one Prefect version."""
