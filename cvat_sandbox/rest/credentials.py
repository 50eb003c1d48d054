"""Fields for user names, e-mail addresses, passwords and groups, with the error texts of Django's validators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cvat_sandbox.rest.exceptions import ValidationError
from cvat_sandbox.rest.fields import CharField, EmailField, ListField
from cvat_sandbox.state.users import GROUPS

if TYPE_CHECKING:
    from cvat_sandbox.state.users import Users

COMMON_PASSWORDS = """
password password1 password12 password123 password1234 password! passw0rd p@ssw0rd p@ssword pass pass1234
1 12 123 1234 12345 123456 1234567 12345678 123456789 1234567890 12345678901 0123456789 01234567 987654321 0987654321
87654321 654321 11111111 1111111 111111 22222222 33333333 44444444 55555555 66666666 77777777 7777777 88888888 99999999
00000000 000000 666666 123123 123123123 12341234 11223344 112233 121212 123321 12344321 147258369 159753 10203040
19283746 1029384756 20202020 31415926 5201314 8675309 98765432
a aaa abc abcd abcdef abc123 abcd1234 abc12345 a1b2c3d4 asdfgh asdfghjkl asdf1234 asdfasdf zxcvbnm zaq12wsx
qwerty qwerty1 qwerty12 qwerty123 qwertyui qwertyuiop 1q2w3e4r 1qaz2wsx 1qazxsw2 qazwsxedc
letmein letmein1 welcome welcome1 admin admin1 admin123 admin1234 administrator root toor login master monkey monkey123
dragon dragon123 football football1 baseball baseball1 superman superman1 batman iloveyou iloveyou1 princess princess1
sunshine sunshine1 shadow michael michael1 jordan trustno1 starwars computer computer1 internet freedom
whatever whatever1 hello hello123 secret secret123 changeme changeme1 test test123 test1234 testing guest user newuser
demo shorty default samsung google"""
"""The beginning of Django's list of twenty thousand common passwords."""


class UsernameField(CharField):
    """A user name that no other user has. Case counts only with `exact`."""

    def __init__(self, users: Users, *, exact: bool = False, except_id: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._users, self._exact, self._except_id = users, exact, except_id

    def to_internal_value(self, value: Any) -> str:
        """Return the name."""
        name = super().to_internal_value(value)
        if not re.fullmatch(r"[\w.@+-]+", name):
            raise ValidationError(
                "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
            )
        if self._users.is_taken("username", name, exact=self._exact, except_id=self._except_id):
            raise ValidationError("A user with that username already exists.")
        return name


class NewEmailField(EmailField):
    """An e-mail address that no user has."""

    def __init__(self, users: Users, **options: Any) -> None:
        super().__init__(**options)
        self._users = users

    def to_internal_value(self, value: Any) -> str:
        """Return the address."""
        address = super().to_internal_value(value)
        if address and self._users.is_taken("email", address):
            raise ValidationError("A user is already registered with this e-mail address.")
        return address


class PasswordField(CharField):
    """A password that Django's validators accept."""

    def to_internal_value(self, value: Any) -> str:
        """Return the password; the error has every reason to reject it."""
        password = super().to_internal_value(value)
        reasons = []
        if len(password) < 8:
            reasons.append("This password is too short. It must contain at least 8 characters.")
        if password.lower().strip() in COMMON_PASSWORDS.split():
            reasons.append("This password is too common.")
        if password.isdigit():
            reasons.append("This password is entirely numeric.")
        if reasons:
            raise ValidationError(reasons)
        return password


class GroupsField(ListField):
    """Names of groups that exist."""

    def __init__(self) -> None:
        super().__init__(CharField())

    def to_internal_value(self, value: Any) -> list[Any]:
        """Return the names; the error has the first unknown one."""
        if not isinstance(value, list):
            raise ValidationError(f'Expected a list of items but got type "{type(value).__name__}".')
        for name in value:
            if name not in GROUPS:
                raise ValidationError(f"Object with name={name} does not exist.")
        return value
