"""The entry point `prefect.collections`: registers the worker type `labelyard`, if the installed Prefect supports it.

Prefect imports this module whenever it looks up worker types.
"""

from labelyard.orchestration.fast_worker import is_supported

if is_supported():
    import labelyard.orchestration.fast_worker.worker  # noqa: F401 - the definition of the class registers it
