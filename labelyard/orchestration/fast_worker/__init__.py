"""A worker and a server that start flow runs faster, by using Prefect's internals: for one version of Prefect.

The extra `fast-worker` installs that version. With another one, labelyard uses `prefect server start` and workers of
type `labelyard-process`, which start a process for each run. This module and `collection` may be imported with any
version, the others only with the supported one.

Internals used: the suspension of runs and the class of the engine (`engine`), protected methods of BaseWorker
(`worker`), and three functions that `server` replaces.
"""

from __future__ import annotations

from importlib.metadata import version

from labelyard.errors import InputError
from labelyard.orchestration import FAST_WORKER, PROCESS_WORKER

SUPPORTED_PREFECT = "3.8.8"
"""The version of Prefect whose internals are used; the extra `fast-worker` pins it."""
INSTALL = "pip install 'labelyard[fast-worker]'"
"""The command that installs the supported version."""


def is_supported() -> bool:
    """Return whether the installed Prefect is the supported version."""
    return version("prefect") == SUPPORTED_PREFECT


def require_supported() -> None:
    """Raise InputError if the installed Prefect is not the supported version."""
    if not is_supported():
        raise InputError(
            f"the fast worker works with Prefect {SUPPORTED_PREFECT}, and {version('prefect')} is installed",
            next_step=f"{INSTALL}, or use `prefect server start` and `prefect worker start --type {PROCESS_WORKER}`",
        )


def worker_type() -> str:
    """Return the type of the workers to start: the fast worker's where it is supported."""
    return FAST_WORKER if is_supported() else PROCESS_WORKER


def slower_without() -> str:
    """Return the line that tells a person what is slower without the fast worker, and how to install it."""
    return (
        f"Prefect {version('prefect')} is installed: each run starts some seconds later than with the fast worker, "
        f"and fewer run in a minute. To install it (with Prefect {SUPPORTED_PREFECT}): {INSTALL}"
    )
