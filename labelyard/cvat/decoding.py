"""CVAT's JSON decoded to values, for every dialect; JSON of another shape raises CvatDisagrees.

Only the fields in use are decoded. A field that some servers of a family lack gets the value that its absence means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

from labelyard.cvat.error_responses import error_for
from labelyard.cvat.exchange import Exchange, Request, Response
from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame, FrameUse, User
from labelyard.errors import CvatDisagrees, CvatHidden, CvatNotFound

T = TypeVar("T")


def send(request: Request, accept: Container[int] = ()) -> Exchange[Response]:
    """Send `request` and return a response of 2xx or of a status in `accept`; any other raises its CvatError."""
    response = yield request
    if 200 <= response.status < 300 or response.status in accept:
        return response
    raise error_for(str(request), response)


def decode(request: Request, response: Response, decoder: Callable[[Any], T]) -> T:
    """Return the response's JSON as `decoder` decodes it. Raises CvatDisagrees if it has another shape."""
    try:
        return decoder(json.loads(response.content))
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        raise CvatDisagrees(
            f"the response has an unknown shape ({type(error).__name__}: {error})",
            request=str(request),
            status=response.status,
        ) from error


def decode_page(
    request: Request, response: Response, decoder: Callable[[Any], T], page: int
) -> tuple[list[T], int | None]:
    """Return the items of a list's page, and the number of the next page or None."""
    if response.status == 404:  # a page past the end: its items were deleted since the previous page [251]
        return [], None
    items, more = decode(
        request, response, lambda data: ([decoder(item) for item in data["results"]], bool(data["next"]))
    )
    return items, page + 1 if more else None


def fetch(request: Request, decoder: Callable[[Any], T]) -> Exchange[T]:
    """Send `request` and decode its response."""
    response = yield from send(request)
    return decode(request, response, decoder)


def send_for_task(task_id: int, request: Request) -> Exchange[Response]:
    """Request one task by its id. Raises CvatNotFound, or CvatHidden if this account may not read it.

    A list omits a hidden task, as if it were deleted.
    """
    response = yield from send(request, accept={403, 404})
    if response.status == 404:
        raise CvatNotFound(f"there is no task {task_id}", request=str(request), status=404)
    if response.status == 403:
        raise CvatHidden(
            f"task {task_id} exists, but labelyard's account may not read it",
            request=str(request),
            status=403,
            next_step=f"give the account the role admin, or make it the owner of task {task_id}",
        )
    return response


def decode_user_id(value: Any) -> int | None:
    """The id of a user given as a number, as an object with an id, or as None."""
    if isinstance(value, Mapping):
        return int(value["id"])
    return None if value is None else int(value)


def decode_user(data: Any) -> User:
    """A user; accounts with fewer rights receive shorter records."""
    return User(
        id=int(data["id"]),
        username=data["username"],
        first_name=data.get("first_name") or "",
        last_name=data.get("last_name") or "",
        email=data.get("email") or "",
        groups=tuple(data.get("groups") or ()),
        is_staff=bool(data.get("is_staff", False)),
        is_superuser=bool(data.get("is_superuser", False)),
        is_active=bool(data.get("is_active", True)),
    )


def decode_label(data: Any) -> Label:
    """A label with its attributes, and the points of a skeleton."""
    sublabels = tuple(decode_label(one) for one in data.get("sublabels") or ())
    return Label(
        name=data["name"],
        attributes=tuple(_attribute_spec(spec) for spec in data.get("attributes") or ()),
        color=data.get("color") or None,
        type=data.get("type") or "any",
        sublabels=sublabels,
        edges=_edges(data.get("svg") or "", [one.id for one in sublabels]),
        id=int(data["id"]),
    )


_SVG_ELEMENT = re.compile(r"<(line|circle)\b([^>]*)>")
_SVG_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


