"""JSON as Python reads it: with NaN and Infinity, and with numbers of any length."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from labelyard.errors import InputError


class NonFinite(float):
    """NaN, Infinity or -Infinity as written in a file, which is no JSON. A number that is too large is none."""

    __slots__ = ()


_decoder = json.JSONDecoder(parse_constant=NonFinite)


def load_json(content: bytes, where: str) -> Any:
    """Return JSON values; NaN and Infinity are `NonFinite`, a whole number too long for Python is infinite.

    Raises InputError with the position for anything else: no text, no JSON, or nested too deeply for any reader.
    """
    try:
        text = content.decode(json.detect_encoding(content))
        return _loads(text)
    except UnicodeDecodeError as error:
        raise InputError(f"no text at byte {error.start}: {error.reason}", where=where) from None
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno} (character {error.pos})"
        raise InputError(f"no JSON at {position}: {error.msg}", where=where) from None
    except RecursionError:
        raise InputError("nested too deeply: no reader can load it", where=where) from None


def _loads(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a whole number of more digits than Python converts
        return json.loads(text, parse_constant=NonFinite, parse_int=_whole_number)


def _whole_number(digits: str) -> float:
    return int(digits) if len(digits) < sys.int_info.default_max_str_digits else math.copysign(math.inf, float(digits))


def is_plain(content: bytes) -> bool:
    """Return whether readers that expect UTF-8 without a byte order mark can read a text that begins so."""
    return not content[:4].strip(b" \t\r\n") or json.detect_encoding(content[:4]) == "utf-8"
