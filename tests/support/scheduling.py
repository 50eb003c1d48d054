"""A plugin of pytest that divides the tests among the processes of `make test`.

One process runs all of tests/prefect, and first: their server takes half a minute to start. One process runs the tests
that read the whole code, which it parses once. The other files go to whichever process is free. (The marks of
pytest-xdist do not group: up to 3.8 it renames the tests in a way that pytest 9.2 does not notice.)
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_PREFECT = "tests/prefect/"
_OF_THE_CODE = tuple(f"tests/unit/test_{name}.py" for name in ("architecture", "commands", "errors"))
"""Files whose tests walk the syntax tree of every module."""
_GARBAGE = (20_000, 20, 50)
"""How much is allocated between two looks for garbage: a test leaves little in cycles, and each look takes time."""


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Look for no garbage while everything is imported, and never again among what is left of that."""
    gc.disable()
    try:
        _import_from_own_start(session.config)
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        gc.enable()


def _import_from_own_start(config: pytest.Config) -> None:
    """Import the files of tests, in each process from another one on.

    In a fresh clone pytest compiles each of them. Were the order the same, all processes would compile the same file at
    the same time; this way each finds what the others have compiled.
    """
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is None:
        return
    ignored = [config.rootpath / path for path in config.getoption("ignore") or ()]
    files = sorted(
        path
        for folder in config.args
        for path in (config.rootpath / folder).glob("**/test_*.py")
        if not any(path.is_relative_to(other) for other in ignored)
    )
    start = len(files) * int(worker["workerid"].removeprefix("gw")) // int(worker["workercount"])
    for path in files[start:] + files[:start]:
        with suppress(Exception):  # pytest imports it again, and reports the error
            import_module(".".join(path.relative_to(config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of Prefect first."""
    items.sort(key=lambda item: not item.nodeid.startswith(_PREFECT))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Return the scheduler of the test processes."""
    return _Scheduling(config, log)


class _Scheduling(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        """Return the name of the tests that the same process runs."""
        together = (_PREFECT, _OF_THE_CODE)
        return next((str(names) for names in together if nodeid.startswith(names)), super()._split_scope(nodeid))
