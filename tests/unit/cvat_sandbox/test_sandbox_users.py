"""Users as the command line names them."""

from __future__ import annotations

import pytest

from cvat_sandbox import Person, parse_user


@pytest.mark.parametrize(
    ("line", "person"),
    [
        ("root:rootpass:superuser", Person("root", "rootpass", ("superuser",))),
        ("a:pass12345!", Person("a", "pass12345!")),
        ("a:b:staff,user", Person("a", "b", ("staff", "user"))),
        ("a:x:y:Z!", Person("a", "x:y:Z!")),
        ("a:b:", Person("a", "b")),
    ],
)
def test_a_user_is_parsed(line: str, person: Person) -> None:
    assert parse_user(line) == person


@pytest.mark.parametrize("line", ["root", "root:", ":pass", "root:pass:superman", "root:pass:staff,boss"])
def test_an_invalid_user_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"root|needs|role"):
        parse_user(line)
