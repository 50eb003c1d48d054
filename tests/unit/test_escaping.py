"""Text from outside is shown on one line and interpreted by no terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelyard.domain.objects import s3_url
from labelyard.errors import StoreError
from labelyard.escaping import printable, unescaped

hostile = st.text(st.characters(codec=None))


@given(hostile)
def test_what_is_printed_is_printable_and_leads_back_to_the_text(text: str) -> None:
    assert printable(text).isprintable()
    if "\\" not in text:
        assert unescaped(printable(text)) == text


def test_printable_text_stays_as_it_is() -> None:
    assert printable("grüße 🦊 图像.jpg") == "grüße 🦊 图像.jpg"
    assert unescaped("C:\\dir") == "C:\\dir"


@given(hostile)
def test_an_address_and_an_error_about_it_are_one_line(key: str) -> None:
    url = s3_url("bucket", key)
    assert url.isprintable()
    assert str(StoreError("no answer", where=f"s3://bucket/{key}")) == f"{url}: no answer"


def test_an_error_keeps_its_lines_and_no_other_control_character() -> None:
    assert StoreError("one\ntwo\x1b[31m").what == "one\ntwo\\x1b[31m"
