"""Pages of lists, as the REST framework makes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from cvat_sandbox.answers import Answer, NotFound
from cvat_sandbox.web import Call

PAGE_SIZE = 10


def page_of(call: Call, count: int) -> tuple[int, int]:
    """The first row and the number of rows of the page that the query asks for; NotFound past the end."""
    size = _page_size(call, count)
    pages = max(1, -(-count // size))
    wanted = call.query.get("page", "1")
    try:
        number = pages if wanted == "last" else int(wanted)
    except ValueError:
        raise NotFound("Invalid page.") from None
    if not 1 <= number <= pages:
        raise NotFound("Invalid page.")
    return (number - 1) * size, size


def _page_size(call: Call, count: int) -> int:
    wanted = call.query.get("page_size", "")
    if wanted == "all":
        return max(count, 1)
    try:
        size = int(wanted)
    except ValueError:
        return PAGE_SIZE
    return min(size, 2**62) if size > 0 else PAGE_SIZE


def paged(call: Call, count: int, results: list[Any]) -> Answer:
    """A page with its neighbours."""
    first, size = page_of(call, count)
    number = first // size + 1
    following = _with_page(call, number + 1) if first + size < count else None
    return Answer({"count": count, "next": following, "previous": _with_page(call, number - 1) if number > 1 else None,
                   "results": results})  # fmt: skip


def _with_page(call: Call, number: int) -> str:
    parts = urlsplit(call.request.url)
    query = parse_qs(call.request.query_string.decode("latin-1"), keep_blank_values=True)
    query.pop("page", None)
    if number > 1:
        query["page"] = [str(number)]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(sorted(query.items()), doseq=True), ""))
