"""What names, addresses, passwords and groups of users must be, in the words of Django's validators."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cvat_sandbox.fields import Email, Flag, Invalid, Many, Object, Text

GROUPS = ("admin", "user", "annotator", "observer")
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
"""The head of the list of twenty thousand that Django refuses."""

CONFIRMATIONS = Many(
    Object({
        "name": Text(longest=256), "display_text": Text(longest=2048, required=False),
        "url": Text(longest=2048, required=False), "required": Flag(required=False), "value": Flag(required=False),
    }), required=False,
)  # fmt: skip
"""What a user agrees to at registration; the sandbox asks for nothing."""


class Username(Text):
    """A name that nobody has yet."""

    def __init__(self, taken: Callable[..., bool], *, exact: bool = False, but: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._taken, self._exact, self._but = taken, exact, but

    def clean(self, value: Any) -> str:
        """The name."""
        name = super().clean(value)
        if not re.fullmatch(r"[\w.@+-]+", name):
            raise Invalid(
                "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
            )
        if self._taken("username", name, exact=self._exact, but=self._but):
            raise Invalid("A user with that username already exists.")
        return name


class FreshEmail(Email):
    """An address that nobody has registered yet."""

    def __init__(self, taken: Callable[..., bool], **options: Any) -> None:
        super().__init__(**options)
        self._taken = taken

    def clean(self, value: Any) -> str:
        """The address."""
        address = super().clean(value)
        if address and self._taken("email", address):
            raise Invalid("A user is already registered with this e-mail address.")
        return address


class Password(Text):
    """A password that Django's validators let pass."""

    def clean(self, value: Any) -> str:
        """The password."""
        password = super().clean(value)
        refused = []
        if len(password) < 8:
            refused.append("This password is too short. It must contain at least 8 characters.")
        if password.lower().strip() in COMMON_PASSWORDS.split():
            refused.append("This password is too common.")
        if password.isdigit():
            refused.append("This password is entirely numeric.")
        if refused:
            raise Invalid(refused)
        return password


class GroupNames(Many):
    """The names of groups that exist."""

    def __init__(self) -> None:
        super().__init__(Text(), plain=True)

    def clean(self, value: Any) -> list[Any]:
        """The names; the first unknown one is told."""
        if not isinstance(value, list):
            raise Invalid(f'Expected a list of items but got type "{type(value).__name__}".')
        for name in value:
            if name not in GROUPS:
                raise Invalid(f"Object with name={name} does not exist.")
        return value
