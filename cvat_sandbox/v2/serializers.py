"""The bodies of requests: what 2.x accepts for users, tasks, labels, jobs and data."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cvat_sandbox.rest.credentials import NewEmailField, PasswordField, UsernameField
from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import (
    BooleanField,
    CharField,
    ChoiceField,
    EmailField,
    Field,
    FrameFilterField,
    IntegerField,
    ListField,
    ListSerializer,
    Serializer,
)
from cvat_sandbox.state import jobs, label_sets
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.state.users import Users
from cvat_sandbox.v2.validation_fields import ConsensusReplicasField, ValidationParamsField
from cvat_sandbox.workers.task_data import SORTING_METHODS


class DateTimeField(Field):
    """A date with a time, as ISO 8601 writes it."""

    def to_internal_value(self, value: Any) -> str:
        """Return the date as the API shows it."""
        try:
            date = dt.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            expected = "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]"
            text = f"Datetime has wrong format. Use one of these formats instead: {expected}."
            raise ValidationError(text) from None
        aware = date if date.tzinfo else date.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


# -- users

LOGIN = Serializer({
    "username": CharField(allow_blank=True, required=False), "email": EmailField(allow_blank=True, required=False),
    "password": CharField(allow_blank=True, required=False),
})  # fmt: skip
USER = Serializer({
    "username": CharField(max_length=150), "first_name": CharField(max_length=150, allow_blank=True),
    "last_name": CharField(max_length=150, allow_blank=True), "email": EmailField(max_length=254, allow_blank=True),
    "is_staff": BooleanField(), "is_superuser": BooleanField(), "is_active": BooleanField(),
    "groups": ListField(CharField()),
})  # fmt: skip


def registration(users: Users) -> Serializer:
    """Return the serializer of a registration."""
    return Serializer({
        "username": UsernameField(users, min_length=5, max_length=150), "email": NewEmailField(users),
        "password1": PasswordField(), "password2": CharField(),
        "first_name": CharField(required=False, allow_blank=True),
        "last_name": CharField(required=False, allow_blank=True),
    })  # fmt: skip


ACCESS_TOKEN = Serializer({
    "name": CharField(max_length=100), "expiry_date": DateTimeField(required=False, allow_null=True),
    "read_only": BooleanField(required=False),
})  # fmt: skip

# -- labels

_ATTRIBUTE = {
    "id": IntegerField(required=False), "name": CharField(max_length=64), "mutable": BooleanField(),
    "input_type": ChoiceField(*label_sets.INPUT_TYPES),
    "default_value": CharField(max_length=128, allow_blank=True, required=False),
    "values": ListField(CharField(max_length=200, allow_blank=True)), "deleted": BooleanField(required=False),
}  # fmt: skip
_SUBLABEL = {
    "id": IntegerField(required=False), "name": CharField(max_length=64),
    "color": CharField(allow_blank=True, required=False),
    "attributes": ListSerializer(Serializer(_ATTRIBUTE), required=False),
    "type": ChoiceField(*label_sets.TYPES, required=False), "has_parent": BooleanField(required=False),
}  # fmt: skip
_LABEL = {
    **_SUBLABEL, "deleted": BooleanField(required=False), "svg": CharField(allow_blank=True, required=False),
    "sublabels": ListSerializer(Serializer(_SUBLABEL), required=False),
}  # fmt: skip


class LabelSerializer(Serializer):
    """A label. One that exists, with an id, needs no name."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values."""
        has_id = isinstance(value, dict) and "id" in value
        return super().run_validation(value, form=form, partial=partial or has_id)


LABEL = LabelSerializer(_LABEL)
LABELS = ListSerializer(LABEL, required=False)

# -- tasks and jobs


def _size(**options: Any) -> IntegerField:
    return IntegerField(min_value=0, max_value=LARGEST_ID, required=False, **options)


STORAGE = Serializer({
    "location": ChoiceField("cloud_storage", "local", required=False),
    "cloud_storage_id": IntegerField(required=False, allow_null=True),
})  # fmt: skip


class StorageField(Field):
    """A source or target storage."""

    def to_internal_value(self, value: Any) -> dict[str, Any]:
        """Return the location."""
        return STORAGE.run_validation(value)


_PEOPLE = {name: IntegerField(required=False, allow_null=True) for name in ("owner_id", "assignee_id")}
TASK = Serializer({
    "name": CharField(max_length=256), "project_id": IntegerField(required=False, allow_null=True), **_PEOPLE,
    "bug_tracker": CharField(max_length=2000, allow_blank=True, required=False), "overlap": _size(allow_null=True),
    "segment_size": _size(), "labels": LABELS,
    "subset": CharField(max_length=64, allow_blank=True, required=False),
    "source_storage": StorageField(required=False, allow_null=True),
    "target_storage": StorageField(required=False, allow_null=True),
    "consensus_replicas": ConsensusReplicasField(),
    "organization_id": IntegerField(required=False, allow_null=True),
})  # fmt: skip
PROJECT = Serializer({
    "name": CharField(max_length=256), "labels": LABELS, **_PEOPLE,
    "bug_tracker": CharField(max_length=2000, allow_blank=True, required=False),
    "source_storage": StorageField(required=False, allow_null=True),
    "target_storage": StorageField(required=False, allow_null=True),
})  # fmt: skip
JOB = Serializer({
    "assignee": IntegerField(required=False, allow_null=True), "stage": ChoiceField(*jobs.STAGES, required=False),
    "state": ChoiceField(*jobs.STATES, required=False),
})  # fmt: skip

# -- data


class DataSerializer(Serializer):
    """The body of an upload."""

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values; the chunks and the range of frames must not be empty."""
        values = super().run_validation(value, form=form, partial=partial)
        if values.get("chunk_size") == 0:
            raise ValidationError({"chunk_size": ["Chunk size must be a positive integer"]})
        if values.get("stop_frame") is not None and values.get("start_frame", 0) > values["stop_frame"]:
            raise ValidationError({"non_field_errors": ["Stop frame must be more or equal start frame"]})
        return values


_NAMES = ListField(CharField(allow_blank=True), required=False)
DATA = DataSerializer({
    "chunk_size": _size(allow_null=True), "image_quality": IntegerField(min_value=0, max_value=100, required=False),
    "start_frame": _size(), "stop_frame": _size(allow_null=True),
    "frame_filter": FrameFilterField(max_length=256, allow_blank=True, required=False),
    "server_files": _NAMES, "server_files_exclude": _NAMES, "remote_files": _NAMES, "upload_file_order": _NAMES,
    "use_cache": BooleanField(required=False), "copy_data": BooleanField(required=False),
    "cloud_storage_id": IntegerField(required=False, allow_null=True),
    "storage": ChoiceField("cloud_storage", "local", "share", required=False),
    "storage_method": ChoiceField("cache", "file_system", required=False),
    "sorting_method": ChoiceField(*SORTING_METHODS, required=False),
    "filename_pattern": CharField(required=False, allow_null=True),
    "job_file_mapping": ListField(ListField(CharField()), required=False),
    "validation_params": ValidationParamsField(),
})  # fmt: skip
META = Serializer({"deleted_frames": ListField(IntegerField(min_value=0)), "chunk_size": _size()})
