"""The entry point `prefect.collections`: registers labelyard's types of workers.

That is `labelyard-process` with every Prefect, and `labelyard`, the fast worker, if the installed Prefect supports it.
Prefect imports this module whenever it looks up worker types.
"""

import labelyard.orchestration.process_worker  # the definition of the class registers it
from labelyard.orchestration.fast_worker import is_supported

if is_supported():
    import labelyard.orchestration.fast_worker.worker  # noqa: F401 - the same
