"""Documents in lines, and items in one notation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelyard.errors import InputError
from labelyard.releases.lines import Spool, all_plain, digest_of, dumped, fields, items, plain, write_document
from tests.support.coco_files import values

numbers = st.lists(st.integers())
notations = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 2, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\r\n", " : ")]),
    }
)


@given(values, notations)
@example("\x7f", {"ensure_ascii": False, "indent": None, "separators": None})
def test_an_item_has_one_text_in_every_notation(value: Any, notation: dict[str, Any]) -> None:
    text = json.dumps(value, **notation).encode()
    assert plain(text) == dumped(value)
    assert all_plain([text, b"1"]) == [dumped(value), b"1"]
    assert plain(text).isascii()


def test_numbers_stay_as_they_are_written() -> None:
    assert plain(b"[ 1.50, 1e5, -0, 0.1000000000000000055511151231257827 , 123456789012345678901234567890 ]") == (
        b"[1.50,1e5,-0,0.1000000000000000055511151231257827,123456789012345678901234567890]"
    )


@given(first=st.lists(values, max_size=5), second=st.lists(values, max_size=5), info=values)
@example(first=[], second=list(range(2500)), info={})
def test_a_document_is_read_again_line_by_line(
    first: list[Any], second: list[Any], info: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    spools = {"images": Spool(folder / "a"), "annotations": Spool(folder / "b")}
    for spool, content in zip(spools.values(), (first, second), strict=True):
        for value in content:
            spool.add(dumped(value))
        spool.close()
    path = folder / "document.json"
    digest = write_document(path, {"info": info, "licenses": []}, spools)
    assert digest == digest_of(path)
    assert digest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert json.loads(path.read_bytes()) == {"info": info, "licenses": [], "images": first, "annotations": second}
    assert fields(path) == {"info": info, "licenses": []}
    assert [json.loads(item) for part, item in items(path) if part == "annotations"] == second
    assert [json.loads(item) for part, item in items(path) if part == "images"] == first
    assert sorted(folder.iterdir()) == [path]


@given(kept=numbers, dropped=numbers, last=numbers)
@example(kept=list(range(1500)), dropped=list(range(1500)), last=list(range(1500)))
def test_a_spool_returns_to_an_earlier_state(
    kept: list[int], dropped: list[int], last: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    spool = Spool(folder / "spool")
    for number in kept:
        spool.add(b"%d" % number)
    state = spool.state()
    for number in dropped:
        spool.add(b"%d" % number)
    spool.reset(state)
    for number in last:
        spool.add(b"%d" % number)
    spool.close()
    write_document(folder / "document.json", {}, {"annotations": spool})
    assert json.loads((folder / "document.json").read_bytes()) == {"annotations": [*kept, *last]}


def test_a_file_that_ends_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(b'{"images":[\n{"id":1},\n')
    with pytest.raises(InputError, match="ends in the middle"):
        list(items(path))


@pytest.mark.parametrize("content", [b"nonsense\n", b'{"info":{},\n"x"\n', b"[" * 100_000])
def test_a_file_that_is_not_written_in_lines_has_no_fields(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a file of a release"):
        fields(path)
