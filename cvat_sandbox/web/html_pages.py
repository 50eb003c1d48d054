"""Responses in HTML, as Django gives them outside of its REST framework."""

from __future__ import annotations

from flask import Response

NOT_FOUND = "<h1>Not Found</h1><p>The requested resource was not found on this server.</p>"
SERVER_ERROR = "<h1>Server Error (500)</h1>"
BAD_REQUEST = "<h1>Bad Request (400)</h1>"


class HtmlPage(Exception):
    """The response is an HTML page. Raised anywhere in a request, it ends the request."""

    def __init__(self, status: int, html: str, **headers: str) -> None:
        self.status, self.html, self.headers = status, html, headers
        super().__init__(str(status))

    def response(self) -> Response:
        """Return the page as a response."""
        kind = self.headers.pop("content_type", "text/html")
        return Response(self.html, self.status, headers=self.headers, content_type=kind)
