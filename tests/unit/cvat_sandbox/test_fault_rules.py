"""Fault rules: which of them apply to a request, and how they are read."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvat_sandbox.errors import SandboxError
from cvat_sandbox.faults import Faults, load_rules, parse_rules


def test_rules_count_matches_skip_some_and_end() -> None:
    faults = Faults(parse_rules([{"on": "GET /x", "status": 500, "skip": 1, "times": 2}]))
    assert [bool(faults.for_request("GET", "/x")) for _ in range(5)] == [False, True, True, False, False]
    assert not faults.for_request("POST", "/x")
    assert not faults.for_request("GET", "/x/y")


def test_the_same_seed_hits_the_same_requests() -> None:
    def run() -> list[bool]:
        faults = Faults(parse_rules([{"on": "* /*", "cut": True, "probability": 0.5, "seed": 4}]))
        return [bool(faults.for_request("GET", "/x")) for _ in range(50)]

    assert run() == run()
    assert 5 < sum(run()) < 45


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"on": "GET /"}, "valid list"),
        ([{"status": 500}], "1.on: Field required"),
        ([{"on": "GET"}], "neither METHOD PATH"),
        ([{"on": "worker teapot"}], "creation|export"),
        ([{"on": "GET /", "statsu": 5}], "1.statsu: Extra inputs"),
        ([{"on": "GET /", "when": "later"}], "1.when: Input should be 'before' or 'after'"),
        ([7], "rule 1: "),
        ([{"on": "GET /"}, {"on": "GET /", "status": "no"}], "2.status"),
        ([{"on": 7}], "1.on"),
    ],
)
def test_the_error_for_a_wrong_rule_names_the_rule_and_the_key(rules: Any, words: str) -> None:
    with pytest.raises(SandboxError, match=re.escape(words)):
        parse_rules(rules)


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["on", "delay", "status", "times", "cut", "when", "seed", "short", "fail"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        )
    )
)
def test_any_rules_are_accepted_or_an_error(rules: Any) -> None:
    with contextlib.suppress(SandboxError):
        assert all(rule.on for rule in parse_rules(rules))


def test_a_file_of_rules_is_yaml(tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("- on: POST /api/v1/tasks\n  status: 503\n  times: 1\n")
    assert [(rule.on, rule.status, rule.times) for rule in load_rules(file)] == [("POST /api/v1/tasks", 503, 1)]
    file.write_text("- [unclosed")
    with pytest.raises(SandboxError, match="not valid YAML"):
        load_rules(file)
