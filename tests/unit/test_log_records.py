"""Log records with the batch that they are about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from labelyard.log_records import JsonFormatter, add_fields_to_records, log_about

log = logging.getLogger("labelyard.of_this_test")


@pytest.fixture(autouse=True)
def fields_in_records() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    add_fields_to_records()
    add_fields_to_records()
    yield
    logging.setLogRecordFactory(before)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records]


def test_a_line_has_the_dataset_and_batch_of_the_block_and_its_own_object(caplog: pytest.LogCaptureFixture) -> None:
    with log_about(dataset="street"), log_about(batch="street-00001"):
        log.warning("quarantined: %s", "ü\n", extra={"object": 17})
    log.warning("about nothing")
    inside, outside = lines(caplog)
    fields = {"dataset": "street", "batch": "street-00001", "object": 17}
    assert inside | fields == inside
    assert (inside["message"], inside["level"], inside["logger"]) == ("quarantined: ü\n", "WARNING", log.name)
    assert outside.keys() == {"time", "level", "logger", "message"}


def test_prefects_configuration_can_name_the_formatter(caplog: pytest.LogCaptureFixture) -> None:
    log.warning("hello %s", "you", extra={"flow_run_id": "1b9d"})
    document = json.loads(JsonFormatter("default", None, "%").format(caplog.records[0]))
    assert (document["message"], document["flow_run_id"]) == ("hello you", "1b9d")


def test_an_exception_is_one_field_of_one_line(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int("broken")
    except ValueError:
        log.exception("it failed")
    formatted = JsonFormatter().format(caplog.records[0])
    assert "\n" not in formatted
    assert str(json.loads(formatted)["exception"]).endswith("'broken'")
