"""Properties: any response and any input of people becomes a value or an error of labelyard."""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import parse_form_data

from labelyard.cvat import v1_values, v2_values
from labelyard.cvat.decoding import decode, decode_annotations, decode_frames, decode_label, decode_user
from labelyard.cvat.encoding import encode_annotations, file_fields
from labelyard.cvat.error_responses import MAX_MESSAGE_LENGTH, error_for
from labelyard.cvat.exchange import Request, Response
from labelyard.cvat.label_validation import check_labels
from labelyard.cvat.multipart import Multipart
from labelyard.cvat.raw_json import parse_annotations, parse_labels
from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.tasks import UploadFile
from labelyard.errors import CvatDisagrees, CvatError, InputError, LabelError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=6,
)
CONTENT_TYPES = st.sampled_from(
    ["application/json", "application/vnd.cvat+json", "text/html; charset=utf-8", "text/plain", ""]
)
STATUSES = st.integers(100, 599)


@given(
    STATUSES,
    CONTENT_TYPES,
    st.binary(max_size=600) | JSON.map(lambda data: json.dumps(data).encode()) | TEXT.map(str.encode),
)
def test_any_error_response_is_an_error_in_one_printable_line(status: int, kind: str, body: bytes) -> None:
    error = error_for("GET /api/v1/x", Response(status, {"content-type": kind}, body))
    assert isinstance(error, CvatError)
    assert 0 < len(error.what) <= MAX_MESSAGE_LENGTH + 100
    assert not [c for c in error.what if unicodedata.category(c)[0] == "C"]


@given(st.sampled_from([400, 500]), st.sampled_from(["", "<p>", "Traceback (most recent call last)\n"]), TEXT)
def test_secrets_of_a_presigned_url_are_removed_from_any_error(status: int, before: str, after: str) -> None:
    content = f"{before}failed: https://s3.example.com/b/k.jpg?X-Amz-Signature=53cr3t {after}".encode()
    assert "53cr3t" not in str(error_for("", Response(status, {"content-type": "text/html"}, content)))


TASK = {"id": 1, "name": "t", "segments": [], "status": "annotation", "labels": [], "owner": 1, "assignee": None,
        "segment_size": 0, "overlap": None, "bug_tracker": "", "created_date": "", "updated_date": ""}  # fmt: skip
SHAPE = {"type": "rectangle", "frame": 0, "label_id": 1, "points": [1, 2, 3, 4], "attributes": []}
LABEL = {"id": 1, "name": "car", "attributes": []}
VALID_JSON: dict[Callable[[Any], Any], dict[str, Any]] = {
    v1_values.decode_task: TASK,
    v2_values.decode_task: TASK,
    v1_values.decode_job: {
        "id": 1,
        "task_id": 1,
        "start_frame": 0,
        "stop_frame": 0,
        "status": "annotation",
        "assignee": None,
    },
    v1_values.decode_creation: {"state": "Finished", "message": ""},
    v1_values.decode_git_repository: {"url": {"value": None}, "status": {"value": None, "error": None}},
    decode_user: {"id": 1, "username": "root"},
    decode_label: LABEL,
    decode_frames: {"frames": [{"name": "a.jpg", "width": 1, "height": 1}]},
    decode_annotations: {"shapes": [SHAPE], "tracks": [], "tags": []},
}


@pytest.mark.parametrize("decoder", VALID_JSON, ids=lambda decoder: f"{decoder.__module__}.{decoder.__name__}")
@given(data=st.data())
def test_any_response_is_decoded_or_raises_cvat_disagrees(decoder: Callable[[Any], Any], data: st.DataObject) -> None:
    valid = VALID_JSON[decoder]
    decode(Request("GET", "/"), Response(200, {}, json.dumps(valid).encode()), decoder)
    spoiled = data.draw(
        JSON | JSON.flatmap(lambda part: st.sampled_from(sorted(valid)).map(lambda key: valid | {key: part}))
    )
    with suppress(CvatDisagrees):
        decode(Request("GET", "/"), Response(200, {}, json.dumps(spoiled).encode()), decoder)


