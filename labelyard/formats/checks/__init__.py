"""Checks: faults of a dataset that a training run would suffer from."""
