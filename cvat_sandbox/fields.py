"""What a JSON or form body must look like, and the words with which Django REST framework refuses it.

A field takes a raw value and returns the clean one or raises Invalid. An Object collects what its fields refuse.
"""

from __future__ import annotations

import ipaddress
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MISSING: Any = object()
"""The value of a field that was not sent."""
LARGEST_ID = 2**31 - 1
"""No row has a larger id; PostgreSQL finds none there, and refuses to write one."""
NULL = ["This field may not be null."]


class Invalid(Exception):
    """A value is refused; `detail` is the JSON of the answer: a list of sentences, or a map from field to such."""

    def __init__(self, detail: Any) -> None:
        self.detail = [detail] if isinstance(detail, str) else detail
        super().__init__(str(detail))


class Field:
    """One value; `required` unless it has a default, None refused unless `null`."""

    def __init__(self, *, default: Any = MISSING, required: bool | None = None, null: bool = False) -> None:
        self.default, self.null = default, null
        self.required = default is MISSING if required is None else required

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:  # noqa: ARG002 - for containers
        """The clean value; MISSING when it may stay out. `form`: it comes from a form, where nothing is a blank."""
        if form and value == "" and not (self.required and not self.null) and not getattr(self, "blank", False):
            value = None if self.null else MISSING
        if value is MISSING:
            if self.required:
                raise Invalid("This field is required.")
            return self.default() if callable(self.default) else self.default
        if value is None:
            if self.null:
                return None
            raise Invalid(NULL)
        return self.clean(value)

    def clean(self, value: Any) -> Any:
        """The value, which is not None, checked and converted."""
        return value


