"""Log lines with the dataset, the batch and the objects that they are about, as text or JSON.

The id of a batch, and within it those of its objects, follow an object from its notification to its export: they are in
the ledger, in `labelyard why`, in the parameters of Prefect's runs, and in each line about them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

FIELDS = ("dataset", "batch", "object", "objects", "flow_run_id")
"""What a line may be about: names, ids of objects in the ledger, and the run as Prefect's own lines have it."""
_about: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed, only replaced
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def log_about(**fields: str) -> Iterator[None]:
    """Give every record that is logged in the block these of the FIELDS, beside those of a block around it."""
    token = _about.set(_about.get() | fields)
    try:
        yield
    finally:
        _about.reset(token)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: time (UTC), level, logger, message, the fields, and an exception.

    It may replace Prefect's (PREFECT_LOGGING_FORMATTERS_JSON_CLASS), whose arguments it ignores.
    """

    def __init__(self, *_of_prefect: object) -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name in FIELDS if (value := getattr(record, name, None)) is not None},
        }
        if record.exc_info and record.exc_info[0] is not None:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def add_fields_to_records() -> None:
    """Let every record have the fields of its `log_about`; a second call does nothing.

    As attributes, so that the formatters of others write them as well: Prefect's JSON has all attributes.
    """
    create = logging.getLogRecordFactory()
    if not isinstance(create, _Factory):
        logging.setLogRecordFactory(_Factory(create))


class _Factory:
    """The factory of records that was there before, whose records get the fields."""

    def __init__(self, create: Callable[..., logging.LogRecord]) -> None:
        self._create = create

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._create(*args, **kwargs)
        record.__dict__.update(_about.get())
        return record


def write_log(log_format: Literal["text", "json"]) -> None:
    """Write the log of this process to standard error: labelyard's lines from INFO up, of others warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("labelyard").setLevel(logging.INFO)
    add_fields_to_records()