def as_received(name: str) -> str:
    """Return a name as a server receives it: with percent-encoded control characters."""
    return "".join(f"%{ord(c):02X}" if ord(c) < 32 or ord(c) == 127 else c for c in name)


NAMES = TEXT.filter(lambda name: name.strip() and "\0" not in name)
FILES = st.lists(st.tuples(NAMES, st.binary(max_size=300)), min_size=1, max_size=5)


@given(FILES, st.dictionaries(st.sampled_from(["image_quality", "frame_filter"]), TEXT, max_size=2))
def test_any_files_arrive_as_they_were_sent(files: list[tuple[str, bytes]], fields: dict[str, str]) -> None:
    uploads = [UploadFile(name, len(body), lambda body=body: io.BytesIO(body), "image/jpeg") for name, body in files]
    multipart = Multipart(list(fields.items()), file_fields(uploads))
    body = b"".join(multipart.chunks())
    assert len(body) == multipart.length
    _, got, sent = parse_form_data(
        {
            "wsgi.input": io.BytesIO(body),
            "CONTENT_TYPE": multipart.content_type,
            "CONTENT_LENGTH": str(len(body)),
            "REQUEST_METHOD": "POST",
        }
    )
    assert dict(got) == fields
    for number, (_, content) in enumerate(files):
        assert sent[f"client_files[{number}]"].stream.read() == content
    names = [sent[f"client_files[{number}]"].filename for number in range(len(files))]
    assert names == [as_received(name) for name, _ in files]


NUMBERS = st.integers(0, 10_000)
IDS = st.integers(1, 10_000)
POINTS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=8).map(tuple)
VALUES = st.lists(st.builds(AttributeValue, IDS, TEXT), max_size=2).map(tuple)
SOURCES = st.none() | st.sampled_from(["manual", "auto"])
SOME = {"frame": NUMBERS, "label_id": IDS, "group": NUMBERS, "attributes": VALUES, "source": SOURCES, "id": IDS}
DRAWN = {"type": st.sampled_from(ShapeType), "points": POINTS, "z_order": st.integers(-9, 9), "occluded": st.booleans()}
TRACKED = st.builds(TrackedShape, frame=NUMBERS, outside=st.booleans(), attributes=VALUES, id=IDS, **DRAWN)
ANNOTATIONS = st.builds(
    Annotations,
    shapes=st.lists(st.builds(Shape, **SOME, **DRAWN), max_size=3).map(tuple),
    tracks=st.lists(st.builds(Track, shapes=st.lists(TRACKED, max_size=3).map(tuple), **SOME), max_size=2).map(tuple),
    tags=st.lists(st.builds(Tag, **SOME), max_size=2).map(tuple),
    version=NUMBERS,
)


@given(ANNOTATIONS)
def test_annotations_are_decoded_as_they_were_encoded(annotations: Annotations) -> None:
    sent = json.dumps(encode_annotations(annotations, ids=True, source=True))
    got = decode_annotations(json.loads(sent))
    assert got == annotations
    assert [shape.id for shape in got.shapes] == [shape.id for shape in annotations.shapes]


@given(JSON | st.lists(st.dictionaries(st.sampled_from(["name", "attributes", "color", "id"]), JSON, max_size=4)))
def test_any_label_list_is_parsed_or_raises_label_error(data: Any) -> None:
    with suppress(LabelError):
        check_labels(parse_labels(data))


@given(JSON | st.dictionaries(st.sampled_from(["shapes", "tracks", "tags", "version"]), JSON, max_size=4))
def test_any_annotations_are_parsed_or_raise_input_error(data: Any) -> None:
    with suppress(InputError):
        parse_annotations(data)