class Text(Field):
    """A string; numbers become strings, blanks around it are cut."""

    def __init__(self, *, longest: int = 0, blank: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.longest, self.blank = longest, blank

    def clean(self, value: Any) -> str:
        """The trimmed string."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Invalid("Not a valid string.")
        text = str(value).strip()
        if not text and not self.blank:
            raise Invalid("This field may not be blank.")
        if "\x00" in text:
            raise Invalid("Null characters are not allowed.")
        if self.longest and len(text) > self.longest:
            raise Invalid(f"Ensure this field has no more than {self.longest} characters.")
        return text


class Email(Text):
    """An e-mail address, as Django's validator sees one."""

    _BEFORE = re.compile(r"""[\w!#$%&'*+/=?^`{}|~-]+(\.[\w!#$%&'*+/=?^`{}|~-]+)*|"[^"\\\r\n]*\"""", re.ASCII)
    _LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    _BEHIND = re.compile(
        rf"localhost|({_LABEL}\.)+[a-z0-9-]{{1,62}}[a-z0-9]|\[(?P<address>[a-f0-9:.]+)\]", re.IGNORECASE
    )

    def clean(self, value: Any) -> str:
        """The address."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Invalid("Enter a valid email address.")
        text = super().clean(value)
        before, _, behind = text.rpartition("@")
        if text and not (self._BEFORE.fullmatch(before) and self._is_host(behind)):
            raise Invalid("Enter a valid email address.")
        return text

    def _is_host(self, name: str) -> bool:
        try:
            found = self._BEHIND.fullmatch(name.encode("idna").decode() if not name.isascii() else name)
            return found is not None and (not found["address"] or bool(ipaddress.ip_address(found["address"])))
        except ValueError:
            return False


class Whole(Field):
    """An integer; `"7"` and `7.0` are accepted."""

    def __init__(self, *, least: int | None = None, most: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.most = least, most

    def clean(self, value: Any) -> int:
        """The integer within its bounds."""
        if isinstance(value, str) and len(value) > 1000:
            raise Invalid("String value too large.")
        try:
            number = int(re.sub(r"\.0*\s*$", "", str(value)))
        except ValueError:
            raise Invalid("A valid integer is required.") from None
        if self.most is not None and number > self.most:
            raise Invalid(f"Ensure this value is less than or equal to {self.most}.")
        if self.least is not None and number < self.least:
            raise Invalid(f"Ensure this value is greater than or equal to {self.least}.")
        return number


class Real(Field):
    """A float."""

    def clean(self, value: Any) -> float:
        """The float; NaN and infinity pass, as they do there."""
        if isinstance(value, str) and len(value) > 1000:
            raise Invalid("String value too large.")
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            raise Invalid("A valid number is required.") from None


class Flag(Field):
    """A boolean, in any of the spellings of a form."""

    TRUE = ("t", "T", "y", "Y", "yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1", 1)
    FALSE = ("f", "F", "n", "N", "no", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0", 0)

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """A form that leaves a box out means no."""
        return False if form and value is MISSING else super().run(value, form=form, partial=partial)

    def clean(self, value: Any) -> bool:
        """The boolean."""
        if value in self.TRUE:
            return True
        if value in self.FALSE:
            return False
        raise Invalid("Must be a valid boolean.")


class Choice(Field):
    """One of a few words."""

    def __init__(self, *words: str, **options: Any) -> None:
        super().__init__(**options)
        self.words = words

    def clean(self, value: Any) -> str:
        """The word."""
        if str(value) not in self.words:
            raise Invalid(f'"{value}" is not a valid choice.')
        return str(value)


class Reference(Field):
    """The id of a row that `exists`."""

    def __init__(self, exists: Callable[[int], bool], **options: Any) -> None:
        super().__init__(**options)
        self.exists = exists

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """An empty string is None."""
        return super().run(None if isinstance(value, str) and value == "" else value, form=form, partial=partial)

    def clean(self, value: Any) -> int:
        """The id."""
        try:
            key = int(value)
        except (TypeError, ValueError, OverflowError):
            raise Invalid(f"Incorrect type. Expected pk value, received {type(value).__name__}.") from None
        if abs(key) > LARGEST_ID or not self.exists(key):
            raise Invalid(f'Invalid pk "{value}" - object does not exist.')
        return key


class Many(Field):
    """A list of values that one field checks; refusals are a list with {} where an element is right."""

    def __init__(self, child: Field | Object, *, empty: bool = True, plain: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.child, self.empty, self.plain = child, empty, plain

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> Any:
        """The clean list."""
        items = super().run(value, form=form)
        return self._each(items, partial=partial) if isinstance(items, list) else items

    def clean(self, value: Any) -> list[Any]:
        """The list itself. `plain` lists refuse with sentences, lists of objects with a map."""
        refusal = None
        if not isinstance(value, list):
            refusal = f'Expected a list of items but got type "{type(value).__name__}".'
        elif not self.empty and not value:
            refusal = "This list may not be empty."
        if refusal:
            raise Invalid([refusal] if self.plain else {"non_field_errors": [refusal]})
        return list(value)

    def _each(self, items: list[Any], *, partial: bool) -> list[Any]:
        clean, refused = [], {}
        for place, item in enumerate(items):
            try:
                clean.append(self.child.run(item, partial=partial))
            except Invalid as error:
                refused[place] = error.detail
        if refused and self.plain:
            raise Invalid({str(place): detail for place, detail in refused.items()})
        if refused:
            raise Invalid([refused.get(place, {}) for place in range(len(items))])
        return clean


class Object:
    """A JSON object or form; `fields` in the order in which they are checked."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = dict(fields)

    def run(self, value: Any, *, form: bool = False, partial: bool = False) -> dict[str, Any]:
        """The clean values that were sent or have a default; with `partial` only those that were sent."""
        if value is None:
            raise Invalid(NULL)
        if not isinstance(value, dict):
            raise Invalid(
                {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(value).__name__}."]}
            )
        clean, refused = {}, {}
        for name, field in self.fields.items():
            if partial and name not in value:
                continue
            try:
                result = field.run(value.get(name, MISSING), form=form, partial=partial)
                if result is not MISSING:
                    clean[name] = result
            except Invalid as error:
                refused[name] = error.detail
        if refused:
            raise Invalid(refused)
        return clean


def finite(value: Any) -> bool:
    """Whether a JSON value holds neither NaN nor infinity, which the server cannot write."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(finite(item) for item in value.values())
    return all(finite(item) for item in value) if isinstance(value, list) else True
