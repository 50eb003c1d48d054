"""CVAT's JSON as values, for every dialect; what does not fit becomes CvatDisagrees.

Only what is used is read, and a field that some server of the family lacks has the value that its absence means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from labelyard.cvat.wire import Answer, Request, Steps, ask
from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Tag, Track, TrackedShape
from labelyard.domain.labels import AttributeSpec, InputType, Label
from labelyard.domain.tasks import Frame, User
from labelyard.errors import CvatDisagrees, CvatHidden, CvatNotFound

T = TypeVar("T")


def read(request: Request, answer: Answer, shape: Callable[[Any], T]) -> T:
    """The answer's JSON as `shape` reads it. Raises CvatDisagrees where it has another form."""
    try:
        return shape(json.loads(answer.content))
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        wrong = f"{type(error).__name__}: {error}"
        raise CvatDisagrees(
            f"the answer fits no known server ({wrong})", request=str(request), status=answer.status
        ) from error


def fetch(request: Request, shape: Callable[[Any], T]) -> Steps[T]:
    """Send `request` and read its answer."""
    answer = yield from ask(request)
    return read(request, answer, shape)


def ask_for_task(task_id: int, request: Request) -> Steps[Answer]:
    """Ask for a task by itself. Raises CvatNotFound, and CvatHidden where it is there and not for this account.

    A list shows nothing of such a task, as if it were deleted.
    """
    answer = yield from ask(request, also=lambda a: a.status in (403, 404))
    if answer.status == 404:
        raise CvatNotFound(f"there is no task {task_id}", request=str(request), status=404)
    if answer.status == 403:
        raise CvatHidden(
            f"task {task_id} is there, and the account of labelyard may not see it",
            request=str(request),
            status=403,
            next_step=f"give the account the role admin, or make it the owner of task {task_id}",
        )
    return answer


def read_person(value: Any) -> int | None:
    """The id of somebody who is shown as a number, as an object with an id, or not at all."""
    if isinstance(value, Mapping):
        return int(value["id"])
    return None if value is None else int(value)


def read_user(data: Any) -> User:
    """A user; those who may see less are shown shorter records."""
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


def read_label(data: Any) -> Label:
    """A label with its attributes."""
    attributes = tuple(_attribute_spec(spec) for spec in data.get("attributes") or ())
    return Label(name=data["name"], attributes=attributes, color=data.get("color") or None, id=int(data["id"]))


def _attribute_spec(data: Any) -> AttributeSpec:
    return AttributeSpec(
        name=data["name"],
        input_type=_input_type(data["input_type"]),
        default=data["default_value"],
        values=tuple(data["values"]),
        mutable=bool(data["mutable"]),
        id=int(data["id"]),
    )


def read_frames(data: Any) -> list[Frame]:
    """The frames of data/meta, in the server's order."""
    return [Frame(name=f["name"], width=int(f["width"]), height=int(f["height"])) for f in data["frames"]]


def _input_type(name: str) -> InputType:
    """The kind of an attribute. A server takes any word here [124, 125]; what nobody knows is read as text."""
    return InputType(name) if name in list(InputType) else InputType.TEXT


def file_name(answer: Answer) -> str:
    """The name in Content-Disposition, from filename* where there is one: 1.0.0's filename is Python's b'…' [488]."""
    disposition = answer.headers.get("content-disposition", "")
    _, encoded, name = disposition.partition("filename*=UTF-8''")
    if encoded:
        return unquote(name.partition(";")[0])
    _, plain, name = disposition.partition('filename="')
    return name.partition('"')[0] if plain else ""


# --- annotations ------------------------------------------------------------------------------------------------------


def read_annotations(data: Any) -> Annotations:
    """All annotations of a job or task."""
    return Annotations(
        shapes=tuple(_shape(item) for item in data["shapes"]),
        tracks=tuple(_track(item) for item in data["tracks"]),
        tags=tuple(_tag(item) for item in data["tags"]),
        version=int(data.get("version") or 0),
    )


def _values(data: Any) -> tuple[AttributeValue, ...]:
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
        attributes=_values(data),
        source=data.get("source"),
        rotation=float(data.get("rotation") or 0),
        id=int(data.get("id") or 0),
    )


def _tracked(data: Any) -> TrackedShape:
    return TrackedShape(
        type=ShapeType(data["type"]),
        frame=int(data["frame"]),
        points=tuple(float(x) for x in data["points"]),
        outside=bool(data.get("outside", False)),
        z_order=int(data.get("z_order") or 0),
        occluded=bool(data.get("occluded", False)),
        attributes=_values(data),
        rotation=float(data.get("rotation") or 0),
        id=int(data.get("id") or 0),
    )


def _track(data: Any) -> Track:
    return Track(
        frame=int(data["frame"]),
        label_id=int(data["label_id"]),
        shapes=tuple(_tracked(item) for item in data["shapes"]),
        group=int(data.get("group") or 0),
        attributes=_values(data),
        source=data.get("source"),
        id=int(data.get("id") or 0),
    )


def _tag(data: Any) -> Tag:
    return Tag(
        frame=int(data["frame"]),
        label_id=int(data["label_id"]),
        group=int(data.get("group") or 0),
        attributes=_values(data),
        source=data.get("source"),
        id=int(data.get("id") or 0),
    )
