"""The bodies of requests: what the API accepts for users, tasks, jobs, data and annotations."""

from __future__ import annotations

from typing import Any

from cvat_sandbox.errors import Crash
from cvat_sandbox.rest.credentials import GroupsField, NewEmailField, PasswordField, UsernameField
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    EmailField,
    Field,
    FloatField,
    FrameFilterField,
    IntegerField,
    ListField,
    ListSerializer,
    PrimaryKeyRelatedField,
    Serializer,
)
from cvat_sandbox.state.annotations import TYPES
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.state.tasks import STATUSES
from cvat_sandbox.state.users import Users

# -- users

NAME_LENGTHS = {"first_name": 30, "last_name": 150, "email": 254}
"""Longer values are cut at registration, and rejected by a change of a user."""

LOGIN = Serializer({
    "username": CharField(allow_blank=True, required=False), "email": EmailField(allow_blank=True, required=False),
    "password": CharField(),
})  # fmt: skip
_CONFIRMATIONS = ListSerializer(
    Serializer({
        "name": CharField(max_length=256), "display_text": CharField(max_length=2048, required=False),
        "url": CharField(max_length=2048, required=False), "required": BooleanField(required=False),
        "value": BooleanField(required=False),
    }), required=False,
)  # fmt: skip


def registration(users: Users) -> Serializer:
    """Return the serializer of a registration. The sandbox validates confirmations and needs none."""
    return Serializer({
        "username": UsernameField(users, max_length=150), "email": NewEmailField(users, required=False),
        "password1": PasswordField(), "password2": CharField(), "first_name": CharField(required=False),
        "last_name": CharField(required=False), "confirmations": _CONFIRMATIONS,
    })  # fmt: skip


def user(users: Users, user_id: int, *, full: bool) -> Serializer:
    """Return the serializer for changes of a user. Only staff may send the `full` one."""
    basic = {
        "username": UsernameField(users, max_length=150, exact=True, except_id=user_id),
        **{name: CharField(max_length=NAME_LENGTHS[name], allow_blank=True) for name in ("first_name", "last_name")},
        "email": EmailField(max_length=NAME_LENGTHS["email"], allow_blank=True),
    }  # fmt: skip
    flags = {name: BooleanField() for name in ("is_staff", "is_superuser", "is_active")}
    return Serializer({**basic, **({"groups": GroupsField(), **flags} if full else {})})


# -- tasks and jobs


class AttributeField(Field):
    """An attribute of a label. CVAT validates nothing of it; it joins `values` to one string."""

    def to_internal_value(self, value: Any) -> dict[str, Any]:
        """Return a copy with joined values; raises Crash for what is no dict, and for values that are no strings."""
        try:
            return {**value, "values": "\n".join(item.strip() for item in value.get("values", []))}
        except (AttributeError, TypeError) as error:
            raise Crash(str(error)) from error


def task(users: Users, *, new: bool) -> Serializer:
    """Return the serializer of a task. Only a new one has a segment size and an overlap."""
    sizes = {
        name: IntegerField(min_value=0, max_value=LARGEST_ID, required=False, allow_null=name == "overlap")
        for name in ("overlap", "segment_size")
    }
    label = Serializer({
        "name": CharField(max_length=64), "attributes": ListSerializer(AttributeField(), default=list),
    })  # fmt: skip
    return Serializer({
        "name": CharField(max_length=256),
        "owner": PrimaryKeyRelatedField(users.exists, allow_null=True, required=False),
        "assignee": PrimaryKeyRelatedField(users.exists, allow_null=True, required=False),
        "bug_tracker": CharField(max_length=2000, allow_blank=True, required=False),
        **(sizes if new else {}),
        "z_order": BooleanField(required=False),
        "labels": ListSerializer(label),
        "project": PrimaryKeyRelatedField(lambda _: False, allow_null=True, required=False),
    })  # fmt: skip


def job(users: Users) -> Serializer:
    """Return the serializer for changes of a job."""
    return Serializer({
        "assignee": PrimaryKeyRelatedField(users.exists, allow_null=True, required=False),
        "status": ChoiceField(*STATUSES, required=False),
    })  # fmt: skip


