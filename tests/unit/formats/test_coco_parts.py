"""The parts of a COCO file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.errors import InputError
from labelyard.formats.coco.parts import read_parts

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
PART_NAMES = ("images", "annotations", "categories")


@given(parts=st.dictionaries(st.sampled_from(PART_NAMES), st.lists(values)), info=values)
def test_each_item_is_there_undecoded_and_so_is_the_rest(
    parts: dict[str, Any], info: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("coco") / "instances.json"
    path.write_text(json.dumps({**parts, "info": info}), "utf-8")
    found = read_parts(path)
    for part in PART_NAMES:
        assert [json.loads(bytes(item)) for item in getattr(found, part)] == parts.get(part, [])
    assert {name: json.loads(bytes(raw)) for name, raw in found.rest.items()} == {"info": info}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a COCO document"),
        (b"[]", "not a COCO document"),
        (b"\xff", "not a COCO document"),
        (b'{"images": [', "not a COCO document"),
        (b'{"annotations": [{"area": NaN}]}', "not a COCO document"),
        (b'{"images": {}}', "images is not a list"),
        (b'{"info": ' + b"[" * 100_000, "not a COCO document"),
    ],
)
def test_anything_else_is_an_error_that_names_the_file(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_parts(path)
    assert caught.value.where == str(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_parts(tmp_path / "absent.json")
