"""Pages of lists, as the REST framework makes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from cvat_sandbox.rest.exceptions import ApiException
from cvat_sandbox.rest.request import ApiRequest
from cvat_sandbox.rest.responses import ApiResponse

PAGE_SIZE = 10


def page_of(request: ApiRequest, count: int, *, max_size: int = 2**62) -> tuple[int, int]:
    """Return the offset and the size of the page that the query names.

    count: the number of all rows. Raises ApiException (404) if there is no such page.
    """
    size = _page_size(request, count, max_size)
    pages = max(1, -(-count // size))
    wanted = request.query.get("page", "1")
    try:
        number = pages if wanted == "last" else int(wanted)
    except ValueError:
        raise _invalid_page() from None
    if not 1 <= number <= pages:
        raise _invalid_page()
    return (number - 1) * size, size


def _invalid_page() -> ApiException:
    return ApiException(404, {"detail": "Invalid page."})


def _page_size(request: ApiRequest, count: int, max_size: int) -> int:
    wanted = request.query.get("page_size", "")
    if wanted == "all":
        return max(count, 1)
    try:
        size = int(wanted)
    except ValueError:
        return PAGE_SIZE
    return min(size, max_size) if size > 0 else PAGE_SIZE


def paged(request: ApiRequest, count: int, results: list[Any], *, max_size: int = 2**62) -> ApiResponse:
    """Return the response of a page with the URLs of the next and the previous one."""
    first, size = page_of(request, count, max_size=max_size)
    number = first // size + 1
    return ApiResponse({
        "count": count,
        "next": _page_url(request, number + 1) if first + size < count else None,
        "previous": _page_url(request, number - 1) if number > 1 else None,
        "results": results,
    })  # fmt: skip


def _page_url(request: ApiRequest, number: int) -> str:
    parts = urlsplit(request.http.url)
    query = parse_qs(request.http.query_string.decode("latin-1"), keep_blank_values=True)
    query.pop("page", None)
    if number > 1:
        query["page"] = [str(number)]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(sorted(query.items()), doseq=True), ""))
