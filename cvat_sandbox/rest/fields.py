"""Fields and serializers: what a JSON or form body must contain, with the error texts of Django REST framework.

A field validates a raw value: it returns the internal value or raises ValidationError. A serializer validates an object
and collects the errors of its fields.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from cvat_sandbox.rest.exceptions import NULL, ValidationError
from cvat_sandbox.state.database import LARGEST_ID
from cvat_sandbox.state.media import has_frame_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EMPTY: Any = object()
"""The value of a field that was not sent."""
MAX_NUMBER_LENGTH = 1000


class Field:
    """A field with any value. It is required unless it has a default, and rejects None unless `allow_null`."""

    allow_blank = False

    def __init__(self, *, default: Any = EMPTY, required: bool | None = None, allow_null: bool = False) -> None:
        self.default, self.allow_null = default, allow_null
        self.required = default is EMPTY if required is None else required

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:  # noqa: ARG002 - for containers
        """Return the internal value, or EMPTY for an optional field that was not sent.

        form: the value comes from a form, where an empty string means no value.
        partial: fields that were not sent are left out, also those of inner objects.
        """
        if form and value == "" and not (self.required and not self.allow_null) and not self.allow_blank:
            value = None if self.allow_null else EMPTY
        if value is EMPTY:
            if self.required:
                raise ValidationError("This field is required.")
            return self.default() if callable(self.default) else self.default
        if value is None:
            if self.allow_null:
                return None
            raise ValidationError(NULL)
        return self.to_internal_value(value)

    def to_internal_value(self, value: Any) -> Any:
        """Check and convert a value that is not None."""
        return value


class CharField(Field):
    """A string without surrounding whitespace. A number becomes a string."""

    def __init__(self, *, max_length: int = 0, min_length: int = 0, allow_blank: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.max_length, self.min_length, self.allow_blank = max_length, min_length, allow_blank

    def to_internal_value(self, value: Any) -> str:
        """Return the stripped string."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValidationError("Not a valid string.")
        text = str(value).strip()
        if not text and not self.allow_blank:
            raise ValidationError("This field may not be blank.")
        if "\x00" in text:
            raise ValidationError("Null characters are not allowed.")
        if self.max_length and len(text) > self.max_length:
            raise ValidationError(f"Ensure this field has no more than {self.max_length} characters.")
        if len(text) < self.min_length:
            raise ValidationError(f"Ensure this field has at least {self.min_length} characters.")
        return text


class FrameFilterField(CharField):
    """A frame filter such as `step=2`."""

    def to_internal_value(self, value: Any) -> str:
        """Return the filter; it must have a step."""
        text = super().to_internal_value(value)
        if not has_frame_step(text):
            raise ValidationError("Invalid frame filter expression")
        return text


class EmailField(CharField):
    """An e-mail address by the rules of Django's validator."""

    _USER = re.compile(r"""[\w!#$%&'*+/=?^`{}|~-]+(\.[\w!#$%&'*+/=?^`{}|~-]+)*|"[^"\\\r\n]*\"""", re.ASCII)
    _LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    _DOMAIN = re.compile(
        rf"localhost|({_LABEL}\.)+[a-z0-9-]{{1,62}}[a-z0-9]|\[(?P<address>[a-f0-9:.]+)\]", re.IGNORECASE
    )

    def to_internal_value(self, value: Any) -> str:
        """Return the address."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValidationError("Enter a valid email address.")
        text = super().to_internal_value(value)
        user, _, domain = text.rpartition("@")
        if text and not (self._USER.fullmatch(user) and self._is_domain(domain)):
            raise ValidationError("Enter a valid email address.")
        return text

    def _is_domain(self, name: str) -> bool:
        try:
            found = self._DOMAIN.fullmatch(name.encode("idna").decode() if not name.isascii() else name)
            return found is not None and (not found["address"] or bool(ipaddress.ip_address(found["address"])))
        except ValueError:
            return False


class UrlField(CharField):
    """A URL by the rules of Django's validator."""

    _URL = re.compile(
        r"(https?|ftps?)://([^\s:@/]+(:[^\s:@/]*)?@)?"
        r"(\[[a-f0-9:.]+\]|\d{1,3}(\.\d{1,3}){3}|localhost|([\w-]{1,63}\.)+[^\W\d_][\w-]{1,62})\.?"
        r"(:\d{1,5})?([/?#]\S*)?", re.IGNORECASE,
    )  # fmt: skip

    def to_internal_value(self, value: Any) -> str:
        """Return the URL."""
        text = super().to_internal_value(value)
        if not self._URL.fullmatch(text):
            raise ValidationError("Enter a valid URL.")
        return text


