"""Names and texts from outside are shown in Markdown and never interpreted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from labelyard.markdown import block, code, link, slug, table

_RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zs", "Zl", "Zp")) | st.sampled_from("`|\\<>[]()*_~#!&")
).map(str.strip)
_HOSTILE = [
    "a|b", "`", "``a```", "<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](http://e/x.png)",
    "a\nb", "a\x00b", "**b**", "&lt;", "\\", "a\\|b", "http://evil.example", "\u202egpj.exe", "~~x~~", "#1",
]  # fmt: skip


def _spans(markdown: str) -> list[Token]:
    return [child for token in _RENDERER.parse(markdown) for child in token.children or []]


@given(_TEXTS.filter(lambda text: bool(text) and not text.endswith("\\") and "\\|" not in text))
def test_a_name_in_a_table_is_one_code_span_with_the_name_unchanged(name: str) -> None:
    cells = _spans(table(("head",), [(code(name),)]))[1:]
    assert [cell.type for cell in cells] == ["code_inline"]
    assert cells[0].content == name


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_name_does_not_change_the_number_of_cells_in_a_table(name: str) -> None:
    tokens = _RENDERER.parse(table(("one", "two"), [(code(name), code("end"))]))
    assert sum(token.type == "td_open" for token in tokens) == 2
    assert {child.type for token in tokens for child in token.children or []} <= {"text", "code_inline"}


@pytest.mark.parametrize("words", [*_HOSTILE, "```\n# out", "~~~", "one\n  next: two"])
def test_a_text_in_a_block_is_one_code_block(words: str) -> None:
    tokens = _RENDERER.parse(block(words))
    assert [token.type for token in tokens] == ["fence"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://x/ y", "http://x/>", "http://x/<", "", "http://x/`"])
def test_only_an_http_address_becomes_a_link(url: str) -> None:
    assert all(span.type != "link_open" for span in _spans(link("7", url)))


def test_a_link_has_the_address_unchanged() -> None:
    opened = [span for span in _spans(link("7 `x`", "http://cvat/tasks/7")) if span.type == "link_open"]
    assert [span.attrs["href"] for span in opened] == ["http://cvat/tasks/7"]


@given(st.text())
def test_the_key_of_an_artifact_has_only_characters_that_prefect_accepts(text: str) -> None:
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert slug(text)


def test_a_plain_text_in_a_link_is_not_code() -> None:
    assert link("street-00001", "http://cvat/tasks/7") == "[street-00001](<http://cvat/tasks/7>)"
    assert link("a_b_c", "http://cvat/tasks/7") == "[`a_b_c`](<http://cvat/tasks/7>)"