# -- data


class ChunkSizeField(IntegerField):
    """A positive integer. It may be left out, but None crashes the request."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return the number, or EMPTY; raises Crash for None."""
        number = super().run_validation(value, form=form, partial=partial)
        if number is None:
            raise Crash("TypeError: '>' not supported between instances of 'NoneType' and 'int'")
        return number

    def to_internal_value(self, value: Any) -> int:
        """Return the number."""
        number = super().to_internal_value(value)
        if number <= 0:
            raise ValidationError("Chunk size must be a positive integer")
        return number


def _frame_number() -> IntegerField:
    return IntegerField(min_value=0, max_value=LARGEST_ID, required=False)


_DATA = Serializer({
    "chunk_size": ChunkSizeField(min_value=0, max_value=LARGEST_ID, allow_null=True, required=False),
    "size": _frame_number(), "image_quality": IntegerField(min_value=0, max_value=100),
    "start_frame": _frame_number(), "stop_frame": _frame_number(),
    "frame_filter": FrameFilterField(max_length=256, allow_blank=True, required=False),
    "compressed_chunk_type": ChoiceField("video", "imageset", "list", required=False),
    "original_chunk_type": ChoiceField("video", "imageset", "list", required=False),
    "client_files": ListSerializer(Field(), default=list), "server_files": ListSerializer(Field(), default=list),
    "remote_files": ListSerializer(Field(), default=list), "use_zip_chunks": BooleanField(default=False),
})  # fmt: skip
DATA_DEFAULTS = {"chunk_size": None, "size": 0, "start_frame": 0, "stop_frame": 0, "frame_filter": "",
                 "compressed_chunk_type": "imageset", "original_chunk_type": "imageset"}  # fmt: skip
"""The values that the response to an upload shows for fields that were not sent."""


def validate_data(body: Any, *, form: bool) -> dict[str, Any]:
    """Return the internal values of the body of an upload; raises ValidationError."""
    values = _DATA.run_validation(body, form=form)
    if "start_frame" in values and "stop_frame" in values and values["start_frame"] > values["stop_frame"]:
        raise ValidationError({"non_field_errors": ["Stop frame must be more or equal start frame"]})
    return values


# -- annotations


class _AttributeValue(Serializer):
    """The value of an attribute. Any value becomes a string."""

    def __init__(self) -> None:
        super().__init__({"spec_id": IntegerField(), "value": CharField(max_length=4096, allow_blank=True)})

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values; raises Crash for an attribute without a value."""
        try:
            value = {**value, "value": str(value["value"])}
        except (TypeError, KeyError) as error:
            raise Crash(f"{type(error).__name__}: {error}") from error
        return super().run_validation(value, form=form, partial=partial)


def _annotation() -> dict[str, Field]:
    return {"id": IntegerField(default=None, allow_null=True), "frame": IntegerField(min_value=0),
            "label_id": IntegerField(min_value=0), "group": IntegerField(min_value=0, allow_null=True),
            "attributes": ListSerializer(_AttributeValue())}  # fmt: skip


def _shape() -> dict[str, Field]:
    return {"type": ChoiceField(*TYPES), "occluded": BooleanField(), "z_order": IntegerField(default=0),
            "points": ListField(FloatField(), allow_empty=False)}  # fmt: skip


_TRACKED_SHAPE = Serializer({
    **_shape(), "id": IntegerField(default=None, allow_null=True), "frame": IntegerField(min_value=0),
    "outside": BooleanField(), "attributes": ListSerializer(_AttributeValue()),
})  # fmt: skip
ANNOTATIONS = Serializer({
    "version": IntegerField(), "tags": ListSerializer(Serializer(_annotation())),
    "shapes": ListSerializer(Serializer({**_shape(), **_annotation()})),
    "tracks": ListSerializer(
        Serializer({**_annotation(), "shapes": ListSerializer(_TRACKED_SHAPE, allow_empty=False)})
    ),
})  # fmt: skip