class IntegerField(Field):
    """An integer. `"7"` and `7.0` are accepted."""

    def __init__(self, *, min_value: int | None = None, max_value: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.min_value, self.max_value = min_value, max_value

    def to_internal_value(self, value: Any) -> int:
        """Return the integer within its bounds."""
        if isinstance(value, str) and len(value) > MAX_NUMBER_LENGTH:
            raise ValidationError("String value too large.")
        try:
            number = value if type(value) is int else int(re.sub(r"\.0*\s*$", "", str(value)))
        except ValueError:
            raise ValidationError("A valid integer is required.") from None
        if self.max_value is not None and number > self.max_value:
            raise ValidationError(f"Ensure this value is less than or equal to {self.max_value}.")
        if self.min_value is not None and number < self.min_value:
            raise ValidationError(f"Ensure this value is greater than or equal to {self.min_value}.")
        return number


class FloatField(Field):
    """A float. NaN and infinity are accepted."""

    def __init__(self, *, min_value: float | None = None, max_value: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.min_value, self.max_value = min_value, max_value

    def to_internal_value(self, value: Any) -> float:
        """Return the float."""
        if isinstance(value, str) and len(value) > MAX_NUMBER_LENGTH:
            raise ValidationError("String value too large.")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("A valid number is required.") from None
        if self.max_value is not None and number > self.max_value:
            raise ValidationError(f"Ensure this value is less than or equal to {self.max_value}.")
        if self.min_value is not None and number < self.min_value:
            raise ValidationError(f"Ensure this value is greater than or equal to {self.min_value}.")
        return number


class BooleanField(Field):
    """A boolean, also as a form writes it."""

    TRUE = ("t", "T", "y", "Y", "yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1", 1)
    FALSE = ("f", "F", "n", "N", "no", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0", 0)

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return the boolean; a form that leaves the field out means False."""
        return False if form and value is EMPTY else super().run_validation(value, form=form, partial=partial)

    def to_internal_value(self, value: Any) -> bool:
        """Return the boolean."""
        if value in self.TRUE:
            return True
        if value in self.FALSE:
            return False
        raise ValidationError("Must be a valid boolean.")


class ChoiceField(Field):
    """One of a few strings."""

    def __init__(self, *choices: str, **options: Any) -> None:
        super().__init__(**options)
        self.choices = choices

    def to_internal_value(self, value: Any) -> str:
        """Return the choice."""
        if str(value) not in self.choices:
            raise ValidationError(f'"{value}" is not a valid choice.')
        return str(value)


class MultipleChoiceField(ChoiceField):
    """Several of a few strings, as a list. The internal value has each once, in the order of the choices."""

    def to_internal_value(self, value: Any) -> Any:
        """Return the list."""
        if not isinstance(value, list):
            raise ValidationError(f'Expected a list of items but got type "{type(value).__name__}".')
        chosen = {super(MultipleChoiceField, self).to_internal_value(item) for item in value}
        return [choice for choice in self.choices if choice in chosen]


class PrimaryKeyRelatedField(Field):
    """The id of a row for which `exists` returns True."""

    def __init__(self, exists: Callable[[int], bool], **options: Any) -> None:
        super().__init__(**options)
        self.exists = exists

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return the id; an empty string means None."""
        is_blank = isinstance(value, str) and value == ""
        return super().run_validation(None if is_blank else value, form=form, partial=partial)

    def to_internal_value(self, value: Any) -> int:
        """Return the id."""
        try:
            key = int(value)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError(f"Incorrect type. Expected pk value, received {type(value).__name__}.") from None
        if abs(key) > LARGEST_ID or not self.exists(key):
            raise ValidationError(f'Invalid pk "{value}" - object does not exist.')
        return key


class ListSerializer(Field):
    """A list of objects, all validated by `child`. Its errors are a list with {} for each valid object."""

    def __init__(self, child: Field | Serializer, *, allow_empty: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.child, self.allow_empty = child, allow_empty

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """Return the list of internal values."""
        items = super().run_validation(value, form=form)
        return self._validate_items(items, partial=partial) if isinstance(items, list) else items

    def to_internal_value(self, value: Any) -> list[Any]:
        """Return the list, its items not validated yet."""
        if not isinstance(value, list):
            raise self._error(f'Expected a list of items but got type "{type(value).__name__}".')
        if not self.allow_empty and not value:
            raise self._error("This list may not be empty.")
        return list(value)

    def _validate_items(self, items: list[Any], *, partial: bool) -> list[Any]:
        valid, errors = [], {}
        for index, item in enumerate(items):
            try:
                valid.append(self.child.run_validation(item, partial=partial))
            except ValidationError as error:
                errors[index] = error.detail
        if errors:
            raise self._item_errors(errors, len(items))
        return valid

    def _error(self, text: str) -> ValidationError:
        return ValidationError({"non_field_errors": [text]})

    def _item_errors(self, errors: dict[int, Any], count: int) -> ValidationError:
        return ValidationError([errors.get(index, {}) for index in range(count)])


class ListField(ListSerializer):
    """A list of plain values. Its errors are texts, or a dict from the index of an item to its texts."""

    def _error(self, text: str) -> ValidationError:
        return ValidationError([text])

    def _item_errors(self, errors: dict[int, Any], count: int) -> ValidationError:  # noqa: ARG002 - as in the base class
        return ValidationError({str(index): detail for index, detail in errors.items()})


class Serializer:
    """A JSON object or a form, whose fields are validated in order."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = dict(fields)

    def run_validation(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """Return the internal values of fields that were sent or have a default; with `partial` only of those sent."""
        if value is None:
            raise ValidationError(NULL)
        if not isinstance(value, dict):
            text = f"Invalid data. Expected a dictionary, but got {type(value).__name__}."
            raise ValidationError({"non_field_errors": [text]})
        valid, errors = {}, {}
        for name, field in self.fields.items():
            if partial and name not in value:
                continue
            try:
                result = field.run_validation(value.get(name, EMPTY), form=form, partial=partial)
                if result is not EMPTY:
                    valid[name] = result
            except ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise ValidationError(errors)
        return valid