def _edges(svg: str, label_ids: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The lines of a skeleton's drawing, as pairs of indexes into its labels [2.73 0078]."""
    found = [(kind, dict(_SVG_ATTRIBUTE.findall(text))) for kind, text in _SVG_ELEMENT.findall(svg)]
    nodes = {one.get("data-node-id"): one.get("data-label-id") for kind, one in found if kind == "circle"}
    index = {str(label_id): number for number, label_id in enumerate(label_ids)}
    ends = [
        (index.get(nodes.get(one.get("data-node-from")) or ""), index.get(nodes.get(one.get("data-node-to")) or ""))
        for kind, one in found
        if kind == "line"
    ]
    return tuple((start, end) for start, end in ends if start is not None and end is not None)


def _attribute_spec(data: Any) -> AttributeSpec:
    return AttributeSpec(
        name=data["name"],
        input_type=_input_type(data["input_type"]),
        default=data["default_value"],
        values=tuple(data["values"]),
        mutable=bool(data["mutable"]),
        id=int(data["id"]),
    )


def decode_frames(data: Any) -> list[Frame]:
    """The frames of data/meta, in the server's order."""
    deleted = set(data.get("deleted_frames") or ())
    return [
        Frame(f["name"], int(f["width"]), int(f["height"]), FrameUse.DELETED if number in deleted else FrameUse.DATA)
        for number, f in enumerate(data["frames"])
    ]


def _input_type(name: str) -> InputType:
    """The input type of an attribute; an unknown one is TEXT, since servers accept any word here [124, 125]."""
    return InputType(name) if name in list(InputType) else InputType.TEXT


def file_name(response: Response) -> str:
    """The name in Content-Disposition; filename* comes first, since 1.0.0's filename is Python's b'…' [488]."""
    disposition = response.headers.get("content-disposition", "")
    _, encoded, name = disposition.partition("filename*=UTF-8''")
    if encoded:
        return unquote(name.partition(";")[0])
    _, plain, name = disposition.partition('filename="')
    return name.partition('"')[0] if plain else ""


# --- annotations ------------------------------------------------------------------------------------------------------


def decode_annotations(data: Any) -> Annotations:
    """All annotations of a job or task."""
    return Annotations(
        shapes=tuple(_shape(item) for item in data["shapes"]),
        tracks=tuple(_track(item) for item in data["tracks"]),
        tags=tuple(_tag(item) for item in data["tags"]),
        version=int(data.get("version") or 0),
    )


def _attribute_values(data: Any) -> tuple[AttributeValue, ...]:
    return tuple(AttributeValue(int(item["spec_id"]), str(item["value"])) for item in data.get("attributes") or ())


def _shape(data: Any) -> Shape:
    return Shape(
        type=ShapeType(data["type"]),
        frame=int(data["frame"]),
        label_id=int(data["label_id"]),
        points=tuple(float(x) for x in data["points"]),
        group=int(data.get("group") or 0),
        z_order=int(data.get("z_order") or 0),
        occluded=bool(data.get("occluded", False)),
        attributes=_attribute_values(data),
        source=data.get("source"),
        rotation=float(data.get("rotation") or 0),
        score=None if data.get("score") is None else float(data["score"]),
        outside=bool(data.get("outside", False)),
        elements=tuple(_shape(item) for item in data.get("elements") or ()),
        id=int(data.get("id") or 0),
    )


def _tracked_shape(data: Any) -> TrackedShape:
    return TrackedShape(
        type=ShapeType(data["type"]),
        frame=int(data["frame"]),
        points=tuple(float(x) for x in data["points"]),
        outside=bool(data.get("outside", False)),
        z_order=int(data.get("z_order") or 0),
        occluded=bool(data.get("occluded", False)),
        attributes=_attribute_values(data),
        rotation=float(data.get("rotation") or 0),
        id=int(data.get("id") or 0),
    )


def _track(data: Any) -> Track:
    return Track(
        frame=int(data["frame"]),
        label_id=int(data["label_id"]),
        shapes=tuple(_tracked_shape(item) for item in data["shapes"]),
        group=int(data.get("group") or 0),
        attributes=_attribute_values(data),
        source=data.get("source"),
        elements=tuple(_track(item) for item in data.get("elements") or ()),
        id=int(data.get("id") or 0),
    )


def _tag(data: Any) -> Tag:
    return Tag(
        frame=int(data["frame"]),
        label_id=int(data["label_id"]),
        group=int(data.get("group") or 0),
        attributes=_attribute_values(data),
        source=data.get("source"),
        id=int(data.get("id") or 0),
    )
