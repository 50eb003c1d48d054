"""Flows and workers on Prefect. A package, so that its tests share one server, which ends with them."""
